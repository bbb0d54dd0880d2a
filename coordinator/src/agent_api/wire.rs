//! The only place where protobuf becomes ours, and back. Every field is handled: a new one does not pass unseen.

use std::time::Duration;

use pilaster_common::clock::Timestamp;
use pilaster_common::error::Told;
use pilaster_common::etcd_conf::{
    EtcdConf, InitialState, LogLevel, Member, Metrics, ServiceManager, Tuning,
};
use pilaster_common::hosts_block::HostEntry;
use pilaster_common::profile::Profile;
use pilaster_common::templates::RenderedFiles;
use pilaster_common::token::Exporter;
use pilaster_proto::agent::v1 as pb;
use tonic::Status;

use crate::ca::issue::LeafNames;
use crate::enrollment::join::JoinClaim;
use crate::plan::view::{EtcdState, Facts, Held, Report, ServiceState};
use crate::render::{Desired, WantedCertificate, WantedService};
use crate::spec::ClusterSpec;

/// A message that is not as agreed. Which field, and why.
#[derive(Debug, thiserror::Error)]
#[error("{field}: {why}")]
pub struct BadMessage {
    field: &'static str,
    why: String,
}

impl From<BadMessage> for Status {
    fn from(error: BadMessage) -> Self {
        Self::invalid_argument(error.to_string())
    }
}

fn bad(field: &'static str, why: impl ToString) -> BadMessage {
    BadMessage { field, why: why.to_string() }
}

/// What a node says when it asks to join.
///
/// # Errors
/// When a field is not as agreed.
pub fn join_claim(request: pb::JoinRequest, exporter: Exporter) -> Result<JoinClaim, BadMessage> {
    let pb::JoinRequest { token_id, node, csr, facts: reported, boot_id: _, nonce: _, mac } =
        request;
    Ok(JoinClaim {
        token_id,
        node: node.parse().map_err(|error| bad("node", error))?,
        csr,
        mac,
        exporter,
        eth0: facts(reported.ok_or_else(|| bad("facts", "missing"))?)?.eth0,
    })
}

/// A report.
///
/// # Errors
/// When a field is not as agreed.
pub fn report(report: pb::Report) -> Result<Report, BadMessage> {
    let pb::Report {
        facts: reported,
        epoch,
        generation,
        certificates,
        service,
        etcd,
        problems,
        boot_id: _,
        files: _,
    } = report;
    let service =
        match pb::ServiceState::try_from(service).map_err(|error| bad("service", error))? {
            pb::ServiceState::Unspecified | pb::ServiceState::Absent => ServiceState::Absent,
            pb::ServiceState::Stopped => ServiceState::Stopped,
            pb::ServiceState::Started => ServiceState::Started,
            pb::ServiceState::Crashed => ServiceState::Crashed,
        };
    Ok(Report {
        facts: facts(reported.ok_or_else(|| bad("facts", "missing"))?)?,
        epoch,
        generation,
        certificates: certificates.into_iter().map(held).collect::<Result<_, _>>()?,
        service,
        etcd: etcd.filter(|etcd| etcd.reachable).map(etcd_state),
        problems: problems.into_iter().map(told).collect(),
    })
}

/// The profile of one of a node's certificates for etcd.
///
/// # Errors
/// When it is none of those.
pub fn leaf_profile(profile: i32) -> Result<Profile, Status> {
    match pb::Profile::try_from(profile) {
        Ok(pb::Profile::Server) => Ok(Profile::Server),
        Ok(pb::Profile::Peer) => Ok(Profile::Peer),
        Ok(pb::Profile::Client) => Ok(Profile::Client),
        Ok(pb::Profile::Agent | pb::Profile::Unspecified) | Err(_) => {
            Err(Status::invalid_argument("not a profile of etcd's certificates"))
        }
    }
}

/// Any profile.
///
/// # Errors
/// When it is none.
pub fn any_profile(profile: i32) -> Result<Profile, Status> {
    match pb::Profile::try_from(profile) {
        Ok(pb::Profile::Agent) => Ok(Profile::Agent),
        _ => leaf_profile(profile),
    }
}

/// A profile in a message.
pub fn profile(profile: Profile) -> pb::Profile {
    match profile {
        Profile::Agent => pb::Profile::Agent,
        Profile::Server => pb::Profile::Server,
        Profile::Peer => pb::Profile::Peer,
        Profile::Client => pb::Profile::Client,
    }
}

