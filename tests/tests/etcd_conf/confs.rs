//! The values behind the golden files of `common/testdata/version-1`; that they are the same is
//! checked by rendering them.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use pilaster_common::etcd_conf::{
    EtcdConf, InitialState, LogLevel, Member, Metrics, Processor, ServiceManager, Tuning,
};
use pilaster_common::node_file::NodeFile;
use pilaster_common::templates::TEMPLATES;

pub(crate) const NODE: &str = "x-k3s-m-1";
pub(crate) const DOMAIN: &str = "edge.huatai.me";

/// Each kind of golden file for a release, by name. `sdcard-arm` has the text of `sdcard`: what
/// differs is in the environment.
pub(crate) fn kinds(release: &str) -> [(&'static str, EtcdConf); 3] {
    [("sdcard", sdcard(release)), ("ssd", ssd(release)), ("tuned", tuned(release))]
}

pub(crate) fn golden(release: &str, kind: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../common/testdata/version-1");
    fs::read_to_string(folder.join(format!("conf-{release}-{kind}.yml"))).expect("it is there")
}

pub(crate) fn text(conf: &EtcdConf) -> String {
    file(conf, NodeFile::EtcdConf)
}

/// A file of the newest version.
pub(crate) fn file(conf: &EtcdConf, file: NodeFile) -> String {
    let files = TEMPLATES.render(TEMPLATES.newest(), conf).expect("it is one of ours");
    let found = files.into_iter().find(|(one, _)| *one == file);
    found.expect("each version has it").1
}

/// The same member, alone in its cluster: what it is formed with here.
pub(crate) fn alone(conf: &EtcdConf) -> EtcdConf {
    let host = conf.host();
    let members = vec![Member { name: conf.node.clone(), host }];
    EtcdConf { members, initial_state: InitialState::New, ..conf.clone() }
}

fn sdcard(release: &str) -> EtcdConf {
    let member = |n| Member {
        name: format!("x-k3s-m-{n}").parse().expect("good"),
        host: format!("x-k3s-m-{n}.{DOMAIN}"),
    };
    EtcdConf {
        version: release.parse().expect("known"),
        cluster: "x-k3s".parse().expect("good"),
        domain: DOMAIN.parse().expect("good"),
        node: NODE.parse().expect("good"),
        address: [192, 168, 7, 11].into(),
        members: [1, 2, 3].map(member).to_vec(),
        token: "x-k3s-3f9c0e6d1b7a4852a6c1d0e9f8b73524".into(),
        initial_state: InitialState::New,
        heartbeat_ms: 500,
        election_ms: 5000,
        snapshot_count: 10_000,
        quota_bytes: 512 << 20,
        compaction_retention_seconds: 3600,
        processor: Processor::Amd64,
        service_manager: ServiceManager::OpenRc,
        memory_limit_bytes: Some(300 << 20),
        tuning: Tuning::default(),
    }
}

fn ssd(release: &str) -> EtcdConf {
    EtcdConf {
        heartbeat_ms: 100,
        election_ms: 1000,
        quota_bytes: 2 << 30,
        memory_limit_bytes: None,
        ..sdcard(release)
    }
}

fn tuned(release: &str) -> EtcdConf {
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
