//! What etcd tells of its configuration in its log, held against the typed values, key by key; and
//! which of its warnings are about the file.

use std::collections::BTreeSet;
use std::time::Duration;

use pilaster_common::etcd_conf::{EtcdConf, InitialState, LogLevel};
use serde_json::{Value, json};

/// A log, a line a value. What is no JSON is of another time of etcd's (its first lines, a panic)
/// and is kept as text.
pub(crate) struct Log {
    pub(crate) lines: Vec<Value>,
    pub(crate) text: String,
}

/// What became of one key of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The log tells the value that was meant.
    Holds,
    /// It tells another one.
    Differs(String),
    /// It says nothing about this key.
    NotTold,
}

impl Log {
    pub(crate) fn parse(text: String) -> Self {
        let lines = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        Self { lines, text }
    }

    /// The first line with this message.
    pub(crate) fn line(&self, message: &str) -> Option<&Value> {
        self.lines.iter().find(|line| line["msg"] == message)
    }

    pub(crate) fn levels(&self) -> BTreeSet<&str> {
        self.lines.iter().filter_map(|line| line["level"].as_str()).collect()
    }

    /// Warnings and errors that are not known to come at every start, whatever the file says.
    pub(crate) fn complaints(&self, minor: u32) -> Vec<String> {
        let is_bad = |line: &&Value| {
            ["warn", "error", "panic", "fatal"].iter().any(|level| line["level"] == *level)
        };
        let is_known = |line: &&Value| {
            let message = line["msg"].as_str().unwrap_or_default();
            KNOWN
                .iter()
                .any(|(minors, known)| minors.contains(&minor) && message.starts_with(known))
        };
        let bad = self.lines.iter().filter(is_bad).filter(|line| !is_known(line));
        bad.map(ToString::to_string).collect()
    }
}

/// Warnings of a start that are not about our file, by text and minor.
const KNOWN: [(&[u32], &str); 7] = [
    (
        &[5, 6, 7],
        "Running http and grpc server on single port. This is not recommended for production.",
    ),
    (&[4, 5, 6, 7], "simple token is not cryptographically signed"),
    (&[6, 7], "Failed to detect schema version"),
    (&[6, 7], "failed to update storage version"),
    // Asked by this test before there is a leader.
    (&[4, 5, 6, 7], "/health error"),
    (&[4, 5, 6, 7], "serving /health false"),
    // A slow disk of the machine that runs the test.
    (&[4, 5, 6, 7], "slow fdatasync"),
];

/// How the line "starting an etcd server" names a key of the file, and what it says with these
/// values.
fn in_start_line(key: &str, conf: &EtcdConf) -> Option<(&'static str, Value)> {
    let tuning = &conf.tuning;
    let ms = |ms: u32| json!(go_duration(Duration::from_millis(ms.into())));
    let span = |span: Option<Duration>| json!(span.map(go_duration));
    let url = |host: &str, port: u16| format!("https://{host}:{port}");
    let address = conf.address.to_string();
    Some(match key.trim_start_matches("experimental-") {
        "name" => ("name", json!(conf.node.to_string())),
        "data-dir" => ("data-dir", json!("/var/lib/etcd")),
        "listen-peer-urls" => ("listen-peer-urls", json!([url(&address, 2380)])),
        "listen-client-urls" => {
            ("listen-client-urls", json!([url("127.0.0.1", 2379), url(&address, 2379)]))
        }
        "listen-metrics-urls" => ("listen-metrics-urls", json!(["http://127.0.0.1:2381"])),
        "initial-advertise-peer-urls" => {
            ("initial-advertise-peer-urls", json!([url(&conf.host(), 2380)]))
        }
        "advertise-client-urls" => ("advertise-client-urls", json!([url(&conf.host(), 2379)])),
        "initial-cluster" => {
            let member = |m: &pilaster_common::etcd_conf::Member| {
                format!("{}={}", m.name, url(&m.host, 2380))
            };
            let all: Vec<_> = conf.members.iter().map(member).collect();
            ("initial-cluster", json!(all.join(",")))
        }
        "initial-cluster-token" => ("initial-cluster-token", json!(conf.token)),
        "initial-cluster-state" => {
            let state = match conf.initial_state {
                InitialState::New => "new",
                InitialState::Existing => "existing",
            };
            ("initial-cluster-state", json!(state))
        }
        "heartbeat-interval" => ("heartbeat-interval", ms(conf.heartbeat_ms)),
        "election-timeout" => ("election-timeout", ms(conf.election_ms)),
        "pre-vote" => ("pre-vote", json!(true)),
        "snapshot-count" => ("snapshot-count", json!(conf.snapshot_count)),
        "snapshot-catchup-entries" | "snapshot-catch-up-entries" => {
            ("snapshot-catchup-entries", json!(tuning.snapshot_catchup_entries))
        }
        "max-wals" => ("max-wals", json!(tuning.max_wals)),
        "quota-backend-bytes" => ("quota-backend-bytes", json!(conf.quota_bytes)),
        "auto-compaction-mode" => ("auto-compaction-mode", json!("periodic")),
        "auto-compaction-retention" => {
            let retention = Duration::from_secs(conf.compaction_retention_seconds);
            ("auto-compaction-retention", span(Some(retention)))
        }
        "max-request-bytes" => ("max-request-bytes", json!(tuning.max_request_bytes)),
        "max-concurrent-streams" => {
            ("max-concurrent-streams", json!(tuning.max_concurrent_streams))
        }
        "max-learners" => ("max-learners", json!(tuning.max_learners)),
        "initial-corrupt-check" => ("initial-corrupt-check", json!(tuning.initial_corrupt_check)),
        "compact-hash-check-enabled" => {
            ("compact-check-time-enabled", json!(tuning.compact_hash_check))
        }
        "compact-hash-check-time" => {
            ("compact-check-time-interval", span(tuning.compact_hash_check_interval))
        }
        "corrupt-check-time" => {
            ("corrupt-check-time-interval", span(tuning.corrupt_check_interval))
        }
        _ => return None,
    })
}

