//! Values for tests.

use super::{EtcdConf, EtcdVersion, InitialState, Member, Processor, ServiceManager, Tuning};

pub(crate) fn version(text: &str) -> EtcdVersion {
    text.parse().expect(text)
}

/// The first of three members on a small machine with a card.
pub(crate) fn conf(text: &str) -> EtcdConf {
    let members = ["x-k3s-m-1", "x-k3s-m-2", "x-k3s-m-3"]
        .map(|name| Member {
            name: name.parse().expect("good"),
            host: format!("{name}.edge.huatai.me"),
        })
        .to_vec();
    EtcdConf {
        version: version(text),
        cluster: "x-k3s".parse().expect("good"),
        domain: "edge.huatai.me".parse().expect("good"),
        node: "x-k3s-m-1".parse().expect("good"),
        address: [192, 168, 7, 11].into(),
        members,
        token: "x-k3s-3f9c0e6d1b7a4852a6c1d0e9f8b73524".into(),
        initial_state: InitialState::New,
        heartbeat_ms: 500,
        election_ms: 5000,
        snapshot_count: 10_000,
        quota_bytes: 536_870_912,
        compaction_retention_seconds: 3600,
        processor: Processor::Arm64,
        service_manager: ServiceManager::OpenRc,
        memory_limit_bytes: Some(300 * 1024 * 1024),
        tuning: Tuning::default(),
    }
}
