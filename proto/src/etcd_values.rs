//! Every value that a rendered file depends on, between message and type.
//!
//! Nothing in them reads as more than itself to a shell, to YAML or in a URL (promise 13). A new
//! setting is one field of the message, and one line in `tuning!` below.

use std::time::Duration;

use pilaster_common::etcd_conf::{EtcdConf, InitialState, LogLevel, Member, Metrics, Tuning};

use crate::agent::v1 as pb;
use crate::checked::{BadMessage, bad, each, enumeration, parsed, required, unknown};

enumeration!(InitialState, InitialState: New = New, Existing = Existing);
enumeration!(Metrics, Metrics: Basic = Basic, Extensive = Extensive);
enumeration!(LogLevel, LogLevel: Debug = Debug, Info = Info, Warn = Warn, Error = Error);

impl TryFrom<pb::EtcdConfig> for EtcdConf {
    type Error = BadMessage;

    fn try_from(conf: pb::EtcdConfig) -> Result<Self, BadMessage> {
        let pb::EtcdConfig {
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
            memory_limit_bytes,
            processor,
            service_manager,
            tuning,
        } = conf;
        Ok(Self {
            version: parsed("etcd.version", &version)?,
            cluster: parsed("etcd.cluster", &cluster)?,
            domain: parsed("etcd.domain", &domain)?,
            node: parsed("etcd.node", &node)?,
            address: parsed("etcd.address", &address)?,
            members: each(members, |pb::ClusterMember { name, host }| {
                let name = parsed("etcd.members.name", &name)?;
                Ok(Member { name, host: host_name("etcd.members.host", host)? })
            })?,
            token: word("etcd.token", token)?,
            initial_state: pb::InitialState::ours(initial_state)
                .ok_or_else(|| unknown("etcd.initial_state"))?,
            heartbeat_ms,
            election_ms,
            snapshot_count,
            quota_bytes,
            compaction_retention_seconds,
            processor: parsed("etcd.processor", &processor)?,
            service_manager: pb::ServiceManager::ours(service_manager)
                .ok_or_else(|| unknown("etcd.service_manager"))?,
            memory_limit_bytes: (memory_limit_bytes != 0).then_some(memory_limit_bytes),
            tuning: required("etcd.tuning", tuning)?.try_into()?,
        })
    }
}

impl From<EtcdConf> for pb::EtcdConfig {
    fn from(conf: EtcdConf) -> Self {
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
            processor,
            service_manager,
            memory_limit_bytes,
            tuning,
        } = conf;
        let member = |Member { name, host }| pb::ClusterMember { name: String::from(name), host };
        Self {
            version: version.to_string(),
            cluster: cluster.into(),
            domain: domain.into(),
            node: node.into(),
            address: address.to_string(),
            members: members.into_iter().map(member).collect(),
            token,
            initial_state: pb::InitialState::from(initial_state).into(),
            heartbeat_ms,
            election_ms,
            snapshot_count,
            quota_bytes,
            compaction_retention_seconds,
            memory_limit_bytes: memory_limit_bytes.unwrap_or(0),
            processor: processor.to_string(),
            service_manager: pb::ServiceManager::from(service_manager).into(),
            tuning: Some(tuning.into()),
        }
    }
}

/// Both directions of the settings: those that are the same on both sides, and spans, which are
/// nanoseconds in the message.
macro_rules! tuning {
    (same: $($same:ident),*; spans: $($span:ident = $nanoseconds:ident),*;) => {
        impl TryFrom<pb::EtcdTuning> for Tuning {
            type Error = BadMessage;

            fn try_from(tuning: pb::EtcdTuning) -> Result<Self, BadMessage> {
                let pb::EtcdTuning { $($same,)* $($nanoseconds,)* metrics, log_level } = tuning;
                Ok(Self {
                    $($same,)*
                    $($span: $nanoseconds.map(Duration::from_nanos),)*
                    metrics: pb::Metrics::ours(metrics)
                        .ok_or_else(|| unknown("etcd.tuning.metrics"))?,
                    log_level: pb::LogLevel::ours(log_level)
                        .ok_or_else(|| unknown("etcd.tuning.log_level"))?,
                })
            }
        }

        impl From<Tuning> for pb::EtcdTuning {
            fn from(tuning: Tuning) -> Self {
                let Tuning { $($same,)* $($span,)* metrics, log_level } = tuning;
                Self {
                    $($same,)*
                    $($nanoseconds: nanoseconds($span),)*
                    metrics: pb::Metrics::from(metrics).into(),
                    log_level: pb::LogLevel::from(log_level).into(),
                }
            }
        }
    };
}

tuning! {
    same: snapshot_catchup_entries, max_request_bytes, max_txn_ops, max_concurrent_streams, max_wals,
        backend_batch_limit, grpc_gateway, initial_corrupt_check, compact_hash_check, max_learners;
    spans: backend_batch_interval = backend_batch_interval_ns,
        grpc_keepalive_min_time = grpc_keepalive_min_time_ns,
        grpc_keepalive_interval = grpc_keepalive_interval_ns,
        grpc_keepalive_timeout = grpc_keepalive_timeout_ns,
        watch_progress_notify_interval = watch_progress_notify_interval_ns,
        compact_hash_check_interval = compact_hash_check_interval_ns,
        corrupt_check_interval = corrupt_check_interval_ns;
}

fn nanoseconds(span: Option<Duration>) -> Option<u64> {
    span.map(|span| span.as_nanos().try_into().unwrap_or(u64::MAX))
}

/// Letters, digits and `. _ -`, at most 128: nothing that a shell, YAML or a URL reads as more than
/// itself.
fn word(field: &'static str, text: String) -> Result<String, BadMessage> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if text.is_empty() || text.len() > 128 || !text.chars().all(plain) {
        return Err(bad(
            field,
            "1 to 128 letters, digits, dots, hyphens or underscores are wanted",
        ));
    }
    Ok(text)
}

/// A name or an address, as in a URL or in `/etc/hosts`.
pub(crate) fn host_name(field: &'static str, text: String) -> Result<String, BadMessage> {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label.chars().all(|c| matches!(c, 'a'..='z' | '0'..='9' | '-'))
    };
    if text.len() > 253 || !text.split('.').all(label) {
        return Err(bad(field, format!("{text:?} is no host name")));
    }
    Ok(text)
}
