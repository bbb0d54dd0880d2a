//! Which values etcd takes: what it would refuse, or warn of, at its start is refused before it is
//! written.

use std::time::Duration;

use super::value::{EtcdConf, Tuning};
use crate::error::Help;

/// etcd: server/embed/config.go, `maxElectionMs`.
const ELECTION_MS_MAX: u32 = 50_000;
/// etcd warns above (etcd: server/etcdserver/quota.go, `MaxQuotaBytes`).
const QUOTA_MAX: u64 = 8 << 30;
/// On 32 bits etcd maps the quota and a tenth of it at its start; up to 1 GiB that is one mapping
/// of 1 GiB (bbolt: db.go, `mmapSize`), above it is two or the default of 10 GiB, which such an
/// address space does not hold.
const QUOTA_MAX_32_BIT: u64 = 900 << 20;
/// Below, Go's collector would do nothing but collect.
const MEMORY_LIMIT_MIN: u64 = 32 << 20;
/// More than any node has; Go dies of what is no `int64` (Go: runtime/mgcpacer.go,
/// `readGOMEMLIMIT`).
const MEMORY_LIMIT_MAX: u64 = 1 << 40;
/// Nanoseconds are an `int64` in Go.
const DURATION_MAX: Duration = Duration::from_nanos(i64::MAX as u64);

/// A value that etcd does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} is {found}; etcd takes {wanted}")]
pub struct BadValue {
    /// etcd's key.
    pub key: &'static str,
    /// What was given.
    pub found: String,
    /// What is taken.
    pub wanted: String,
}

impl Help for BadValue {
    fn help(&self) -> Option<String> {
        Some("change it in the cluster's spec: coordctl apply".into())
    }
}

impl EtcdConf {
    /// Whether etcd of this version starts with these values, and without a warning.
    ///
    /// # Errors
    /// The first value that it does not take.
    pub fn check(&self) -> Result<(), BadValue> {
        let elections = self.heartbeat_ms.saturating_mul(5)..=ELECTION_MS_MAX;
        let quota_max = if self.processor.is_32_bit() { QUOTA_MAX_32_BIT } else { QUOTA_MAX };
        number("heartbeat-interval", self.heartbeat_ms, 1..=ELECTION_MS_MAX / 5)?;
        number("election-timeout", self.election_ms, elections)?;
        number("snapshot-count", self.snapshot_count, 1..=u64::MAX)?;
        number("quota-backend-bytes", self.quota_bytes, 1..=quota_max)?;
        let longest = DURATION_MAX.as_secs();
        number("auto-compaction-retention", self.compaction_retention_seconds, 0..=longest)?;
        if let Some(bytes) = self.memory_limit_bytes {
            number("GOMEMLIMIT", bytes, MEMORY_LIMIT_MIN..=MEMORY_LIMIT_MAX)?;
        }
        check_tuning(&self.tuning)
    }
}

