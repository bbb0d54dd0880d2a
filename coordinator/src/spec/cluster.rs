//! One cluster as a person wants it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;
use std::time::Duration;

use ipnet::Ipv4Net;
use pilaster_common::name::{ClusterName, DomainName, HostName, InterfaceName, NodeName};

use super::quantity::{size_text, span_text};

/// A checked spec. Made by [`super::parse()`] only.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ClusterSpec {
    /// Its name.
    pub cluster: ClusterName,
    /// The domain of its members' hosts.
    pub domain: DomainName,
    /// The name that leads to all members; lies under the domain.
    pub service: DomainName,
    /// Where a reported address may lie.
    pub network: Option<Ipv4Net>,
    /// How members find each other.
    pub names: Names,
    /// At least one, each name and address once.
    pub members: Vec<MemberSpec>,
    /// Further names in the server certificate of every member, no member's own: a load balancer's.
    pub extra_names: Vec<HostName>,
    /// Further addresses in the server certificate of every member, no member's own: a load balancer's, a virtual one.
    pub extra_addresses: Vec<IpAddr>,
    /// etcd's own settings.
    pub etcd: EtcdSettings,
    /// How long certificates live.
    pub certificates: Lifetimes,
}

/// One member.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct MemberSpec {
    /// Its name.
    pub name: NodeName,
    /// Its address, where the person decides it.
    pub address: Option<Ipv4Addr>,
    /// Further addresses of its own, in its server and peer certificates.
    pub addresses: Vec<IpAddr>,
    /// Which of its interfaces has its address.
    pub interface: InterfaceName,
}

impl MemberSpec {
    /// Its interface where that is not the one that an agent looks at unless told otherwise.
    pub fn own_interface(&self) -> Option<&InterfaceName> {
        Some(&self.interface)
            .filter(|interface| AsRef::<str>::as_ref(interface) != INTERFACE_DEFAULT)
    }
}

/// The interface of a member of which nothing else is said.
pub(super) const INTERFACE_DEFAULT: &str = "eth0";

/// Enums of words, each written in one place only: here.
macro_rules! words {
    ($name:ident { $($variant:ident = $word:literal),* $(,)? }) => {
        impl $name {
            /// As they are written.
            pub(super) const WORDS: &[&str] = &[$($word),*];
        }
        impl FromStr for $name {
            type Err = ();
            fn from_str(word: &str) -> Result<Self, ()> {
                match word {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(()),
                }
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$variant => $word,)*
                })
            }
        }
    };
}

/// How members find each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum Names {
    /// By a block in `/etc/hosts` that the agent keeps: works while the router boots.
    #[default]
    Hosts,
    /// By DNS, which the person keeps.
    Dns,
}

/// What etcd's data lies on: decides its timing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum Storage {
    /// Stalls of over a second happen: heartbeat 500 ms, election 5000 ms.
    #[default]
    Sdcard,
    /// Heartbeat 100 ms, election 1000 ms.
    Ssd,
}

/// How much etcd measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Metrics {
    /// etcd's default.
    Basic,
    /// Histograms too.
    Extensive,
}

/// How much etcd's log says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum LogLevel {
    /// All.
    Debug,
    /// etcd's default.
    Info,
    /// What may need a look.
    Warn,
    /// What failed.
    Error,
}

words!(Names { Hosts = "hosts", Dns = "dns" });
words!(Storage { Sdcard = "sdcard", Ssd = "ssd" });
words!(Metrics { Basic = "basic", Extensive = "extensive" });
words!(LogLevel { Debug = "debug", Info = "info", Warn = "warn", Error = "error" });