/// What the log says of a key; `formed` of a member that has its data already, in which etcd does
/// not look at the members named.
pub(crate) fn judge(key: &str, conf: &EtcdConf, log: &Log, formed: bool) -> Verdict {
    match key {
        "client-transport-security" => {
            return judge_tls("client", "/etc/etcd/server.pem", "/etc/etcd/ca.pem", log);
        }
        "peer-transport-security" => {
            let leaf = format!("/etc/etcd/{}.pem", conf.node);
            return judge_tls("peer", &leaf, "/etc/etcd/peer-ca.pem", log);
        }
        "backend-batch-interval" => {
            let meant = json!(conf.tuning.backend_batch_interval.map(go_duration));
            return compare(&meant, log.line("setting backend batch interval"), "batch interval");
        }
        "backend-batch-limit" => {
            let meant = json!(conf.tuning.backend_batch_limit);
            return compare(&meant, log.line("setting backend batch limit"), "batch limit");
        }
        "feature-gates" => return judge_gates(conf, log),
        "initial-cluster" | "initial-cluster-token" if formed => {
            return compare(&json!(""), log.line("starting an etcd server"), key);
        }
        "logger" => return is(!log.lines.is_empty(), "no line is JSON, as zap writes it"),
        "log-outputs" => return is(!log.text.is_empty(), "the file is empty"),
        "log-level" => return judge_level(conf, log),
        _ => {}
    }
    let Some((field, meant)) = in_start_line(key, conf) else { return Verdict::NotTold };
    compare(&meant, log.line("starting an etcd server"), field)
}

fn is(holds: bool, otherwise: &str) -> Verdict {
    if holds { Verdict::Holds } else { Verdict::Differs(otherwise.into()) }
}

fn compare(meant: &Value, line: Option<&Value>, field: &str) -> Verdict {
    match line.and_then(|line| line.get(field)) {
        None => Verdict::NotTold,
        Some(told) if told == meant => Verdict::Holds,
        Some(told) => Verdict::Differs(format!("{field} is {told}, where {meant} was meant")),
    }
}

fn judge_tls(port: &str, leaf: &str, ca: &str, log: &Log) -> Verdict {
    let line = log.line(&format!("starting with {port} TLS"));
    let Some(told) = line.and_then(|line| line["tls-info"].as_str()) else {
        return Verdict::NotTold;
    };
    let files = format!("cert = {leaf}, key = {leaf}, ");
    let trust = format!("trusted-ca = {ca}, client-cert-auth = true, ");
    is(told.starts_with(&files) && told.contains(&trust), told)
}

fn judge_gates(conf: &EtcdConf, log: &Log) -> Verdict {
    let told = log.line("starting an etcd server").and_then(|line| line["feature-gates"].as_str());
    let Some(told) = told else { return Verdict::NotTold };
    let gates: BTreeSet<&str> = told.split(',').collect();
    let meant = [
        format!("InitialCorruptCheck={}", conf.tuning.initial_corrupt_check),
        format!("CompactHashCheck={}", conf.tuning.compact_hash_check),
    ];
    is(gates == meant.iter().map(String::as_str).collect(), told)
}

fn judge_level(conf: &EtcdConf, log: &Log) -> Verdict {
    let levels = log.levels();
    if conf.tuning.log_level == LogLevel::Debug && conf.version.minor == 4 {
        return Verdict::NotTold; // 3.4 has nothing to say at that level while it starts
    }
    let meant = match conf.tuning.log_level {
        LogLevel::Debug => levels.contains("debug"),
        LogLevel::Info => levels.contains("info") && !levels.contains("debug"),
        LogLevel::Warn | LogLevel::Error => !levels.contains("info"),
    };
    is(meant, &format!("the lines have the levels {levels:?}"))
}

/// As Go prints a `time.Duration`.
pub(crate) fn go_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        _ if duration.is_zero() => "0s".into(),
        _ if seconds == 0 => format!("{}ms", duration.as_millis()),
        (0, 0) => format!("{rest}s"),
        (0, minutes) => format!("{minutes}m{rest}s"),
        (hours, minutes) => format!("{hours}h{minutes}m{rest}s"),
    }
}
