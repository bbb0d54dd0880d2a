//! What a node is: its name, the address of its interface, its machine, its etcd binary, and who
//! holds its ports.

mod etcd_binary;
mod hostname;
mod interface;
mod machine;
mod ports;

use std::path::Path;

use pilaster_common::clock::Clock;
use pilaster_common::error::Told;
use pilaster_common::paths;
use pilaster_common::templates::TEMPLATES;
use pilaster_proto::facts::Facts;

use super::seen::Known;
use super::service::Services;

pub(super) use etcd_binary::EtcdBinary;
pub(crate) use hostname::{hostname, node_name};
pub(super) use interface::global_addresses;
pub use ports::PortHolder;
pub(super) use ports::holders;

/// Looks at the node.
pub(super) async fn observe(interface: &str, binary: &EtcdBinary, clock: &dyn Clock) -> Known {
    let installed = binary.installed(Path::new(paths::ETCD_BINARY), clock).await;
    let addresses = global_addresses(interface);
    let mut facts = Facts {
        hostname: hostname(),
        etcd: installed.as_ref().ok().copied(),
        agent_version: env!("CARGO_PKG_VERSION").into(),
        template_versions: TEMPLATES.versions(),
        service_manager: Services::detect().map(Services::kind),
        ..Facts::default()
    };
    machine::observe(&mut facts);
    let no_etcd = installed.err().map(|error| Told::new("etcd cannot run here", &error));
    let no_address = match addresses {
        Ok(addresses) => {
            facts.addresses = addresses;
            None
        }
        Err(error) => Some(Told::new("there is no address for etcd", &error)),
    };
    Known { facts, boot_id: machine::boot_id(), no_etcd, no_address }
}
