//! The values of a node's files: the spec's settings, and what a node decides where nothing is
//! said.

use std::net::Ipv4Addr;
use std::time::Duration;

use pilaster_common::etcd_conf::{
    EtcdConf, EtcdVersion, InitialState, Member, Processor, ServiceManager,
};
use pilaster_common::name::NodeName;

use pilaster_proto::facts::{Facts, InstalledEtcd};

use crate::spec::ClusterSpec;
use crate::store::records::{Configured, FormationRecord, Phase};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Transactions between snapshots: memory.
const SNAPSHOT_COUNT: u64 = 10_000;
/// History that is kept.
const COMPACTION_RETENTION: Duration = Duration::from_secs(3600);
/// A machine with less than this is a small one: a Pi 3 has 1 GiB.
const SMALL_MEMORY: u64 = 3 * GIB / 2;

/// What of a node decides its files, beside the spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Basis {
    /// Of the etcd that reads the files.
    pub version: EtcdVersion,
    /// What it was built for.
    pub processor: Processor,
    /// What keeps it running.
    pub service_manager: ServiceManager,
    /// Bytes.
    pub memory_bytes: u64,
}

impl Basis {
    /// Of a node as it reports; `None` while it has no etcd that files could be rendered for.
    pub fn of(facts: &Facts) -> Option<Self> {
        let InstalledEtcd { version, processor } = facts.etcd?;
        Some(Self {
            version,
            processor,
            service_manager: facts.service_manager?,
            memory_bytes: facts.memory_bytes,
        })
    }

    /// Of a member that was configured before: as it was then. Only another patch of the same minor
    /// is followed, so that its files are right for the etcd that would read them; another minor
    /// would be an upgrade that nobody has asked for.
    pub fn of_member(configured: &Configured, only_facts: Option<&Facts>) -> Self {
        let Configured { template_version: _, memory_bytes, etcd } = configured;
        let installed = only_facts.and_then(|facts| facts.etcd).map(|etcd| etcd.version);
        let version = installed.filter(|version| version.minor == etcd.version.minor);
        Self {
            version: version.unwrap_or(etcd.version),
            processor: etcd.processor,
            service_manager: etcd.service_manager,
            memory_bytes: *memory_bytes,
        }
    }
}

/// The values for a node's files, as the spec wants them.
pub fn etcd_conf(
    spec: &ClusterSpec,
    formation: &FormationRecord,
    node: &NodeName,
    address: Ipv4Addr,
    basis: &Basis,
) -> EtcdConf {
    let settings = &spec.etcd;
    let Basis { version, processor, service_manager, memory_bytes } = basis;
    let small = *memory_bytes < SMALL_MEMORY;
    // On 32 bits the whole database must fit into the address space beside everything else.
    let quota = if small || processor.is_32_bit() { 512 * MIB } else { 2 * GIB };
    let retention = settings.compaction_retention.unwrap_or(COMPACTION_RETENTION);
    let members =
        spec.members.iter().map(|m| Member { name: m.name.clone(), host: spec.host(&m.name) });
    EtcdConf {
        version: *version,
        cluster: spec.cluster.clone(),
        domain: spec.domain.clone(),
        node: node.clone(),
        address,
        members: members.collect(),
        token: formation.token.clone(),
        initial_state: match &formation.phase {
            Phase::Forming { started, .. } if started.contains(node) => InitialState::Existing,
            Phase::Gathering | Phase::Forming { .. } => InitialState::New,
            Phase::Formed { .. } => InitialState::Existing,
        },
        heartbeat_ms: milliseconds(settings.heartbeat()),
        election_ms: milliseconds(settings.election()),
        snapshot_count: settings.snapshot_count.unwrap_or(SNAPSHOT_COUNT),
        quota_bytes: settings.quota.unwrap_or(quota),
        compaction_retention_seconds: retention.as_secs(),
        processor: *processor,
        service_manager: *service_manager,
        memory_limit_bytes: settings.memory_limit.or(small.then_some(300 * MIB)),
        tuning: settings.tuning(),
    }
}

