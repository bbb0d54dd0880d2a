//! Every value that etcd's files depend on, typed.

use std::net::Ipv4Addr;

use super::version::EtcdVersion;
use crate::name::{ClusterName, DomainName, NodeName};

/// One member as `initial-cluster` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: NodeName,
    /// The host in its URLs.
    pub host: String,
}

/// `initial-cluster-state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitialState {
    /// Only until the cluster has formed (promise 10).
    New,
    /// From then on.
    Existing,
}

/// What one member's etcd is configured with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EtcdConf {
    /// Of the etcd that reads the files.
    pub version: EtcdVersion,
    /// The cluster.
    pub cluster: ClusterName,
    /// Its domain.
    pub domain: DomainName,
    /// This member.
    pub node: NodeName,
    /// Its address on eth0.
    pub address: Ipv4Addr,
    /// All members, this one included.
    pub members: Vec<Member>,
    /// `initial-cluster-token`: random for each formation.
    pub token: String,
    /// `initial-cluster-state`.
    pub initial_state: InitialState,
    /// Milliseconds.
    pub heartbeat_ms: u32,
    /// Milliseconds.
    pub election_ms: u32,
    /// Transactions between snapshots.
    pub snapshot_count: u64,
    /// Bytes.
    pub quota_bytes: u64,
    /// Seconds.
    pub compaction_retention_seconds: u64,
    /// As `uname -m` says.
    pub architecture: String,
    /// Bytes; `GOMEMLIMIT` of a small machine.
    pub memory_limit_bytes: Option<u64>,
}

impl EtcdConf {
    /// This member's own host name in URLs.
    pub fn host(&self) -> String {
        self.domain.host(&self.node)
    }
}
