//! The one table of etcd's keys, 3.4 to 3.7.
//!
//! Names, types and defaults come from etcd's embed/config.go (`Config`, `configJSON`, `NewConfig`)
//! of 3.4.13, 3.5.33, 3.6.16 and 3.7.3, and from its changelogs where a patch brought a key. What
//! etcd does not know it ignores without a word, so a key is rendered only for releases that have
//! it. Never rendered, whatever a spec says: `auto-tls`, `enable-v2`, `proxy*`, `discovery*`,
//! `debug`, `force-new-cluster`, `unsafe-no-fsync`, and `max-snapshots` and `v2-deprecation`, of
//! which 3.6 warns.

use std::time::Duration;

use super::table::Unit::{Bytes, Milliseconds, Nanoseconds};
use super::table::{Group, Key, before_3_6, gate, since};
use super::value::{EtcdConf, InitialState, LogLevel, Metrics};
use super::yaml::Value;
use crate::paths;
use crate::ports::{CLIENT, METRICS, PEER, client_url, peer_url};

/// 10 MB a file, three old ones, compressed: about 12 MB on the card. etcd's default keeps all.
const LOG_ROTATION: &str =
    r#"{"maxsize":10,"maxage":0,"maxbackups":3,"localtime":false,"compress":true}"#;
const LOG_ROTATION_SINCE: &[(u32, u32)] = &[(5, 0)];

const SMALLER_QUOTA: &str = "the database is larger than the smaller of the two quotas: then etcd takes no writes until the alarm is disarmed";
const SHORTER_HISTORY: &str = "the next compaction: history that it drops does not come back";

