//! What a node is: its name, the address of its interface, its machine, its etcd binary, and who holds its ports.

mod etcd_binary;
mod hostname;
mod interface;
mod machine;
mod ports;

use std::path::Path;

use pilaster_common::error::Told;
use pilaster_common::paths;
use pilaster_common::templates::TEMPLATES;
use pilaster_proto::facts::Facts;

pub(crate) use etcd_binary::EtcdBinary;
pub(crate) use hostname::node_name;
pub(crate) use interface::global_addresses;
pub(crate) use machine::boot_id;
pub(crate) use ports::{PortHolder, holders};

/// What is known of a node.
#[derive(Debug, Clone)]
pub(crate) struct Known {
    pub(crate) facts: Facts,
    /// Why there is no etcd that could be run, where there is none.
    pub(crate) no_etcd: Option<Told>,
}

/// Looks at the node. What cannot be learnt is left empty: reports say what is, not what should be.
pub(crate) async fn observe(interface: &str, binary: &mut EtcdBinary) -> Known {
    let installed = binary.installed(Path::new(paths::ETCD_BINARY)).await;
    let mut facts = Facts {
        hostname: hostname::read(),
        addresses: global_addresses(interface).unwrap_or_default(),
        etcd: installed.as_ref().ok().copied(),
        agent_version: env!("CARGO_PKG_VERSION").into(),
        template_versions: TEMPLATES.versions(),
        service_manager: crate::service::Services::detect().map(|services| services.kind()),
        ..Facts::default()
    };
    machine::observe(&mut facts);
    let no_etcd = installed.err().map(|error| Told::new("etcd cannot run here", &error));
    Known { facts, no_etcd }
}
