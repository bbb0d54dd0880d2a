//! Each version's texts, as reviewed, and what must hold for every one of them.

use std::collections::BTreeSet;

use data_encoding::HEXLOWER;
use ring::digest;

use super::*;
use crate::etcd_conf::testing::{conf, version};
use crate::etcd_conf::{InitialState, LogLevel, Metrics, Processor, ServiceManager, Tuning, diff};

/// SHA-256 over the names and texts of all golden files of each version. A text that changes
/// belongs to a new version: agents in the field render the old one, and refuse every other.
const PINNED: [(u32, &str); 1] =
    [(1, "d9b5606938214d2db06e4841ac4a7c9cdcc36206ced7268b1f5a50d0fe33d3b9")];

const RELEASES: [&str; 5] = ["3.4.23", "3.5.16", "3.5.30", "3.6.16", "3.7.3"];

fn folder(version: u32) -> String {
    format!("{}/testdata/version-{version}", env!("CARGO_MANIFEST_DIR"))
}

fn rendered(conf: &EtcdConf) -> RenderedFiles {
    TEMPLATES.render(1, conf).expect("it is one of ours")
}

fn text(file: NodeFile, conf: &EtcdConf) -> String {
    rendered(conf).into_iter().find(|(kind, _)| *kind == file).expect("each is rendered").1
}

fn conf_yml(conf: &EtcdConf) -> String {
    text(NodeFile::EtcdConf, conf)
}

/// A Pi 4 with a disk.
fn ssd(release: &str) -> EtcdConf {
    EtcdConf {
        heartbeat_ms: 100,
        election_ms: 1000,
        quota_bytes: 2 << 30,
        memory_limit_bytes: None,
        ..conf(release)
    }
}

/// An old Pi with a 32-bit system, on a 64-bit kernel.
fn arm(release: &str) -> EtcdConf {
    EtcdConf { processor: Processor::Arm, ..conf(release) }
}

/// Every setting that a spec can have, other than its default.
fn tuned(release: &str) -> EtcdConf {
    use std::time::Duration;
    let tuning = Tuning {
        snapshot_catchup_entries: Some(2500),
        max_request_bytes: Some(2 << 20),
        max_txn_ops: Some(256),
        max_concurrent_streams: Some(1000),
        max_wals: Some(3),
        backend_batch_interval: Some(Duration::from_millis(250)),
        backend_batch_limit: Some(5000),
        grpc_keepalive_min_time: Some(Duration::from_secs(10)),
        grpc_keepalive_interval: Some(Duration::from_secs(3600)),
        grpc_keepalive_timeout: Some(Duration::from_secs(30)),
        grpc_gateway: true,
        metrics: Metrics::Extensive,
        log_level: LogLevel::Debug,
        watch_progress_notify_interval: Some(Duration::from_secs(30)),
        initial_corrupt_check: false,
        compact_hash_check: true,
        compact_hash_check_interval: Some(Duration::from_secs(600)),
        corrupt_check_interval: Some(Duration::from_secs(86_400)),
        max_learners: Some(2),
    };
    let initial_state = InitialState::Existing;
    EtcdConf { tuning, initial_state, compaction_retention_seconds: 90 * 60, ..ssd(release) }
}

fn systemd(mut conf: EtcdConf) -> EtcdConf {
    conf.service_manager = ServiceManager::Systemd;
    conf
}

#[test]
fn version_1_is_as_reviewed() {
    for release in RELEASES {
        for (kind, conf) in [
            ("sdcard", conf(release)),
            ("ssd", ssd(release)),
            ("sdcard-arm", arm(release)),
            ("tuned", tuned(release)),
        ] {
            let path = format!("{}/conf-{release}-{kind}.yml", folder(1));
            crate::golden(&path, &conf_yml(&conf));
        }
    }
    for (name, conf) in
        [("3.4.23", conf("3.4.23")), ("3.5.30", ssd("3.5.30")), ("3.5.16-arm", arm("3.5.16"))]
    {
        let golden = |file: String, kind, conf: &EtcdConf| {
            crate::golden(&format!("{}/{file}", folder(1)), &text(kind, conf));
        };
        golden(format!("init.d-etcd-{name}"), NodeFile::ServiceScript, &conf);
        golden(format!("conf.d-etcd-{name}"), NodeFile::ServiceConf, &conf);
        let conf = systemd(conf);
        golden(format!("etcd-{name}.service"), NodeFile::ServiceScript, &conf);
        golden(format!("etcd-{name}.env"), NodeFile::ServiceConf, &conf);
    }
}