/// A desired state as a message, without epoch and generation.
pub fn desired(spec: &ClusterSpec, desired: &Desired) -> pb::Desired {
    let Desired {
        etcd,
        template_version,
        files: RenderedFiles { conf_yml, service_conf, service_script },
        hosts,
        certificates,
        client_ca,
        peer_ca,
        service,
        endpoints,
        identity_renew_before,
        identity_replace,
    } = desired;
    let file =
        |file: pb::File, text: &String| pb::RenderedFile { file: file.into(), text: text.clone() };
    pb::Desired {
        epoch: 0,
        generation: 0,
        etcd: Some(etcd_config(etcd)),
        template_version: *template_version,
        files: vec![
            file(pb::File::EtcdConf, conf_yml),
            file(pb::File::ServiceConf, service_conf),
            file(pb::File::ServiceScript, service_script),
        ],
        hosts: hosts.iter().map(host_entry).collect(),
        certificates: certificates.iter().map(wanted).collect(),
        client_ca: client_ca.clone().into_bytes(),
        peer_ca: peer_ca.clone().into_bytes(),
        service: match service {
            WantedService::Hold => pb::WantedService::Hold,
            WantedService::Run => pb::WantedService::Run,
        }
        .into(),
        hosts_domain: spec.domain.to_string(),
        endpoints: endpoints.clone(),
        identity: Some(pb::WantedIdentity {
            renew_before_seconds: seconds(*identity_renew_before),
            replace_serial: identity_replace.clone().unwrap_or_default(),
        }),
    }
}

fn facts(facts: pb::Facts) -> Result<Facts, BadMessage> {
    let service_manager = match facts.service_manager() {
        pb::ServiceManager::Unspecified | pb::ServiceManager::Openrc => ServiceManager::OpenRc,
        pb::ServiceManager::Systemd => ServiceManager::Systemd,
    };
    let pb::Facts {
        hostname: _,
        eth0,
        architecture,
        etcd_version,
        memory_bytes,
        disk_free_bytes: _,
        kernel: _,
        uptime_seconds: _,
        agent_version: _,
        template_versions,
        etcd_processor,
        service_manager: _, // above
    } = facts;
    Ok(Facts {
        eth0: eth0
            .iter()
            .map(|net| net.parse().map_err(|error| bad("eth0", error)))
            .collect::<Result<_, _>>()?,
        architecture,
        etcd_version: etcd_version.parse().ok(),
        etcd_processor: etcd_processor.parse().ok(),
        service_manager,
        memory_bytes,
        template_versions,
    })
}

fn held(held: pb::HeldCertificate) -> Result<Held, BadMessage> {
    let pb::HeldCertificate {
        profile,
        serial,
        not_after,
        issuer_key_id: _,
        names: _,
        addresses: _,
        not_before: _,
        served_serial,
        served_not_after,
    } = held;
    let profile = leaf_profile(profile).map_err(|status| bad("certificates", status.message()))?;
    let served = (!served_serial.is_empty()).then(|| Timestamp::from_unix(served_not_after));
    Ok(Held {
        profile,
        serial,
        not_after: Timestamp::from_unix(not_after),
        served_not_after: served,
    })
}

fn etcd_state(state: pb::EtcdState) -> EtcdState {
    let pb::EtcdState {
        reachable: _,
        healthy,
        member_id,
        cluster_id,
        leader_id,
        raft_term: _,
        raft_index: _,
        raft_applied_index: _,
        db_size: _,
        db_size_in_use: _,
        is_learner,
        version: _,
        errors,
        members,
    } = state;
    let members = members.into_iter().map(member).collect();
    EtcdState { healthy, member_id, cluster_id, leader_id, is_learner, errors, members }
}

fn member(member: pb::Member) -> (u64, String) {
    let pb::Member { id, name, peer_urls: _, client_urls: _, is_learner: _ } = member;
    (id, name)
}

fn told(problem: pb::Problem) -> Told {
    let pb::Problem { what, cause, help } = problem;
    Told { what, cause, help }
}

fn host_entry(entry: &HostEntry) -> pb::HostEntry {
    let HostEntry { address, names } = entry;
    pb::HostEntry { address: address.to_string(), names: names.clone() }
}