fn milliseconds(span: Duration) -> u32 {
    u32::try_from(span.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use pilaster_common::etcd_conf::Tuning;
    use pilaster_common::templates::TEMPLATES;

    use super::*;
    use crate::spec::{self, EtcdSettings};

    fn conf(etcd: &str, memory: u64, processor: Processor) -> EtcdConf {
        let text = format!(
            "cluster: c\ndomain: a.b\nnetwork: 10.0.0.0/24\nmembers: [{{name: m-1}}]\netcd: {{{etcd}}}\n"
        );
        let spec = spec::parse(&text).expect(&text);
        let formation = FormationRecord { token: "c-00".into(), phase: Phase::Gathering };
        let basis = Basis {
            version: "3.6.15".parse().expect("known"),
            processor,
            service_manager: ServiceManager::OpenRc,
            memory_bytes: memory,
        };
        let node = "m-1".parse().expect("good");
        etcd_conf(&spec, &formation, &node, [10, 0, 0, 1].into(), &basis)
    }

    #[test]
    fn defaults_follow_storage_memory_and_processor() {
        let pi_4 = conf("", 4 * GIB, Processor::Arm64);
        assert_eq!((pi_4.heartbeat_ms, pi_4.election_ms), (500, 5000));
        assert_eq!((pi_4.quota_bytes, pi_4.memory_limit_bytes), (2 * GIB, None));
        assert_eq!(pi_4.tuning, Tuning::default());
        let pi_3 = conf("storage: ssd", 906 * MIB, Processor::Arm64);
        assert_eq!((pi_3.heartbeat_ms, pi_3.election_ms), (100, 1000));
        assert_eq!((pi_3.quota_bytes, pi_3.memory_limit_bytes), (512 * MIB, Some(300 * MIB)));
        assert_eq!(conf("", 4 * GIB, Processor::Arm).quota_bytes, 512 * MIB);
    }

    #[test]
    fn every_setting_of_a_spec_reaches_the_file_and_etcd_takes_it() {
        let lines = [
            ("heartbeat_interval: 250ms", "heartbeat-interval: 250"),
            ("election_timeout: 20s", "election-timeout: 20000"),
            ("snapshot_count: 5000", "snapshot-count: 5000"),
            ("snapshot_catchup_entries: 700", "snapshot-catchup-entries: 700"),
            ("quota: 1GiB", "quota-backend-bytes: 1073741824"),
            ("compaction_retention: 30m", "auto-compaction-retention: \"1800s\""),
            ("max_request_size: 2MiB", "max-request-bytes: 2097152"),
            ("max_txn_ops: 256", "max-txn-ops: 256"),
            ("max_concurrent_streams: 99", "max-concurrent-streams: 99"),
            ("max_wals: 7", "max-wals: 7"),
            ("backend_batch_interval: 50ms", "backend-batch-interval: 50000000"),
            ("backend_batch_limit: 999", "backend-batch-limit: 999"),
            ("grpc_keepalive_min_time: 7s", "grpc-keepalive-min-time: 7000000000"),
            ("grpc_keepalive_interval: 1h", "grpc-keepalive-interval: 3600000000000"),
            ("grpc_keepalive_timeout: 9s", "grpc-keepalive-timeout: 9000000000"),
            ("grpc_gateway: true", "enable-grpc-gateway: true"),
            ("metrics: extensive", "metrics: \"extensive\""),
            ("log_level: warn", "log-level: \"warn\""),
            ("watch_progress_notify_interval: 11s", "watch-progress-notify-interval: 11000000000"),
            ("initial_corrupt_check: false", "InitialCorruptCheck=false"),
            ("compact_hash_check: false", "CompactHashCheck=false"),
            ("compact_hash_check_interval: 2m", "compact-hash-check-time: 120000000000"),
            ("corrupt_check_interval: 1h", "corrupt-check-time: 3600000000000"),
            ("max_learners: 2", "max-learners: 2"),
            ("memory_limit: 200MiB", "GOMEMLIMIT=200MiB"),
        ];
        let keys = EtcdSettings::default().written().into_iter().map(|(key, _)| key);
        let without_storage: Vec<&str> = keys.skip(1).collect(); // it decides the timing
        let tried = lines.map(|(setting, _)| setting.split(':').next().expect("a key"));
        assert_eq!(tried[..], without_storage);
        for (setting, line) in lines {
            let conf = conf(setting, 4 * GIB, Processor::Arm64);
            assert_eq!(conf.check(), Ok(()), "{setting}");
            let files = TEMPLATES.render(1, &conf).expect("ours");
            let text: String = files.into_iter().map(|(_, text)| text).collect();
            assert!(text.contains(line), "no {line:?} for {setting}:\n{text}");
        }
    }
}