pub(super) const GROUPS: &[Group] = &[
    Group {
        comment: "This member. Listening needs addresses; others find it by its name",
        keys: &[
            Key::new("name", |c| text(c.node.to_string())),
            Key::new("data-dir", |_| text(paths::ETCD_DATA)),
            Key::new("listen-peer-urls", |c| text(format!("https://{}:{PEER}", c.address))),
            Key::new("listen-client-urls", |c| {
                text(format!("https://{0}:{CLIENT},https://127.0.0.1:{CLIENT}", c.address))
            }),
            Key::new("listen-metrics-urls", |_| text(format!("http://127.0.0.1:{METRICS}"))),
            Key::new("initial-advertise-peer-urls", |c| text(peer_url(&c.host())))
                .only_without_data(),
            Key::new("advertise-client-urls", |c| text(client_url(&c.host()))),
        ],
    },
    Group {
        comment: "The formation: read only while there is no data",
        keys: &[
            Key::new("initial-cluster", |c| text(initial_cluster(c))).only_without_data(),
            Key::new("initial-cluster-token", |c| text(c.token.clone())).only_without_data(),
            Key::new("initial-cluster-state", |c| {
                text(match c.initial_state {
                    InitialState::New => "new",
                    InitialState::Existing => "existing",
                })
            })
            .only_without_data(),
        ],
    },
    Group {
        comment: "No change of members that would cost the quorum",
        keys: &[Key::new("strict-reconfig-check", |_| flag(true)).default(&[(4, "true")])],
    },
    Group {
        comment: "Timing in milliseconds, the same on all members; slow cards need it slow",
        keys: &[
            Key::new("heartbeat-interval", |c| number(c.heartbeat_ms))
                .default(&[(4, "100")])
                .unit(Milliseconds),
            Key::new("election-timeout", |c| number(c.election_ms))
                .default(&[(4, "1000")])
                .unit(Milliseconds),
            Key::new("pre-vote", |_| flag(true)).default(&[(4, "false"), (5, "true")]),
        ],
    },
    Group {
        comment: "The log of changes (WAL) and its snapshots",
        keys: &[
            Key::new("snapshot-count", |c| number(c.snapshot_count))
                .default(&[(4, "100000"), (6, "10000")]),
            Key::spelt(
                "snapshot-catchup-entries",
                &[
                    since("snapshot-catchup-entries", &[(6, 0)]),
                    before_3_6("experimental-snapshot-catch-up-entries", &[(5, 14)]),
                ],
                |c| c.tuning.snapshot_catchup_entries.and_then(number),
            )
            .default(&[(4, "5000")]),
            Key::new("max-wals", |c| c.tuning.max_wals.and_then(number)).default(&[(4, "5")]),
        ],
    },
    Group {
        comment: "The database: at its quota etcd takes no more writes; history is dropped by age",
        keys: &[
            Key::new("quota-backend-bytes", |c| number(c.quota_bytes))
                .default(&[(4, "2147483648")])
                .unit(Bytes)
                .until_step(SMALLER_QUOTA),
            Key::new("auto-compaction-mode", |_| text("periodic"))
                .default(&[(4, ""), (6, "periodic")]),
            Key::new("auto-compaction-retention", |c| {
                text(retention(c.compaction_retention_seconds))
            })
            .default(&[(4, "0")])
            .until_step(SHORTER_HISTORY),
            Key::new("backend-batch-interval", |c| {
                c.tuning.backend_batch_interval.and_then(nanoseconds)
            })
            .default(&[(4, "100000000")])
            .unit(Nanoseconds),
            Key::new("backend-batch-limit", |c| c.tuning.backend_batch_limit.and_then(number))
                .default(&[(4, "10000")]),
        ],
    },
    Group {
        comment: "Bounds of what clients may ask",
        keys: &[
            Key::new("max-request-bytes", |c| c.tuning.max_request_bytes.and_then(number))
                .default(&[(4, "1572864")])
                .unit(Bytes),
            Key::new("max-txn-ops", |c| c.tuning.max_txn_ops.and_then(number))
                .default(&[(4, "128")]),
            Key::spelt(
                "max-concurrent-streams",
                &[since("max-concurrent-streams", &[(4, 20), (5, 5)])],
                |c| c.tuning.max_concurrent_streams.and_then(number),
            )
            .default(&[(4, "4294967295")]),
            Key::new("grpc-keepalive-min-time", |c| {
                c.tuning.grpc_keepalive_min_time.and_then(nanoseconds)
            })
            .default(&[(4, "5000000000")])
            .unit(Nanoseconds),
            Key::new("grpc-keepalive-interval", |c| {
                c.tuning.grpc_keepalive_interval.and_then(nanoseconds)
            })
            .default(&[(4, "7200000000000")])
            .unit(Nanoseconds),
            Key::new("grpc-keepalive-timeout", |c| {
                c.tuning.grpc_keepalive_timeout.and_then(nanoseconds)
            })
            .default(&[(4, "20000000000")])
            .unit(Nanoseconds),
            Key::spelt("max-learners", &[since("max-learners", &[(6, 0)])], |c| {
                c.tuning.max_learners.and_then(number)
            })
            .default(&[(4, "1")]),
        ],
    },
    Group {
        comment: "What is served beside gRPC",
        keys: &[
            Key::new("enable-grpc-gateway", |c| flag(c.tuning.grpc_gateway))
                .default(&[(4, "false"), (5, "true")]),
            // From 3.5 on the log level opens it too, whatever stands here (etcd:
            // server/embed/etcd.go, `configureClientListeners`).
            Key::new("enable-pprof", |c| {
                let opened = c.version.minor >= 5 && c.tuning.log_level == LogLevel::Debug;
                flag(false).filter(|_| !opened)
            })
            .default(&[(4, "false")]),
            Key::new("metrics", |c| {
                text(match c.tuning.metrics {
                    Metrics::Basic => "basic",
                    Metrics::Extensive => "extensive",
                })
            })
            .default(&[(4, "basic")]),
            Key::spelt(
                "watch-progress-notify-interval",
                &[
                    since("watch-progress-notify-interval", &[(6, 0)]),
                    before_3_6("experimental-watch-progress-notify-interval", &[(4, 11)]),
                ],
                |c| c.tuning.watch_progress_notify_interval.and_then(nanoseconds),
            )
            .default(&[(4, "600000000000")])
            .unit(Nanoseconds),
        ],
    },
    Group {
        comment: "Log",
        keys: &[
            Key::new("logger", |_| text("zap")).default(&[(4, "capnslog"), (5, "zap")]),
            Key::new("log-level", |c| {
                text(match c.tuning.log_level {
                    LogLevel::Debug => "debug",
                    LogLevel::Info => "info",
                    LogLevel::Warn => "warn",
                    LogLevel::Error => "error",
                })
            })
            .default(&[(4, "info")]),
            Key::new("log-outputs", |c| {
                let rotates = c.version.has(LOG_ROTATION_SINCE);
                Some(Value::List(vec![if rotates { paths::ETCD_LOG } else { "stderr" }.into()]))
            }),
            Key::spelt(
                "enable-log-rotation",
                &[since("enable-log-rotation", LOG_ROTATION_SINCE)],
                |_| flag(true),
            )
            .default(&[(5, "false")]),
            Key::spelt(
                "log-rotation-config-json",
                &[since("log-rotation-config-json", LOG_ROTATION_SINCE)],
                |_| text(LOG_ROTATION),
            ),
        ],
    },
    Group {
        comment: "TLS: one file holds chain and key, so that one rename replaces both",
        keys: &[
            Key::spelt("tls-min-version", &[since("tls-min-version", &[(4, 25), (5, 8)])], |_| {
                text("TLS1.3")
            })
            .default(&[(4, "TLS1.2")]),
            Key::new("client-transport-security", |_| {
                Some(security(paths::SERVER_LEAF.into(), paths::CLIENT_CA))
            }),
            Key::new("peer-transport-security", |c| {
                let leaf = paths::peer_leaf(&c.node).to_string_lossy().into_owned();
                Some(security(leaf, paths::PEER_CA))
            }),
        ],
    },
    Group {
        comment: "Whether the members' data is the same: at each start, and of what compactions leave",
        keys: &[
            Key::spelt(
                "InitialCorruptCheck",
                &[
                    gate("InitialCorruptCheck"),
                    before_3_6("experimental-initial-corrupt-check", &[(4, 0)]),
                ],
                |c| flag(c.tuning.initial_corrupt_check),
            )
            .default(&[(4, "false")]),
            Key::spelt(
                "CompactHashCheck",
                &[
                    gate("CompactHashCheck"),
                    before_3_6("experimental-compact-hash-check-enabled", &[(5, 5)]),
                ],
                |c| flag(c.tuning.compact_hash_check),
            )
            .default(&[(5, "false")]),
            Key::spelt(
                "compact-hash-check-time",
                &[
                    since("compact-hash-check-time", &[(6, 0)]),
                    before_3_6("experimental-compact-hash-check-time", &[(5, 5)]),
                ],
                |c| {
                    let interval = c.tuning.compact_hash_check_interval;
                    interval.filter(|_| c.tuning.compact_hash_check).and_then(nanoseconds)
                },
            )
            .default(&[(5, "60000000000")])
            .unit(Nanoseconds),
            Key::spelt(
                "corrupt-check-time",
                &[
                    since("corrupt-check-time", &[(6, 0)]),
                    before_3_6("experimental-corrupt-check-time", &[(4, 0)]),
                ],
                |c| c.tuning.corrupt_check_interval.and_then(nanoseconds),
            )
            .default(&[(4, "0")])
            .unit(Nanoseconds),
        ],
    },
];