fn wanted(wanted: &WantedCertificate) -> pb::WantedCertificate {
    let WantedCertificate { profile: kind, names, gateway, issuer_key_id, renew_before, replace } =
        wanted;
    let LeafNames { common_name, names, addresses } = names;
    pb::WantedCertificate {
        profile: profile(*kind).into(),
        names: names.clone(),
        addresses: addresses.iter().map(ToString::to_string).collect(),
        common_name: common_name.clone(),
        gateway: *gateway,
        issuer_key_id: issuer_key_id.clone(),
        renew_before_seconds: seconds(*renew_before),
        replace_serial: replace.clone().unwrap_or_default(),
    }
}

fn seconds(span: Duration) -> i64 {
    span.as_secs().try_into().unwrap_or(i64::MAX)
}

fn etcd_config(conf: &EtcdConf) -> pb::EtcdConfig {
    let EtcdConf {
        version,
        cluster,
        domain,
        node,
        address,
        members,
        token,
        initial_state,
        heartbeat_ms,
        election_ms,
        snapshot_count,
        quota_bytes,
        compaction_retention_seconds,
        architecture,
        processor,
        service_manager,
        memory_limit_bytes,
        tuning,
    } = conf;
    let member = |Member { name, host }: &Member| pb::ClusterMember {
        name: name.to_string(),
        host: host.clone(),
    };
    pb::EtcdConfig {
        version: version.to_string(),
        cluster: cluster.to_string(),
        domain: domain.to_string(),
        node: node.to_string(),
        address: address.to_string(),
        members: members.iter().map(member).collect(),
        token: token.clone(),
        initial_state: match initial_state {
            InitialState::New => pb::InitialState::New,
            InitialState::Existing => pb::InitialState::Existing,
        }
        .into(),
        heartbeat_ms: *heartbeat_ms,
        election_ms: *election_ms,
        snapshot_count: *snapshot_count,
        quota_bytes: *quota_bytes,
        compaction_retention_seconds: *compaction_retention_seconds,
        architecture: architecture.clone(),
        memory_limit_bytes: memory_limit_bytes.unwrap_or(0),
        processor: processor.to_string(),
        service_manager: match service_manager {
            ServiceManager::OpenRc => pb::ServiceManager::Openrc,
            ServiceManager::Systemd => pb::ServiceManager::Systemd,
        }
        .into(),
        tuning: Some(etcd_tuning(tuning)),
    }
}

fn etcd_tuning(tuning: &Tuning) -> pb::EtcdTuning {
    let Tuning {
        snapshot_catchup_entries,
        max_request_bytes,
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
    } = tuning;
    pb::EtcdTuning {
        snapshot_catchup_entries: *snapshot_catchup_entries,
        max_request_bytes: *max_request_bytes,
        max_txn_ops: *max_txn_ops,
        max_concurrent_streams: *max_concurrent_streams,
        max_wals: *max_wals,
        backend_batch_interval_ns: nanoseconds(*backend_batch_interval),
        backend_batch_limit: *backend_batch_limit,
        grpc_keepalive_min_time_ns: nanoseconds(*grpc_keepalive_min_time),
        grpc_keepalive_interval_ns: nanoseconds(*grpc_keepalive_interval),
        grpc_keepalive_timeout_ns: nanoseconds(*grpc_keepalive_timeout),
        grpc_gateway: *grpc_gateway,
        metrics: match metrics {
            Metrics::Basic => pb::Metrics::Basic,
            Metrics::Extensive => pb::Metrics::Extensive,
        }
        .into(),
        log_level: match log_level {
            LogLevel::Debug => pb::LogLevel::Debug,
            LogLevel::Info => pb::LogLevel::Info,
            LogLevel::Warn => pb::LogLevel::Warn,
            LogLevel::Error => pb::LogLevel::Error,
        }
        .into(),
        watch_progress_notify_interval_ns: nanoseconds(*watch_progress_notify_interval),
        initial_corrupt_check: *initial_corrupt_check,
        compact_hash_check: *compact_hash_check,
        compact_hash_check_interval_ns: nanoseconds(*compact_hash_check_interval),
        corrupt_check_interval_ns: nanoseconds(*corrupt_check_interval),
        max_learners: *max_learners,
    }
}

fn nanoseconds(span: Option<Duration>) -> Option<u64> {
    span.map(|span| span.as_nanos().try_into().unwrap_or(u64::MAX))
}
