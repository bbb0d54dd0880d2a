//! The table of etcd's keys of version 1: which releases have each, and what stands there.

use crate::etcd_conf::yaml::Value;
use crate::etcd_conf::{EtcdConf, EtcdVersion, InitialState};
use crate::paths;

/// One key of etcd's file.
pub(super) struct Key {
    /// As written in the file.
    pub(super) name: &'static str,
    /// First patch in each minor that has it.
    pub(super) since: &'static [(u32, u32)],
    /// First minor that no longer has it, or spells it otherwise.
    pub(super) until: Option<u32>,
    /// What stands there; `None` leaves the key out.
    pub(super) value: fn(&EtcdConf) -> Option<Value>,
}

/// A group of keys under one comment.
pub(super) struct Group {
    pub(super) comment: &'static str,
    pub(super) keys: &'static [Key],
}

/// Since 3.4, the oldest release that is rendered for.
const ALWAYS: &[(u32, u32)] = &[(4, 0)];

/// A corruption check a cluster, in nanoseconds: two log lines a run.
const COMPACT_HASH_CHECK_NS: u64 = 300_000_000_000;
/// As kubeadm sets it for Kubernetes, in nanoseconds.
const WATCH_PROGRESS_NS: u64 = 5_000_000_000;
/// 10 MB a file, three old ones: about 12 MB on the card. etcd's default keeps all.
const LOG_ROTATION: &str =
    r#"{"maxsize":10,"maxage":0,"maxbackups":3,"localtime":false,"compress":true}"#;

pub(super) const GROUPS: &[Group] = &[
    Group {
        comment: "This member",
        keys: &[
            always("name", |c| text(c.node.to_string())),
            always("data-dir", |_| text(paths::ETCD_DATA)),
            always("listen-peer-urls", |c| text(format!("https://{}:2380", c.address))),
            always("listen-client-urls", |c| {
                text(format!("https://{}:2379,https://127.0.0.1:2379", c.address))
            }),
            always("listen-metrics-urls", |_| text("http://127.0.0.1:2381")),
            always("initial-advertise-peer-urls", |c| text(format!("https://{}:2380", c.host()))),
            always("advertise-client-urls", |c| text(format!("https://{}:2379", c.host()))),
        ],
    },
    Group {
        comment: "The formation: read only while there is no data",
        keys: &[
            always("initial-cluster", |c| text(initial_cluster(c))),
            always("initial-cluster-token", |c| text(c.token.clone())),
            always("initial-cluster-state", |c| {
                text(match c.initial_state {
                    InitialState::New => "new",
                    InitialState::Existing => "existing",
                })
            }),
            always("strict-reconfig-check", |_| yes()),
        ],
    },
    Group {
        comment: "Timing in ms, the same on all members; slow cards need it slow",
        keys: &[
            always("heartbeat-interval", |c| number(c.heartbeat_ms)),
            always("election-timeout", |c| number(c.election_ms)),
            always("pre-vote", |_| yes()),
        ],
    },
    Group {
        comment: "Size and history",
        keys: &[
            always("snapshot-count", |c| number(c.snapshot_count)),
            always("quota-backend-bytes", |c| number(c.quota_bytes)),
            always("auto-compaction-mode", |_| text("periodic")),
            always("auto-compaction-retention", |c| {
                text(retention(c.compaction_retention_seconds))
            }),
        ],
    },
    Group {
        comment: "What is served",
        keys: &[always("enable-grpc-gateway", |_| no()), always("enable-pprof", |_| no())],
    },
    Group {
        comment: "Log",
        keys: &[
            always("logger", |_| text("zap")),
            always("log-level", |_| text("info")),
            always("log-outputs", |c| {
                let output =
                    if c.version.has(LOG_ROTATION_SINCE) { paths::ETCD_LOG } else { "stderr" };
                Some(Value::List(vec![output.into()]))
            }),
            since(LOG_ROTATION_SINCE, "enable-log-rotation", |_| yes()),
            since(LOG_ROTATION_SINCE, "log-rotation-config-json", |_| text(LOG_ROTATION)),
        ],
    },
    Group {
        comment: "TLS: one file holds chain and key, so that one rename replaces both",
        keys: &[
            since(&[(4, 25), (5, 8)], "tls-min-version", |_| text("TLS1.3")),
            always("client-transport-security", |_| {
                Some(security(paths::SERVER_LEAF.into(), paths::CLIENT_CA))
            }),
            always("peer-transport-security", |c| {
                let leaf = paths::peer_leaf(&c.node).to_string_lossy().into_owned();
                Some(security(leaf, paths::PEER_CA))
            }),
        ],
    },
    Group {
        comment: "Checks that cost little",
        keys: &[
            until(6, ALWAYS, "experimental-initial-corrupt-check", |_| yes()),
            until(6, &[(5, 5)], "experimental-compact-hash-check-enabled", |_| yes()),
            until(6, &[(5, 5)], "experimental-compact-hash-check-time", |_| {
                number(COMPACT_HASH_CHECK_NS)
            }),
            since(&[(6, 0)], "feature-gates", |_| {
                text("InitialCorruptCheck=true,CompactHashCheck=true")
            }),
            since(&[(6, 0)], "compact-hash-check-time", |_| number(COMPACT_HASH_CHECK_NS)),
            until(6, &[(4, 11)], "experimental-watch-progress-notify-interval", |_| {
                number(WATCH_PROGRESS_NS)
            }),
            since(&[(6, 0)], "watch-progress-notify-interval", |_| number(WATCH_PROGRESS_NS)),
        ],
    },
];

const LOG_ROTATION_SINCE: &[(u32, u32)] = &[(5, 0)];

impl Key {
    /// Whether this release knows the key under this name.
    pub(super) fn exists_in(&self, version: EtcdVersion) -> bool {
        version.has(self.since) && self.until.is_none_or(|minor| version.minor < minor)
    }
}

type ValueOf = fn(&EtcdConf) -> Option<Value>;

const fn always(name: &'static str, value: ValueOf) -> Key {
    Key { name, since: ALWAYS, until: None, value }
}

const fn since(since: &'static [(u32, u32)], name: &'static str, value: ValueOf) -> Key {
    Key { name, since, until: None, value }
}

const fn until(
    minor: u32,
    since: &'static [(u32, u32)],
    name: &'static str,
    value: ValueOf,
) -> Key {
    Key { name, since, until: Some(minor), value }
}

fn text(text: impl Into<String>) -> Option<Value> {
    Some(Value::Text(text.into()))
}

fn number(number: impl Into<u64>) -> Option<Value> {
    Some(Value::Number(number.into()))
}

fn yes() -> Option<Value> {
    Some(Value::Bool(true))
}

fn no() -> Option<Value> {
    Some(Value::Bool(false))
}

/// As Go's `time.ParseDuration` reads it; etcd takes a bare number for hours.
fn retention(seconds: u64) -> String {
    if seconds.is_multiple_of(3600) {
        format!("{}h", seconds / 3600)
    } else {
        format!("{seconds}s")
    }
}

fn initial_cluster(conf: &EtcdConf) -> String {
    let members: Vec<String> = conf
        .members
        .iter()
        .map(|member| format!("{}=https://{}:2380", member.name, member.host))
        .collect();
    members.join(",")
}

fn security(leaf: String, ca: &str) -> Value {
    Value::Section(vec![
        ("cert-file", Value::Text(leaf.clone())),
        ("key-file", Value::Text(leaf)),
        ("client-cert-auth", Value::Bool(true)),
        ("trusted-ca-file", Value::Text(ca.into())),
    ])
}