#[test]
fn a_changed_text_is_a_new_version() {
    for (version, pinned) in PINNED {
        let mut paths: Vec<_> = std::fs::read_dir(folder(version))
            .expect("the goldens are here")
            .map(|entry| entry.expect("readable").path())
            .collect();
        paths.sort();
        let mut all = Vec::new();
        for path in paths {
            all.extend(path.file_name().expect("a file").as_encoded_bytes());
            all.extend(std::fs::read(&path).expect("readable"));
        }
        let hash = HEXLOWER.encode(digest::digest(&digest::SHA256, &all).as_ref());
        assert_eq!(hash, pinned, "templates of version {version} are in use: make a new version");
    }
}

/// What the next version would be: this build's templates are kept beside it as those of the
/// version before, which have no place for one value.
const WITH_A_SECOND: Templates = Templates(&[
    Template {
        version: 2,
        render: |conf| {
            let mut files = rendered(conf);
            files.iter_mut().for_each(|(_, text)| text.push_str("# version 2\n"));
            files
        },
        passes_over: |_| vec![],
    },
    Template {
        version: 1,
        render: rendered,
        passes_over: |conf| {
            let without = EtcdConf { tuning: Tuning::default(), ..conf.clone() };
            diff(&without, conf)
        },
    },
]);

#[test]
fn a_second_version_can_be_added_and_taken_away() {
    let conf = conf("3.5.16");
    assert_eq!((TEMPLATES.versions(), WITH_A_SECOND.versions()), (vec![1], vec![2, 1]));
    assert_eq!((TEMPLATES.newest(), WITH_A_SECOND.newest()), (1, 2));
    assert_eq!(WITH_A_SECOND.render(1, &conf), TEMPLATES.render(1, &conf), "the old text stays");
    assert_ne!(WITH_A_SECOND.render(2, &conf), TEMPLATES.render(1, &conf));
    assert_eq!((TEMPLATES.render(2, &conf), TEMPLATES.render(0, &conf)), (None, None));
    assert_eq!(WITH_A_SECOND.best_for(&[1]), 1, "an agent that is older");
    assert_eq!(WITH_A_SECOND.best_for(&[2, 1]), 2);
    assert_eq!(WITH_A_SECOND.best_for(&[3, 2]), 2, "an agent that is newer");
    assert_eq!(WITH_A_SECOND.best_for(&[4, 3]), 2, "none in common: the agent says so");
    let mut gateway = conf;
    gateway.tuning.grpc_gateway = true;
    let passed_over = |version| {
        let changes = WITH_A_SECOND.passed_over(version, &gateway);
        changes.iter().map(|change| change.key).collect::<Vec<_>>()
    };
    assert_eq!((passed_over(1), passed_over(2)), (vec!["enable-grpc-gateway"], vec![]));
}

#[test]
fn what_the_hand_procedure_got_wrong_is_never_rendered() {
    for release in RELEASES {
        let text = conf_yml(&conf(release));
        for never in [
            "auto-tls",
            "enable-v2",
            "proxy",
            "discovery",
            "INIT",
            "debug",
            "http://192",
            "max-wals",
            "max-snapshots",
            "v2-deprecation",
            "force-new",
            "unsafe",
        ] {
            assert!(!text.contains(never), "{release}: {never}");
        }
        let value: serde_yaml::Value = serde_yaml::from_str(&text).expect("YAML");
        assert_eq!(value["strict-reconfig-check"], serde_yaml::Value::Bool(true));
        assert_eq!(value["peer-transport-security"]["trusted-ca-file"], "/etc/etcd/peer-ca.pem");
    }
}

#[test]
fn a_release_gets_its_own_spellings_and_no_key_that_it_does_not_have() {
    let keys = |release: &str| -> BTreeSet<String> {
        let value: serde_yaml::Mapping =
            serde_yaml::from_str(&conf_yml(&tuned(release))).expect("YAML");
        value.keys().map(|key| key.as_str().expect("a name").to_owned()).collect()
    };
    for release in ["3.6.0", "3.6.15", "3.7.2"] {
        assert!(!keys(release).iter().any(|key| key.starts_with("experimental-")), "{release}");
        assert!(keys(release).contains("feature-gates"));
    }
    assert!(keys("3.5.14").contains("experimental-snapshot-catch-up-entries"));
    assert!(!keys("3.5.13").contains("experimental-snapshot-catch-up-entries"));
    assert!(
        !keys("3.5.7").contains("tls-min-version") && keys("3.5.8").contains("tls-min-version")
    );
    assert!(!keys("3.4.19").contains("max-concurrent-streams"));
    assert!(!keys("3.5.4").contains("experimental-compact-hash-check-time"));
    assert!(!keys("3.4.23").iter().any(|key| key.contains("rotation") || key == "max-learners"));
}

