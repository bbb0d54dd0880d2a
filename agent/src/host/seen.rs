//! What a look at a host answers, as whole values.

use std::collections::BTreeMap;

use pilaster_common::error::Told;
use pilaster_proto::facts::Facts;
use pilaster_proto::report::ServiceState;

use super::facts::PortHolder;
use super::file::File;

/// What a host is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// As reported. What cannot be learnt is left empty.
    pub facts: Facts,
    /// Differs after each boot; empty where the kernel does not say.
    pub boot_id: String,
    /// Why there is no etcd that could be run, where there is none.
    pub no_etcd: Option<Told>,
    /// Why there is no address that a cluster could use, where there is none.
    pub no_address: Option<Told>,
}

/// What lies and runs on a host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Whether etcd's folder is there, root's and 0755.
    pub folder_in_order: bool,
    /// The files that are there; one with a key only where chain and key fit. One that cannot be
    /// read counts as absent: it is replaced.
    pub files: BTreeMap<File, SeenFile>,
    /// What these have replaced, while it is kept.
    pub before: BTreeMap<File, SeenFile>,
    /// `/etc/hosts`: empty where there is none; `None` where it cannot be read as text.
    pub hosts: Option<String>,
    /// etcd's service.
    pub etcd: SeenService,
    /// The agent's own.
    pub agent: SeenService,
    /// Whether there is a user for etcd.
    pub etcd_user: bool,
    /// Whether an upgrade of the host's packages could bring another minor version of etcd.
    pub etcd_may_jump: bool,
    /// Those who hold etcd's ports and are not etcd's own service.
    pub port_holders: Vec<PortHolder>,
    /// Whether what services append to without end has grown too large.
    pub outputs_overgrown: bool,
}

/// A file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeenFile {
    /// All of it; of one with a key only the part before that (promise 1).
    pub content: Vec<u8>,
    /// Whether owner and mode are right.
    pub in_order: bool,
}

/// A service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SeenService {
    /// How it is.
    pub state: ServiceState,
    /// Whether it is started at each boot.
    pub is_enabled: bool,
}
