//! etcd's own settings: a row for each, from which all follows that is known of it here, and what
//! it changes in etcd's [`Tuning`].
//!
//! Names and defaults of etcd are those of its `server/embed/config.go`. Not here: settings whose
//! default depends on the node (`plan::values`), what keys mean together ([`super::check`]).

use std::fmt;
use std::time::Duration;

use pilaster_common::etcd_conf::{LogLevel, Metrics, Tuning};

use super::table::Kind::{Bool, Count, Size, Span};
use super::table::{Field, Kind, Scalar, Section, Slot, section, words};
use super::yaml::Node;

/// What etcd's data lies on: decides its timing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum Storage {
    /// Stalls of over a second happen: heartbeat 500 ms, election 5000 ms.
    #[default]
    Sdcard,
    /// Heartbeat 100 ms, election 1000 ms.
    Ssd,
}

words!(STORAGE: Storage { Sdcard = "sdcard", Ssd = "ssd" });
words!(METRICS: Metrics { Basic = "basic", Extensive = "extensive" });
words!(LOG_LEVEL: LogLevel { Debug = "debug", Info = "info", Warn = "warn", Error = "error" });

impl fmt::Display for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text(&STORAGE))
    }
}

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const MANY: u64 = u32::MAX as u64;

/// The section `etcd:`, from the rows that [`section!`] takes. Behind a row: `also` what a person
/// may know it by where that is not its name, and `=>` which field of [`Tuning`] it sets, where one
/// has to be made of it `by` what.
macro_rules! settings {
    ($(
        $(#[$doc:meta])*
        $key:ident: $type:ty = $kind:expr, $default:tt, $about:literal
        $(, also $known_as:literal)? $(=> $tuning:ident $(by $convert:ident)?)?;
    )*) => {
        section! {
            /// etcd's own settings; `None` is the default, which may depend on the node and on
            /// etcd's release.
            #[derive(Default)]
            pub struct EtcdSettings as "etcd:" {
                $($(#[$doc])* $key: $type = $kind, $default, $about;)*
            }
        }

        impl EtcdSettings {
            /// What etcd calls a setting, and what it is called here.
            pub(super) const KNOWN_AS: &[(&str, &str)] = &[$($(($known_as, stringify!($key)),)?)*];

            /// What is set, and ours where nothing is said.
            pub(crate) fn tuning(&self) -> Tuning {
                let mut tuning = Tuning::default();
                $($(if let Some(value) = self.$key {
                    $(let value = $convert(value);)?
                    tuning.$tuning = value.into();
                })?)*
                tuning
            }
        }
    };
}

settings! {
    storage: Storage = STORAGE, "sdcard",
        "What the data lies on. sdcard: slow timing, no needless elections. \
        ssd: etcd's own timing.";

    /// In whole milliseconds; etcd: 100 ms.
    heartbeat_interval: Option<Duration> = Span(1, 10 * SECOND), "500ms on sdcard, 100ms on ssd",
        "How often the leader is heard from.", also "heartbeat";

    /// In whole milliseconds; etcd: 1000 ms.
    election_timeout: Option<Duration> = Span(5, 50 * SECOND), "5s on sdcard, 1s on ssd",
        "After how long without the leader another is elected: at least five heartbeats, \
        at most 50s.";

    /// etcd: 10000 from 3.6 on.
    snapshot_count: Option<u64> = Count(1, MANY), "10000",
        "Writes between two snapshots of the log. More need more memory \
        (etcd: 100000 until 3.5).";

    snapshot_catchup_entries: Option<u64> = Count(1, MANY), "5000",
        "Log entries kept behind a snapshot for a slow member.",
        also "snapshot-catch-up-entries" => snapshot_catchup_entries;

    /// In bytes; etcd: 2 GiB. See [`super::check_quota`] for a node's memory.
    quota: Option<u64> = Size(16 * MIB, 8 * GIB),
        "512MiB where the node has less than 1.5 GiB of memory or etcd has 32 bits, else 2GiB",
        "How large the database may grow. All of it is mapped into memory, \
        and etcd suggests 8GiB at most.",
        also "quota-backend-bytes";

    /// In mode `periodic`, in whole seconds; etcd: never.
    compaction_retention: Option<Duration> = Span(MINUTE, 3650 * DAY), "1h",
        "How long old revisions are kept.", also "auto-compaction-retention";

    /// In bytes.
    max_request_size: Option<u64> = Size(64 * KIB, 10 * MIB), "1536KiB",
        "The largest request. etcd warns above 10MiB.",
        also "max-request-bytes" => max_request_bytes by narrow;

    max_txn_ops: Option<u64> = Count(1, 1_000_000), "128",
        "Operations in one transaction." => max_txn_ops by narrow;

    max_concurrent_streams: Option<u64> = Count(1, MANY), "4294967295",
        "Streams that one client may have open." => max_concurrent_streams by narrow;

    /// etcd's 0 keeps all, which fills a card.
    max_wals: Option<u64> = Count(1, 1000), "5",
        "Files of the log that are kept: 64 MB each." => max_wals by narrow;

    /// In whole milliseconds.
    backend_batch_interval: Option<Duration> = Span(1, 10 * SECOND), "100ms",
        "Between two commits of the database. Longer writes less to the card; \
        the log is written at once either way." => backend_batch_interval;

    backend_batch_limit: Option<u64> = Count(1, 10_000_000), "10000",
        "Operations before a commit of the database." => backend_batch_limit by narrow;

    grpc_keepalive_min_time: Option<Duration> = Span(SECOND, HOUR), "5s",
        "A client that pings more often is cut off." => grpc_keepalive_min_time;

    grpc_keepalive_interval: Option<Duration> = Span(SECOND, DAY), "2h",
        "How often a silent client is pinged." => grpc_keepalive_interval;

    grpc_keepalive_timeout: Option<Duration> = Span(SECOND, HOUR), "20s",
        "How long its answer may take." => grpc_keepalive_timeout;

    /// etcd: true from 3.5 on.
    grpc_gateway: Option<bool> = Bool, "false",
        "Serve JSON over HTTP too. Server certificates are then for clients as well, \
        because etcd dials itself.",
        also "enable-grpc-gateway" => grpc_gateway;

    metrics: Option<Metrics> = METRICS, "basic", "extensive adds histograms." => metrics;

    log_level: Option<LogLevel> = LOG_LEVEL, "info", "How much etcd's log says." => log_level;

    /// Below 100 ms, etcd raises it (`server/etcdserver/api/v3rpc/watch.go`). Ours as kubeadm's.
    watch_progress_notify_interval: Option<Duration> = Span(100, HOUR), "5s",
        "How often a silent watch is told that it is current \
        (etcd: 10m; 5s is what Kubernetes wants)." => watch_progress_notify_interval;

    /// The gate `InitialCorruptCheck`.
    initial_corrupt_check: Option<bool> = Bool, "true",
        "Compare the data with the other members' at each start (etcd: false)."
        => initial_corrupt_check;

    /// The gate `CompactHashCheck`.
    compact_hash_check: Option<bool> = Bool, "true",
        "Compare hashes with the other members' after compactions: cheap (etcd: false).",
        also "compact-hash-check-enabled" => compact_hash_check;

    compact_hash_check_interval: Option<Duration> = Span(10 * SECOND, DAY), "5m",
        "How often (etcd: 1m).", also "compact-hash-check-time" => compact_hash_check_interval;

    corrupt_check_interval: Option<Duration> = Span(MINUTE, 365 * DAY), "never",
        "How often the whole database is compared: reads all of it each time.",
        also "corrupt-check-time" => corrupt_check_interval;

    max_learners: Option<u64> = Count(1, 100), "1",
        "Members that may learn at once (etcd 3.6 and later)." => max_learners by narrow;

    /// In bytes.
    memory_limit: Option<u64> = Size(32 * MIB, 1024 * GIB),
        "300MiB where the node has less than 1.5 GiB of memory, else none",
        "From where on etcd's garbage collector works harder (GOMEMLIMIT). Not a cap.",
        also "gomemlimit";
}

/// The ranges lie within 32 bits; what does not would be refused by etcd's `EtcdConf::check`, or is
/// etcd's greatest value.
fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
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
}
