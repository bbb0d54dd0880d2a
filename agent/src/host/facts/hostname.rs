//! The host name, which is the node's name and its member's.

use pilaster_common::error::Help;
use pilaster_common::name::{BadName, NodeName};

/// A host name that no node can have.
#[derive(Debug, thiserror::Error)]
#[error("the host name {hostname:?} cannot be a node's name")]
pub(crate) struct BadHostname {
    hostname: String,
    source: BadName,
}

impl Help for BadHostname {
    fn help(&self) -> Option<String> {
        let rule = self.source.help().unwrap_or_default();
        Some(format!("{rule}; set it in /etc/hostname and run: hostname -F /etc/hostname"))
    }
}

/// A host's name as a node's.
pub(crate) fn node_name(hostname: &str) -> Result<NodeName, BadHostname> {
    let bad = |source| BadHostname { hostname: hostname.into(), source };
    hostname.parse().map_err(bad)
}

/// The host name as the kernel knows it.
pub(crate) fn hostname() -> String {
    nix::unistd::gethostname().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pilaster_common::error::causes;

    #[track_caller]
    fn refused(hostname: &str, words: &str) {
        let error = node_name(hostname).expect_err(hostname);
        assert!(causes(&error).contains(words), "{}", causes(&error));
        assert!(error.help().is_some_and(|help| help.contains("/etc/hostname")));
    }

    #[test]
    fn a_host_name_that_is_no_node_name_is_told_with_what_to_do() {
        assert!(node_name("x-k3s-m-1").is_ok());
        refused("x-k3s-m-1.edge.huatai.me", "not one DNS label");
        refused("localhost", "reserved");
        refused("My_Pi", "'M'");
        refused("", "empty");
    }
}