/// etcd's own settings; `None` is the default, which may depend on the node and on etcd's release.
///
/// Names and defaults of etcd are those of its `server/embed/config.go`; what Pilaster sets where nothing is said stands in the table
/// of keys (`spec::fields`) and is rendered by `render::desired`.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct EtcdSettings {
    /// What the data lies on.
    pub storage: Storage,
    /// `heartbeat-interval`: 1 ms to 10 s, whole milliseconds; etcd: 100 ms.
    pub heartbeat_interval: Option<Duration>,
    /// `election-timeout`: five heartbeats to 50 s (etcd's `Validate`), whole milliseconds; etcd: 1000 ms.
    pub election_timeout: Option<Duration>,
    /// `snapshot-count`: at least 1; etcd: 100000 until 3.5, 10000 from 3.6 on.
    pub snapshot_count: Option<u64>,
    /// `snapshot-catchup-entries`: at least 1; etcd: 5000.
    pub snapshot_catchup_entries: Option<u64>,
    /// `quota-backend-bytes`: bytes, 16 MiB to 8 GiB (the most that etcd suggests, docs: system limits); etcd: 2 GiB.
    /// See [`super::check_quota`] for a node's memory.
    pub quota: Option<u64>,
    /// `auto-compaction-retention` in mode `periodic`: 1 min or longer, whole seconds; etcd: never.
    pub compaction_retention: Option<Duration>,
    /// `max-request-bytes`: bytes, 64 KiB to 10 MiB, above which etcd warns; etcd: 1.5 MiB.
    pub max_request_size: Option<u64>,
    /// `max-txn-ops`: at least 1; etcd: 128.
    pub max_txn_ops: Option<u64>,
    /// `max-concurrent-streams`: 1 to 2³²−1; etcd: 2³²−1.
    pub max_concurrent_streams: Option<u64>,
    /// `max-wals`: at least 1 (etcd's 0 keeps all, which fills a card); etcd: 5.
    pub max_wals: Option<u64>,
    /// `backend-batch-interval`: 1 ms to 10 s, whole milliseconds; etcd: 100 ms.
    pub backend_batch_interval: Option<Duration>,
    /// `backend-batch-limit`: at least 1; etcd: 10000.
    pub backend_batch_limit: Option<u64>,
    /// `grpc-keepalive-min-time`: 1 s to 1 h; etcd: 5 s.
    pub grpc_keepalive_min_time: Option<Duration>,
    /// `grpc-keepalive-interval`: 1 s to 1 d; etcd: 2 h.
    pub grpc_keepalive_interval: Option<Duration>,
    /// `grpc-keepalive-timeout`: 1 s to 1 h; etcd: 20 s.
    pub grpc_keepalive_timeout: Option<Duration>,
    /// `enable-grpc-gateway`; ours: false (etcd: true from 3.5 on). With it etcd dials its own port with its server certificate, which
    /// must then be good for clients too.
    pub grpc_gateway: Option<bool>,
    /// `metrics`; etcd: basic.
    pub metrics: Option<Metrics>,
    /// `log-level`; etcd: info.
    pub log_level: Option<LogLevel>,
    /// `watch-progress-notify-interval`: 100 ms (below, etcd raises it: `server/etcdserver/api/v3rpc/watch.go`) to 1 h; ours: 5 s, as
    /// kubeadm; etcd: 10 min.
    pub watch_progress_notify_interval: Option<Duration>,
    /// The gate `InitialCorruptCheck`; ours: true (etcd: false).
    pub initial_corrupt_check: Option<bool>,
    /// The gate `CompactHashCheck`; ours: true (etcd: false).
    pub compact_hash_check: Option<bool>,
    /// `compact-hash-check-time`: 10 s to 1 d; ours: 5 min (etcd: 1 min).
    pub compact_hash_check_interval: Option<Duration>,
    /// `corrupt-check-time`: 1 min or longer; etcd: never.
    pub corrupt_check_interval: Option<Duration>,
    /// `max-learners`: at least 1; etcd: 1 (3.6 and later).
    pub max_learners: Option<u64>,
    /// `GOMEMLIMIT`: bytes, 32 MiB or more; Go: none.
    pub memory_limit: Option<u64>,
}

impl EtcdSettings {
    /// The heartbeat that holds: what is set, or what the storage needs.
    pub fn heartbeat(&self) -> Duration {
        self.heartbeat_interval.unwrap_or(match self.storage {
            Storage::Sdcard => Duration::from_millis(500),
            Storage::Ssd => Duration::from_millis(100),
        })
    }

