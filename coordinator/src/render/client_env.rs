//! What a person's shell and `/etc/hosts` need to speak to a cluster.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use pilaster_common::hosts_block::HostEntry;
use pilaster_common::name::NodeName;

use crate::spec::ClusterSpec;

/// How variables are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Shell {
    /// `export A='b'`
    Sh,
    /// `set -gx A 'b'`
    Fish,
    /// `A=b`
    Dotenv,
}

/// One line for each member that has an address, and the service name on each of them.
pub(crate) fn host_entries(spec: &ClusterSpec, joined: &[(NodeName, Ipv4Addr)]) -> Vec<HostEntry> {
    joined
        .iter()
        .map(|(name, address)| HostEntry {
            address: IpAddr::from(*address),
            names: vec![spec.host(name), name.to_string(), spec.service.to_string()],
        })
        .collect()
}

/// The `ETCDCTL_*` lines with all endpoints, so that one dead member stops nobody.
pub(crate) fn client_env(
    shell: Shell,
    endpoints: &[String],
    ca: &Path,
    certificate: &Path,
    key: &Path,
) -> String {
    let line = |name: &str, value: &str| match shell {
        Shell::Sh => format!("export {name}='{}'\n", value.replace('\'', "'\\''")),
        Shell::Fish => {
            format!("set -gx {name} '{}'\n", value.replace('\\', "\\\\").replace('\'', "\\'"))
        }
        Shell::Dotenv => format!("{name}={value}\n"),
    };
    [
        line("ETCDCTL_API", "3"),
        line("ETCDCTL_ENDPOINTS", &endpoints.join(",")),
        line("ETCDCTL_CACERT", &ca.to_string_lossy()),
        line("ETCDCTL_CERT", &certificate.to_string_lossy()),
        line("ETCDCTL_KEY", &key.to_string_lossy()),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_endpoints_are_there_and_a_quote_breaks_nothing() {
        let endpoints = ["https://m-1.a.b:2379".to_owned(), "https://m-2.a.b:2379".to_owned()];
        let path = Path::new("/home/o'neil/client.pem");
        let text = client_env(Shell::Sh, &endpoints, path, path, path);
        assert!(
            text.contains("export ETCDCTL_ENDPOINTS='https://m-1.a.b:2379,https://m-2.a.b:2379'\n")
        );
        assert!(text.contains("'/home/o'\\''neil/client.pem'"));
    }
}
