//! The interface to the host: every file that the agent keeps there, by kind and never by path, and the verbs for etcd's service.

use std::future::Future;
use std::io;
use std::net::Ipv4Addr;

use pilaster_common::atomic_file::{Access, ReplaceFileError, Replaced};
use pilaster_common::error::{Code, Help, code};
use pilaster_common::etcd_conf::EtcdVersion;
use pilaster_common::node_file::NodeFile;
use pilaster_common::profile::Profile;
use pilaster_proto::report::ServiceState;
use zeroize::Zeroizing;

use super::output::TrimError;
use super::pin::PinError;
use crate::config::ETCD_USER;
use crate::etcd::Served;
use crate::facts::{Known, PortHolder};
use crate::service::{ServiceError, ServiceVerb};

/// A file that the agent keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ManagedFile {
    /// Rendered.
    Text(NodeFile),
    /// What etcd's client port trusts.
    ClientCa,
    /// What etcd's peer port trusts.
    PeerCa,
    /// Chain and key of a profile.
    Leaf(Profile),
    /// The pair that a leaf has replaced, until the new one is seen served (promise 1).
    Before(Profile),
    /// /etc/hosts.
    Hosts,
}

/// A file as it lies there.
#[derive(Debug)]
pub(crate) struct Present {
    pub(crate) content: Zeroizing<Vec<u8>>,
    /// Whether owner and mode are right.
    pub(crate) in_order: bool,
}

/// Why a file could not be put in place.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlaceError {
    #[error(transparent)]
    Replace(#[from] ReplaceFileError),
    #[error("there is no user {ETCD_USER}")]
    NoEtcdUser,
}

impl Help for PlaceError {
    fn help(&self) -> Option<String> {
        match self {
            Self::Replace(error) => error.help(),
            Self::NoEtcdUser => Some(
                "the package makes it: apk add etcd etcd-ctl (Alpine), or apt-get install etcd-server etcd-client (Debian)".into(),
            ),
        }
    }

    fn code(&self) -> Code {
        match self {
            Self::Replace(_) => code::STEP,
            Self::NoEtcdUser => code::NO_ETCD_USER,
        }
    }
}

/// A host, as far as the agent may touch it.
pub(crate) trait Host {
    /// What the host is.
    fn facts(&mut self) -> impl Future<Output = Known> + Send;

    /// A file as it lies there; `None` where there is none.
    fn read(&self, file: ManagedFile) -> io::Result<Option<Present>>;

    /// Keeps small what services append to without end; answers for each file whether it was cut.
    fn trim_outputs(&self) -> Vec<(&'static str, Result<bool, TrimError>)>;

    /// Puts a file in place whole, with its owner and mode, if it differs.
    fn place(&self, file: ManagedFile, content: &[u8]) -> Result<Replaced, PlaceError>;

    /// Removes a file for good.
    fn erase(&self, file: ManagedFile) -> Result<(), PlaceError>;

    /// What etcd shows or takes of this profile's certificate, asked from `address`, the node's own.
    fn served(&self, profile: Profile, address: Ipv4Addr) -> impl Future<Output = Served> + Send;

    /// Whether etcd's folder is there, root's and 0755.
    fn folder_in_order(&self) -> bool;

    /// Makes it so.
    fn make_folder(&self) -> Result<(), PlaceError>;

    /// How etcd's service is.
    fn service(&self) -> ServiceState;

    /// Whether it is started at each boot.
    fn is_enabled(&self) -> bool;

    /// Does something to etcd's service.
    fn act_on_service(
        &self,
        verb: ServiceVerb,
    ) -> impl Future<Output = Result<(), ServiceError>> + Send;

    /// Whether an upgrade of the host's packages could bring another minor version of etcd.
    fn etcd_may_jump(&self) -> bool;

    /// Keeps etcd at the minor of this version, which is installed.
    fn pin_etcd(&self, version: EtcdVersion) -> impl Future<Output = Result<(), PinError>> + Send;

    /// Those who hold a port that etcd binds on one of `addresses` or on loopback.
    fn port_holders(&self, addresses: &[Ipv4Addr]) -> Vec<PortHolder>;

    /// etcd's user and group.
    fn etcd_user(&self) -> Option<(u32, u32)>;
}

/// Owner and mode of a file; `None` while etcd's user is missing. /etc/hosts keeps what it has.
pub(super) fn access(file: ManagedFile, etcd: Option<(u32, u32)>) -> Option<Access> {
    Some(match file {
        ManagedFile::Text(NodeFile::ServiceScript) => Access::root(0o755),
        ManagedFile::Text(_) | ManagedFile::ClientCa | ManagedFile::PeerCa | ManagedFile::Hosts => {
            Access::root(0o644)
        }
        ManagedFile::Leaf(Profile::Server | Profile::Peer)
        | ManagedFile::Before(Profile::Server | Profile::Peer) => {
            let (uid, gid) = etcd?;
            Access { uid, gid, mode: 0o600 }
        }
        ManagedFile::Leaf(_) | ManagedFile::Before(_) => Access::root(0o600),
    })
}