#[test]
fn every_release_of_each_minor_gets_a_file() {
    for minor in 4..=7 {
        for patch in 0..50 {
            let release = format!("3.{minor}.{patch}");
            let text = conf_yml(&tuned(&release));
            serde_yaml::from_str::<serde_yaml::Mapping>(&text).expect("YAML, no key twice");
            assert_eq!(version(&release).minor, minor);
        }
    }
}

/// A small generator, so that a failure can be seen again (Knuth's multiplier).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 20) % end
    }

    fn maybe<T>(&mut self, value: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.below(2) == 0).then(|| value(self))
    }

    fn pick<T: Clone>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.below(all.len() as u64)).expect("small")].clone()
    }

    fn count(&mut self) -> u32 {
        1 + u32::try_from(self.below(1 << 20)).expect("small")
    }

    fn span(&mut self) -> std::time::Duration {
        std::time::Duration::from_millis(100) + std::time::Duration::from_nanos(self.below(1 << 50))
    }
}

fn any_conf(dice: &mut Dice) -> EtcdConf {
    let release = format!("3.{}.{}", 4 + dice.below(4), dice.below(40));
    let heartbeat_ms = 10 + u32::try_from(dice.below(990)).expect("small");
    let names = ["no", "on", "y", "null", "1e3", "0x10", "017", "true", "x-1", "m-1"];
    let node: crate::name::NodeName = dice.pick(&names).parse().expect("good");
    let mut conf = conf(&release);
    conf.members[0] =
        crate::etcd_conf::Member { name: node.clone(), host: format!("{node}.edge.huatai.me") };
    conf.node = node;
    conf.token = dice.pick(&names).into();
    conf.address = [10, 0, 0, 1 + u8::try_from(dice.below(250)).expect("small")].into();
    conf.initial_state = dice.pick(&[InitialState::New, InitialState::Existing]);
    conf.heartbeat_ms = heartbeat_ms;
    conf.election_ms = heartbeat_ms * (5 + u32::try_from(dice.below(45)).expect("small"));
    conf.snapshot_count = dice.count().into();
    conf.quota_bytes = 1 + dice.below(8 << 30);
    conf.compaction_retention_seconds = dice.below(1_000_000);
    conf.tuning = Tuning {
        snapshot_catchup_entries: dice.maybe(|dice| dice.count().into()),
        max_request_bytes: dice.maybe(Dice::count),
        max_txn_ops: dice.maybe(Dice::count),
        max_concurrent_streams: dice.maybe(Dice::count),
        max_wals: dice.maybe(Dice::count),
        backend_batch_interval: dice.maybe(Dice::span),
        backend_batch_limit: dice.maybe(Dice::count),
        grpc_keepalive_min_time: dice.maybe(Dice::span),
        grpc_keepalive_interval: dice.maybe(Dice::span),
        grpc_keepalive_timeout: dice.maybe(Dice::span),
        grpc_gateway: dice.below(2) == 0,
        metrics: dice.pick(&[Metrics::Basic, Metrics::Extensive]),
        log_level: dice.pick(&[LogLevel::Debug, LogLevel::Info, LogLevel::Warn, LogLevel::Error]),
        watch_progress_notify_interval: dice.maybe(Dice::span),
        initial_corrupt_check: dice.below(2) == 0,
        compact_hash_check: dice.below(2) == 0,
        compact_hash_check_interval: dice.maybe(Dice::span),
        corrupt_check_interval: dice.maybe(Dice::span),
        max_learners: dice.maybe(Dice::count),
    };
    conf
}