fn check_tuning(tuning: &Tuning) -> Result<(), BadValue> {
    let Tuning {
        snapshot_catchup_entries,
        max_request_bytes,
        max_txn_ops,
        max_concurrent_streams,
        max_wals: _, // 0 keeps all
        backend_batch_interval,
        backend_batch_limit,
        grpc_keepalive_min_time,
        grpc_keepalive_interval,
        grpc_keepalive_timeout,
        grpc_gateway: _,
        metrics: _,
        log_level: _,
        watch_progress_notify_interval,
        initial_corrupt_check: _,
        compact_hash_check: _,
        compact_hash_check_interval,
        corrupt_check_interval,
        max_learners,
    } = tuning;
    let no_less_than_one = 1..=u32::MAX;
    let count = |key, given: &Option<u32>| {
        given.map_or(Ok(()), |given| number(key, given, no_less_than_one.clone()))
    };
    // Zero is another default in etcd, not none.
    if let Some(entries) = snapshot_catchup_entries {
        number("snapshot-catchup-entries", *entries, 1..=u64::MAX)?;
    }
    // Above 10 MiB etcd warns (etcd: server/etcdserver/server.go, `recommendedMaxRequestBytes`).
    if let Some(bytes) = max_request_bytes {
        number("max-request-bytes", *bytes, 1..=10 << 20)?;
    }
    count("max-txn-ops", max_txn_ops)?;
    count("max-concurrent-streams", max_concurrent_streams)?;
    if let Some(limit) = backend_batch_limit {
        number("backend-batch-limit", *limit, 1..=i32::MAX as u32)?; // `int` of 32 bits on arm
    }
    if let Some(learners) = max_learners {
        number("max-learners", *learners, 1..=i32::MAX as u32)?;
    }
    let millisecond = Duration::from_millis(1);
    duration("backend-batch-interval", backend_batch_interval, millisecond)?;
    duration("grpc-keepalive-min-time", grpc_keepalive_min_time, Duration::ZERO)?;
    duration("grpc-keepalive-interval", grpc_keepalive_interval, Duration::ZERO)?;
    duration("grpc-keepalive-timeout", grpc_keepalive_timeout, Duration::ZERO)?;
    // etcd: server/etcdserver/api/v3rpc/watch.go, `minWatchProgressInterval`.
    let shortest = Duration::from_millis(100);
    duration("watch-progress-notify-interval", watch_progress_notify_interval, shortest)?;
    duration("compact-hash-check-time", compact_hash_check_interval, millisecond)?;
    duration("corrupt-check-time", corrupt_check_interval, Duration::ZERO)
}

fn number<N: PartialOrd + std::fmt::Display>(
    key: &'static str,
    found: N,
    wanted: std::ops::RangeInclusive<N>,
) -> Result<(), BadValue> {
    if wanted.contains(&found) {
        return Ok(());
    }
    let wanted = format!("{} to {}", wanted.start(), wanted.end());
    Err(BadValue { key, found: found.to_string(), wanted })
}

fn duration(
    key: &'static str,
    found: &Option<Duration>,
    shortest: Duration,
) -> Result<(), BadValue> {
    match found {
        Some(found) if !(shortest..=DURATION_MAX).contains(found) => Err(BadValue {
            key,
            found: format!("{found:?}"),
            wanted: format!("{shortest:?} to {DURATION_MAX:?}"),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use crate::etcd_conf::Processor;
    use crate::etcd_conf::testing::conf;

    #[test]
    fn what_etcd_would_not_start_with_is_refused_by_key() {
        assert_eq!(conf("3.5.16").check(), Ok(()));
        let refused = |change: &dyn Fn(&mut super::EtcdConf)| {
            let mut conf = conf("3.5.16");
            change(&mut conf);
            conf.check().expect_err("refused").to_string()
        };
        let told = refused(&|c| c.election_ms = 2499);
        assert_eq!(told, "election-timeout is 2499; etcd takes 2500 to 50000");
        assert!(refused(&|c| c.heartbeat_ms = 0).starts_with("heartbeat-interval is 0"));
        assert!(refused(&|c| c.heartbeat_ms = u32::MAX).starts_with("heartbeat-interval"));
        assert!(refused(&|c| c.election_ms = 50_001).starts_with("election-timeout"));
        assert!(refused(&|c| c.quota_bytes = 9 << 30).starts_with("quota-backend-bytes"));
        assert!(refused(&|c| c.tuning.max_request_bytes = Some(11 << 20)).starts_with("max-req"));
        assert!(refused(&|c| c.tuning.max_txn_ops = Some(0)).starts_with("max-txn-ops"));
        let hour = std::time::Duration::from_secs(3600);
        let told = refused(&|c| c.tuning.corrupt_check_interval = Some(hour * 24 * 365 * 300));
        assert!(told.starts_with("corrupt-check-time"), "{told}");
    }

    #[test]
    fn on_32_bits_the_database_is_small() {
        let mut conf = conf("3.5.16");
        conf.processor = Processor::Arm;
        assert_eq!(conf.check(), Ok(()));
        conf.quota_bytes = 2 << 30;
        assert!(
            conf.check().is_err(),
            "etcd's default maps 10 GiB, which an int of 32 bits does not hold"
        );
    }
}
