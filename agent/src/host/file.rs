//! The files that the agent keeps on a host, by kind and never by path.

use std::path::{Path, PathBuf};

use pilaster_common::atomic_file::Access;
use pilaster_common::etcd_conf::ServiceManager;
use pilaster_common::name::NodeName;
use pilaster_common::node_file::NodeFile;
use pilaster_common::paths;
use pilaster_common::profile::Profile;
use serde::{Deserialize, Serialize};

/// The user that Debian's and Alpine's packages make for etcd.
pub(crate) const ETCD_USER: &str = "etcd";
/// How etcd and its user come to a host.
pub(crate) const INSTALL_ETCD: &str =
    "apk add etcd etcd-ctl (Alpine), or apt-get install etcd-server etcd-client (Debian)";

/// A file that the agent keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum File {
    /// Rendered.
    Text(NodeFile),
    /// What etcd's client port trusts.
    ClientCa,
    /// What etcd's peer port trusts.
    PeerCa,
    /// Chain and key of one of etcd's profiles.
    Leaf(Profile),
    /// `/etc/hosts`.
    Hosts,
}

impl File {
    /// Where it lies: the only place where a kind becomes a path (promise 13).
    pub(super) fn path(self, node: &NodeName, services: ServiceManager) -> PathBuf {
        match self {
            Self::Text(file) => file.path(services).into(),
            Self::ClientCa => paths::CLIENT_CA.into(),
            Self::PeerCa => paths::PEER_CA.into(),
            Self::Leaf(Profile::Peer) => paths::peer_leaf(node),
            Self::Leaf(Profile::Client) => paths::CLIENT_LEAF.into(),
            Self::Leaf(Profile::Server | Profile::Agent) => paths::SERVER_LEAF.into(),
            Self::Hosts => paths::HOSTS.into(),
        }
    }

    /// Owner and mode; `None` while etcd's user is missing.
    pub(super) fn access(self, etcd: Option<(u32, u32)>) -> Option<Access> {
        Some(match self {
            Self::Text(NodeFile::ServiceScript) => Access::root(0o755),
            Self::Text(_) | Self::ClientCa | Self::PeerCa | Self::Hosts => Access::root(0o644),
            Self::Leaf(Profile::Server | Profile::Peer) => {
                let (uid, gid) = etcd?;
                Access { uid, gid, mode: 0o600 }
            }
            Self::Leaf(_) => Access::root(0o600),
        })
    }
}

/// Where what a file has replaced is kept, until the new one is seen to work.
pub(super) fn before(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.before"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promise_01_a_file_with_a_key_is_for_its_reader_alone() {
        for (profile, uid) in [(Profile::Server, 7), (Profile::Peer, 7), (Profile::Client, 0)] {
            let access = File::Leaf(profile).access(Some((7, 7))).expect("there is a user");
            assert_eq!((access.uid, access.mode), (uid, 0o600), "{profile}");
        }
        assert_eq!(File::Leaf(Profile::Server).access(None), None);
        let node = "m-1".parse().expect("good");
        let path = File::Leaf(Profile::Peer).path(&node, ServiceManager::OpenRc);
        assert_eq!(before(&path), Path::new("/etc/etcd/.m-1.pem.before"));
    }
}