/// The values of `conf`, as far as its release knows their keys, read out of a file: not by the
/// table, but by hand.
fn read_back(conf: &EtcdConf, file: &serde_yaml::Value) -> EtcdConf {
    let version = conf.version;
    let at = |names: [&str; 2]| {
        names.into_iter().map(|name| &file[name]).find(|value| !value.is_null()).cloned()
    };
    let number = |key: &str| {
        at([key, &format!("experimental-{key}")]).map(|v| v.as_u64().expect("a number"))
    };
    let small = |key: &str| number(key).map(|v| u32::try_from(v).expect("small"));
    let span = |key: &str| number(key).map(std::time::Duration::from_nanos);
    let string = |key: &str| file[key].as_str().expect("a text").to_owned();
    let flag = |key: &str, gate: &str| {
        if version.minor >= 6 {
            return string("feature-gates").split(',').any(|one| one == format!("{gate}=true"));
        }
        file[key].as_bool().unwrap_or(true) // where the release does not have it: as by default
    };
    let retention = string("auto-compaction-retention");
    let seconds = match retention.strip_suffix('h') {
        Some(hours) => hours.parse::<u64>().expect("hours") * 3600,
        None => retention.strip_suffix('s').expect("seconds").parse().expect("seconds"),
    };
    let member = |text: &str| {
        let (name, url) = text.split_once("=https://").expect("a member");
        let host = url.strip_suffix(":2380").expect("the port").into();
        crate::etcd_conf::Member { name: name.parse().expect("a name"), host }
    };
    let listen = string("listen-peer-urls");
    let address = listen.strip_prefix("https://").and_then(|url| url.strip_suffix(":2380"));
    let compact_hash_check = flag("experimental-compact-hash-check-enabled", "CompactHashCheck");
    EtcdConf {
        node: string("name").parse().expect("a name"),
        address: address.expect("a URL").parse().expect("an address"),
        members: string("initial-cluster").split(',').map(member).collect(),
        token: string("initial-cluster-token"),
        initial_state: match string("initial-cluster-state").as_str() {
            "new" => InitialState::New,
            _ => InitialState::Existing,
        },
        heartbeat_ms: small("heartbeat-interval").expect("always"),
        election_ms: small("election-timeout").expect("always"),
        snapshot_count: number("snapshot-count").expect("always"),
        quota_bytes: number("quota-backend-bytes").expect("always"),
        compaction_retention_seconds: seconds,
        tuning: Tuning {
            snapshot_catchup_entries: number("snapshot-catchup-entries")
                .or_else(|| number("snapshot-catch-up-entries")),
            max_request_bytes: small("max-request-bytes"),
            max_txn_ops: small("max-txn-ops"),
            max_concurrent_streams: small("max-concurrent-streams"),
            max_wals: small("max-wals"),
            backend_batch_interval: span("backend-batch-interval"),
            backend_batch_limit: small("backend-batch-limit"),
            grpc_keepalive_min_time: span("grpc-keepalive-min-time"),
            grpc_keepalive_interval: span("grpc-keepalive-interval"),
            grpc_keepalive_timeout: span("grpc-keepalive-timeout"),
            grpc_gateway: file["enable-grpc-gateway"].as_bool().expect("always"),
            metrics: match string("metrics").as_str() {
                "basic" => Metrics::Basic,
                _ => Metrics::Extensive,
            },
            log_level: match string("log-level").as_str() {
                "debug" => LogLevel::Debug,
                "info" => LogLevel::Info,
                "warn" => LogLevel::Warn,
                _ => LogLevel::Error,
            },
            watch_progress_notify_interval: span("watch-progress-notify-interval"),
            initial_corrupt_check: flag(
                "experimental-initial-corrupt-check",
                "InitialCorruptCheck",
            ),
            compact_hash_check,
            compact_hash_check_interval: span("compact-hash-check-time"),
            corrupt_check_interval: span("corrupt-check-time"),
            max_learners: small("max-learners"),
        },
        ..conf.clone()
    }
}

/// What a release does not have is not there to be read.
fn as_far_as_known(conf: &EtcdConf) -> EtcdConf {
    let mut conf = conf.clone();
    let (version, tuning) = (conf.version, &mut conf.tuning);
    let from =
        |minor, patch| version.minor > minor || (version.minor == minor && version.patch >= patch);
    let in_3_4 = |patch| version.minor == 4 && version.patch >= patch;
    if !from(5, 14) {
        tuning.snapshot_catchup_entries = None;
    }
    if !from(5, 5) && !in_3_4(20) {
        tuning.max_concurrent_streams = None;
    }
    if !from(4, 11) {
        tuning.watch_progress_notify_interval = None;
    }
    if !from(5, 5) {
        tuning.compact_hash_check = true;
        tuning.compact_hash_check_interval = None;
    }
    if !tuning.compact_hash_check {
        tuning.compact_hash_check_interval = None; // without the check it is of no effect
    }
    if !from(6, 0) {
        tuning.max_learners = None;
    }
    conf
}

#[test]
fn any_valid_configuration_reads_back_from_its_file() {
    for seed in 0..2000 {
        let conf = any_conf(&mut Dice(seed));
        assert_eq!(conf.check(), Ok(()), "seed {seed}");
        let text = conf_yml(&conf);
        let file = serde_yaml::from_str(&text).expect("YAML");
        assert_eq!(read_back(&conf, &file), as_far_as_known(&conf), "seed {seed}:\n{text}");
        assert_eq!(conf_yml(&conf), text, "the same values give the same text");
        assert!(diff(&conf, &conf).is_empty());
    }
}
