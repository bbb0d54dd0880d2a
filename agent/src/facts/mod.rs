//! What a node is: its name, the address of its interface, its machine, its etcd binary, and who holds its ports.

mod etcd_binary;
mod hostname;
mod interface;
mod machine;
mod ports;

use std::path::Path;

use ipnet::Ipv4Net;
use pilaster_common::etcd_conf::EtcdVersion;
use pilaster_common::paths;

pub(crate) use etcd_binary::EtcdBinary;
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
    /// Of the binary on disk.
    pub(crate) etcd_version: Option<EtcdVersion>,
    pub(crate) machine: Machine,
}

/// Looks at the node. What cannot be learnt is left empty: reports say what is, not what should be.
pub(crate) async fn observe(interface: &str, etcd: &mut EtcdBinary) -> Facts {
    Facts {
        hostname: hostname::read(),
        addresses: global_addresses(interface).unwrap_or_default(),
        etcd_version: etcd.version(Path::new(paths::ETCD_BINARY)).await.ok(),
        machine: machine::observe(),
    }
}
