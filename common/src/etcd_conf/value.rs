//! Every value that etcd's files depend on, typed.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::processor::Processor;
use super::version::EtcdVersion;
use crate::name::{ClusterName, DomainName, NodeName};

/// One member as `initial-cluster` names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its name.
    pub name: NodeName,
    /// The host in its URLs.
    pub host: String,
}

/// `initial-cluster-state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum InitialState {
    /// Only until the cluster has formed (promise 10).
    New,
    /// From then on.
    Existing,
}

/// What keeps etcd running on the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ServiceManager {
    /// OpenRC with supervise-daemon.
    #[default]
    OpenRc,
    /// systemd.
    Systemd,
}

/// `metrics`: how much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Metrics {
    /// etcd's default.
    #[default]
    Basic,
    /// With a histogram for each RPC.
    Extensive,
}

/// `log-level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum LogLevel {
    /// Everything. From 3.5 on it also opens etcd's profiling and its traces to every client.
    Debug,
    /// etcd's default.
    #[default]
    Info,
    /// What may need a look.
    Warn,
    /// What has gone wrong.
    Error,
}

/// What one member's etcd is configured with. It can be kept as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Milliseconds; at least five heartbeats, at most 50000.
    pub election_ms: u32,
    /// Transactions between snapshots.
    pub snapshot_count: u64,
    /// Bytes.
    pub quota_bytes: u64,
    /// Seconds.
    pub compaction_retention_seconds: u64,
    /// What the etcd binary was built for.
    pub processor: Processor,
    /// What keeps it running.
    pub service_manager: ServiceManager,
    /// Bytes; `GOMEMLIMIT` of a small machine.
    pub memory_limit_bytes: Option<u64>,
    /// All else.
    pub tuning: Tuning,
}

/// Settings that most clusters leave as they are. `None` leaves a key out, so that etcd's own
/// default holds; a key that the release does not have is left out too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)] // a key that came later was left out
pub struct Tuning {
    /// `snapshot-catchup-entries`: kept in memory for a slow follower. From 3.5.14 on.
    pub snapshot_catchup_entries: Option<u64>,
    /// `max-request-bytes`.
    pub max_request_bytes: Option<u32>,
    /// `max-txn-ops`.
    pub max_txn_ops: Option<u32>,
    /// `max-concurrent-streams`: for each client. From 3.4.20 and 3.5.5 on.
    pub max_concurrent_streams: Option<u32>,
    /// `max-wals`: segments of 64 MB; 0 keeps all.
    pub max_wals: Option<u32>,
    /// `backend-batch-interval`: the longest time to a commit of the database; every write is in
    /// the WAL before that.
    pub backend_batch_interval: Option<Duration>,
    /// `backend-batch-limit`: operations until a commit of the database.
    pub backend_batch_limit: Option<u32>,
    /// `grpc-keepalive-min-time`: a client that pings more often is cut off.
    pub grpc_keepalive_min_time: Option<Duration>,
    /// `grpc-keepalive-interval`: from server to client; zero is off.
    pub grpc_keepalive_interval: Option<Duration>,
    /// `grpc-keepalive-timeout`: without an answer until the connection is closed.
    pub grpc_keepalive_timeout: Option<Duration>,
    /// `enable-grpc-gateway`. etcd then dials its own client port with the server's certificate,
    /// which needs `clientAuth` too.
    pub grpc_gateway: bool,
    /// `metrics`.
    pub metrics: Metrics,
    /// `log-level`.
    pub log_level: LogLevel,
    /// `watch-progress-notify-interval`.
    pub watch_progress_notify_interval: Option<Duration>,
    /// Whether data is compared with the other members' before the first request is served.
    pub initial_corrupt_check: bool,
    /// Whether the leader compares the hashes that compactions leave. From 3.5.5 on.
    pub compact_hash_check: bool,
    /// How often it does.
    pub compact_hash_check_interval: Option<Duration>,
    /// `corrupt-check-time`: how often the whole database is read and compared.
    pub corrupt_check_interval: Option<Duration>,
    /// `max-learners`. From 3.6 on.
    pub max_learners: Option<u32>,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            snapshot_catchup_entries: None,
            max_request_bytes: None,
            max_txn_ops: None,
            max_concurrent_streams: None,
            max_wals: None,
            backend_batch_interval: None,
            backend_batch_limit: None,
            grpc_keepalive_min_time: None,
            grpc_keepalive_interval: None,
            grpc_keepalive_timeout: None,
            grpc_gateway: false,
            metrics: Metrics::Basic,
            log_level: LogLevel::Info,
            // As kubeadm sets it for Kubernetes (cmd/kubeadm/app/phases/etcd/local.go).
            watch_progress_notify_interval: Some(Duration::from_secs(5)),
            initial_corrupt_check: true, // kubeadm does too
            compact_hash_check: true,
            compact_hash_check_interval: Some(Duration::from_secs(300)), // two log lines a run
            corrupt_check_interval: None,
            max_learners: None,
        }
    }
}

impl EtcdConf {
    /// This member's own host name in URLs.
    pub fn host(&self) -> String {
        self.domain.host(&self.node)
    }
}