    /// The election timeout that holds: what is set, or what the storage needs.
    pub fn election(&self) -> Duration {
        self.election_timeout.unwrap_or(match self.storage {
            Storage::Sdcard => Duration::from_secs(5),
            Storage::Ssd => Duration::from_secs(1),
        })
    }

    /// Every setting by its key, as it is written in a spec; `None` where nothing is said.
    pub fn written(&self) -> Vec<(&'static str, Option<String>)> {
        let span = |span: &Option<Duration>| span.map(span_text);
        let size = |size: &Option<u64>| size.map(size_text);
        fn plain<T: ToString>(value: &Option<T>) -> Option<String> {
            value.as_ref().map(ToString::to_string)
        }
        let Self {
            storage,
            heartbeat_interval,
            election_timeout,
            snapshot_count,
            snapshot_catchup_entries,
            quota,
            compaction_retention,
            max_request_size,
            max_txn_ops,
            max_concurrent_streams,
            max_wals,
            backend_batch_interval,
            backend_batch_limit,
            grpc_keepalive_min_time,
            grpc_keepalive_interval,
            grpc_keepalive_timeout,
            grpc_gateway,
            metrics,
            log_level,
            watch_progress_notify_interval,
            initial_corrupt_check,
            compact_hash_check,
            compact_hash_check_interval,
            corrupt_check_interval,
            max_learners,
            memory_limit,
        } = self;
        vec![
            ("storage", Some(storage.to_string())),
            ("heartbeat_interval", span(heartbeat_interval)),
            ("election_timeout", span(election_timeout)),
            ("snapshot_count", plain(snapshot_count)),
            ("snapshot_catchup_entries", plain(snapshot_catchup_entries)),
            ("quota", size(quota)),
            ("compaction_retention", span(compaction_retention)),
            ("max_request_size", size(max_request_size)),
            ("max_txn_ops", plain(max_txn_ops)),
            ("max_concurrent_streams", plain(max_concurrent_streams)),
            ("max_wals", plain(max_wals)),
            ("backend_batch_interval", span(backend_batch_interval)),
            ("backend_batch_limit", plain(backend_batch_limit)),
            ("grpc_keepalive_min_time", span(grpc_keepalive_min_time)),
            ("grpc_keepalive_interval", span(grpc_keepalive_interval)),
            ("grpc_keepalive_timeout", span(grpc_keepalive_timeout)),
            ("grpc_gateway", plain(grpc_gateway)),
            ("metrics", plain(metrics)),
            ("log_level", plain(log_level)),
            ("watch_progress_notify_interval", span(watch_progress_notify_interval)),
            ("initial_corrupt_check", plain(initial_corrupt_check)),
            ("compact_hash_check", plain(compact_hash_check)),
            ("compact_hash_check_interval", span(compact_hash_check_interval)),
            ("corrupt_check_interval", span(corrupt_check_interval)),
            ("max_learners", plain(max_learners)),
            ("memory_limit", size(memory_limit)),
        ]
    }
}

/// How long certificates live, and when they are renewed (docs/PROTOCOL.md, Certificates).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Lifetimes {
    /// Life of etcd's leaves.
    pub leaf: Duration,
    /// How long the cluster goes on without the coordinator: leaves are renewed when less is left.
    pub autonomy: Duration,
    /// Life of an agent's identity, renewed at two thirds.
    pub identity: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self { leaf: 365 * DAY, autonomy: 270 * DAY, identity: 90 * DAY }
    }
}

impl Lifetimes {
    /// An identity is renewed when less than this is left.
    pub fn identity_renew_before(&self) -> Duration {
        self.identity / 3
    }
}

const DAY: Duration = Duration::from_secs(86_400);

impl ClusterSpec {
    /// The member of that name.
    pub fn member(&self, name: &NodeName) -> Option<&MemberSpec> {
        self.members.iter().find(|member| member.name == *name)
    }

    /// A member's full host name.
    pub fn host(&self, name: &NodeName) -> String {
        self.domain.host(name)
    }
}
