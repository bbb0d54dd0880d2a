//! Each version's texts, as reviewed, and what must hold for every one of them.

use std::collections::BTreeSet;

use data_encoding::HEXLOWER;
use ring::digest;

use super::*;
use crate::etcd_conf::testing::{conf, version};
use crate::etcd_conf::{InitialState, LogLevel, Metrics, Processor, ServiceManager};

/// SHA-256 over the names and texts of all golden files of each version. A text that changes belongs to a new version: agents in the
/// field render the old one, and refuse every other.
const PINNED: [(u32, &str); 2] = [
    (1, "PIN1"),
    (2, "PIN2"),
];

const RELEASES: [&str; 5] = ["3.4.23", "3.5.16", "3.5.30", "3.6.16", "3.7.3"];

fn folder(version: u32) -> String {
    format!("{}/testdata/version-{version}", env!("CARGO_MANIFEST_DIR"))
}

fn rendered(version: u32, conf: &EtcdConf) -> RenderedFiles {
    render_files(version, conf).expect("it is one of ours")
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
fn version_1_is_as_it_was() {
    for release in ["3.4.23", "3.5.16", "3.6.15", "3.7.2"] {
        let path = format!("{}/conf-{release}.yml", folder(1));
        crate::golden(&path, &rendered(1, &conf(release)).conf_yml);
    }
    let mut conf = conf("3.5.16");
    conf.node = "m-1".parse().expect("good");
    conf.architecture = "armv7l".into();
    let files = rendered(1, &conf);
    crate::golden(&format!("{}/init.d-etcd", folder(1)), &files.service_script);
    crate::golden(&format!("{}/conf.d-etcd", folder(1)), &files.service_conf);
}

#[test]
fn version_2_is_as_reviewed() {
    let kinds: [(&str, fn(&str) -> EtcdConf); 4] =
        [("sdcard", conf), ("ssd", ssd), ("sdcard-arm", arm), ("tuned", tuned)];
    for release in RELEASES {
        for (kind, conf) in kinds {
            let path = format!("{}/conf-{release}-{kind}.yml", folder(2));
            crate::golden(&path, &rendered(2, &conf(release)).conf_yml);
        }
    }
    for (name, conf) in [
        ("3.4.23", conf("3.4.23")),
        ("3.5.30", ssd("3.5.30")),
        ("3.5.16-arm", arm("3.5.16")),
    ] {
        let files = rendered(2, &conf);
        crate::golden(&format!("{}/init.d-etcd-{name}", folder(2)), &files.service_script);
        crate::golden(&format!("{}/conf.d-etcd-{name}", folder(2)), &files.service_conf);
        let files = rendered(2, &systemd(conf));
        crate::golden(&format!("{}/etcd-{name}.service", folder(2)), &files.service_script);
        crate::golden(&format!("{}/etcd-{name}.env", folder(2)), &files.service_conf);
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

#[test]
fn the_last_two_versions_are_known() {
    assert!(TEMPLATE_VERSIONS.iter().all(|version| render_files(*version, &conf("3.5.16")).is_some()));
    assert_eq!(render_files(0, &conf("3.5.16")), None);
    assert_eq!(render_files(3, &conf("3.5.16")), None);
    assert_eq!(highest_common(&[1]), Some(1));
    assert_eq!(highest_common(&[2, 1]), Some(2));
    assert_eq!(highest_common(&[3, 2]), Some(2));
    assert_eq!(highest_common(&[4, 3]), None);
}

#[test]
fn what_version_1_passes_over_is_told() {
    assert!(not_expressed(1, &conf("3.5.16")).is_empty());
    assert!(not_expressed(2, &tuned("3.5.16")).is_empty());
    let mut conf = conf("3.5.16");
    conf.tuning.grpc_gateway = true;
    let told: Vec<_> = not_expressed(1, &conf).iter().map(|change| change.key).collect();
    assert_eq!(told, ["enable-grpc-gateway"]);
}

#[test]
fn what_the_hand_procedure_got_wrong_is_never_rendered() {
    for template in TEMPLATE_VERSIONS {
        for release in RELEASES {
            let text = rendered(template, &conf(release)).conf_yml;
            for never in [
                "auto-tls", "enable-v2", "proxy", "discovery", "INIT", "debug", "http://192",
                "max-wals", "max-snapshots", "v2-deprecation", "force-new", "unsafe",
            ] {
                assert!(!text.contains(never), "{release}: {never}");
            }
            let value: serde_yaml::Value = serde_yaml::from_str(&text).expect("YAML");
            assert_eq!(value["strict-reconfig-check"], serde_yaml::Value::Bool(true));
            assert_eq!(value["peer-transport-security"]["trusted-ca-file"], "/etc/etcd/peer-ca.pem");
        }
    }
}

#[test]
fn a_release_gets_its_own_spellings_and_no_key_that_it_does_not_have() {
    let keys = |release: &str| -> BTreeSet<String> {
        let value: serde_yaml::Mapping =
            serde_yaml::from_str(&rendered(2, &tuned(release)).conf_yml).expect("YAML");
        value.keys().map(|key| key.as_str().expect("a name").to_owned()).collect()
    };
    for release in ["3.6.0", "3.6.15", "3.7.2"] {
        assert!(!keys(release).iter().any(|key| key.starts_with("experimental-")), "{release}");
        assert!(keys(release).contains("feature-gates"));
    }
    assert!(keys("3.5.14").contains("experimental-snapshot-catch-up-entries"));
    assert!(!keys("3.5.13").contains("experimental-snapshot-catch-up-entries"));
    assert!(!keys("3.5.7").contains("tls-min-version") && keys("3.5.8").contains("tls-min-version"));
    assert!(!keys("3.4.19").contains("max-concurrent-streams"));
    assert!(!keys("3.5.4").contains("experimental-compact-hash-check-time"));
    assert!(!keys("3.4.23").iter().any(|key| key.contains("rotation") || key == "max-learners"));
}

#[test]
fn every_release_of_each_minor_gets_a_file() {
    for minor in 4..=7 {
        for patch in 0..50 {
            let release = format!("3.{minor}.{patch}");
            let text = rendered(2, &tuned(&release)).conf_yml;
            serde_yaml::from_str::<serde_yaml::Mapping>(&text).expect("YAML, no key twice");
            assert_eq!(version(&release).minor, minor);
        }
    }
}