fn text(text: impl Into<String>) -> Option<Value> {
    Some(Value::Text(text.into()))
}

fn number(number: impl Into<u64>) -> Option<Value> {
    Some(Value::Number(number.into()))
}

/// etcd takes no other spelling of a duration in its file.
fn nanoseconds(duration: Duration) -> Option<Value> {
    Some(Value::Number(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
}

fn flag(flag: bool) -> Option<Value> {
    Some(Value::Bool(flag))
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
        .map(|member| format!("{}={}", member.name, peer_url(&member.host)))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::etcd_conf::testing::version;

    #[test]
    fn every_key_stands_once_and_each_release_has_one_spelling_of_it() {
        let keys: Vec<_> = GROUPS.iter().flat_map(|group| group.keys).collect();
        for (i, key) in keys.iter().enumerate() {
            assert!(keys[..i].iter().all(|other| other.name != key.name), "{} twice", key.name);
            for text in ["3.4.0", "3.4.45", "3.5.0", "3.5.33", "3.6.0", "3.7.0", "3.7.9"] {
                let known = |s: &&crate::etcd_conf::table::Spelling| s.is_known_to(version(text));
                assert!(key.spellings.iter().filter(known).count() <= 1, "{} {text}", key.name);
            }
            assert!(key.spelling(version("3.7.2")).is_some(), "{} is gone", key.name);
        }
    }

    #[test]
    fn defaults_follow_the_release() {
        let default = |name: &str, text: &str| {
            let mut keys = GROUPS.iter().flat_map(|group| group.keys);
            keys.find(|key| key.name == name).expect(name).default_in(version(text))
        };
        assert_eq!(default("pre-vote", "3.4.23"), Some("false"));
        assert_eq!(default("pre-vote", "3.5.16"), Some("true"));
        assert_eq!(default("snapshot-count", "3.5.33"), Some("100000"));
        assert_eq!(default("snapshot-count", "3.6.0"), Some("10000"));
        assert_eq!(default("name", "3.6.0"), None);
    }
}
