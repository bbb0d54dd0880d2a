//! What a node is.

use ipnet::Ipv4Net;
use pilaster_common::etcd_conf::{EtcdVersion, Processor, ServiceManager};

use crate::agent::v1 as pb;
use crate::checked::{BadMessage, each, parsed, texts};

/// What a node is, as it reports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// As the kernel knows it.
    pub hostname: String,
    /// Global IPv4 addresses of the interface that the cluster uses, in the kernel's order.
    pub addresses: Vec<Ipv4Net>,
    /// As `uname -m` says.
    pub architecture: String,
    /// The binary on disk; `None` where there is none that both sides know.
    pub etcd: Option<InstalledEtcd>,
    /// All that the machine has.
    pub memory_bytes: u64,
    /// Of the file system that holds etcd's data.
    pub disk_free_bytes: u64,
    /// Its version.
    pub kernel: String,
    /// Since the boot.
    pub uptime_seconds: u64,
    /// Of the agent.
    pub agent_version: String,
    /// What the agent can render.
    pub template_versions: Vec<u32>,
    /// What keeps services; `None` where there is none that both sides know.
    pub service_manager: Option<ServiceManager>,
}

/// The etcd binary on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstalledEtcd {
    /// Its release.
    pub version: EtcdVersion,
    /// What it was built for, which on a 32-bit system is not the kernel's.
    pub processor: Processor,
}

impl TryFrom<pb::Facts> for Facts {
    type Error = BadMessage;

    fn try_from(facts: pb::Facts) -> Result<Self, BadMessage> {
        let pb::Facts {
            hostname,
            addresses,
            architecture,
            etcd,
            memory_bytes,
            disk_free_bytes,
            kernel,
            uptime_seconds,
            agent_version,
            template_versions,
            service_manager,
        } = facts;
        Ok(Self {
            hostname,
            addresses: each(addresses, |net| parsed("facts.addresses", &net))?,
            architecture,
            etcd: etcd.and_then(installed),
            memory_bytes,
            disk_free_bytes,
            kernel,
            uptime_seconds,
            agent_version,
            template_versions,
            service_manager: pb::ServiceManager::ours(service_manager),
        })
    }
}

/// An etcd that a newer agent knows and this side does not is none that could be used.
fn installed(etcd: pb::InstalledEtcd) -> Option<InstalledEtcd> {
    let pb::InstalledEtcd { version, processor } = etcd;
    Some(InstalledEtcd { version: version.parse().ok()?, processor: processor.parse().ok()? })
}

impl From<Facts> for pb::Facts {
    fn from(facts: Facts) -> Self {
        let Facts {
            hostname,
            addresses,
            architecture,
            etcd,
            memory_bytes,
            disk_free_bytes,
            kernel,
            uptime_seconds,
            agent_version,
            template_versions,
            service_manager,
        } = facts;
        Self {
            hostname,
            addresses: texts(addresses),
            architecture,
            etcd: etcd.map(|InstalledEtcd { version, processor }| pb::InstalledEtcd {
                version: version.to_string(),
                processor: processor.to_string(),
            }),
            memory_bytes,
            disk_free_bytes,
            kernel,
            uptime_seconds,
            agent_version,
            template_versions,
            service_manager: service_manager
                .map_or(pb::ServiceManager::Unspecified, Into::into)
                .into(),
        }
    }
}
