//! What a node is: its name, the address of its interface, its machine, its etcd binary, and who holds its ports.

mod etcd_binary;
mod hostname;
mod interface;
mod machine;
mod ports;

use std::path::Path;

use ipnet::Ipv4Net;
use pilaster_common::error::Told;
use pilaster_common::etcd_conf::ServiceManager;
use pilaster_common::paths;

pub(crate) use etcd_binary::{EtcdBinary, InstalledEtcd};
pub(crate) use hostname::node_name;
pub(crate) use interface::global_addresses;
pub(crate) use machine::{Machine, boot_id};
pub(crate) use ports::{PortHolder, holders};

/// What a node is, as reported.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Facts {
    pub(crate) hostname: String,
    /// Global IPv4 addresses of the interface.
    pub(crate) addresses: Vec<Ipv4Net>,
    /// The binary on disk, or why there is none that could be run.
    pub(crate) etcd: Result<InstalledEtcd, Told>,
    /// What keeps services; `None` where there is none that is known.
    pub(crate) service_manager: Option<ServiceManager>,
    pub(crate) machine: Machine,
}

/// Looks at the node. What cannot be learnt is left empty: reports say what is, not what should be.
pub(crate) async fn observe(interface: &str, etcd: &mut EtcdBinary) -> Facts {
    Facts {
        hostname: hostname::read(),
        addresses: global_addresses(interface).unwrap_or_default(),
        etcd: etcd
            .installed(Path::new(paths::ETCD_BINARY))
            .await
            .map_err(|error| Told::new("etcd cannot run here", &error)),
        service_manager: crate::service::ServiceManager::detect().map(|manager| manager.kind()),
        machine: machine::observe(),
    }
}
