//! What is told of the node: to the coordinator, in the log, and to `pilaster-agent status`.

use std::path::Path;

use pilaster_common::atomic_file::{self, Access};
use pilaster_common::certificate::key_hash;
use pilaster_common::error::Told;
use pilaster_proto::etcd_state::EtcdState;
use pilaster_proto::report::{HeldCertificate, Report, ServiceState};

use super::observe::Observed;
use crate::certificates::Looks;
use crate::host::File;

/// What the daemon tells `pilaster-agent status`; in memory, so that it costs the card nothing
/// (promise 12).
pub(crate) const STATUS_FILE: &str = "/run/pilaster/status";

/// What was observed, for the coordinator.
pub(super) fn report(
    observed: Observed,
    generation: u64,
    etcd: Option<EtcdState>,
    looks: &Looks,
    problems: Vec<Told>,
) -> Report {
    let held = observed.held.into_iter();
    let files = observed.seen.files.iter().filter_map(|(file, seen)| match file {
        File::Text(file) => Some((*file, key_hash(&seen.content))),
        _ => None,
    });
    Report {
        facts: observed.known.facts,
        epoch: observed.accepted.epoch,
        generation,
        certificates: held
            .map(|(profile, held)| HeldCertificate::new(profile, held.leaf, looks.shown(profile)))
            .collect(),
        service: observed.seen.etcd.state,
        etcd,
        problems,
        boot_id: observed.known.boot_id,
        files: files.collect(),
    }
}

/// Tells the log, and the one who asks on the node: only what is new since `known`.
pub(super) fn tell(report: &Report, known: Option<&Report>, status: &Path) {
    if known.is_some_and(|known| !report.is_news_after(known)) {
        return;
    }
    for told in &report.problems {
        if known.is_none_or(|known| !known.problems.contains(told)) {
            tracing::warn!("{}", told.to_string().replace('\n', "; "));
        }
    }
    if report.generation != known.map_or(0, |known| known.generation) && report.generation != 0 {
        tracing::info!("generation {} is in place", report.generation);
    }
    // in memory, where a failure to write costs nothing else
    let access = Access {
        uid: nix::unistd::geteuid().as_raw(),
        gid: nix::unistd::getegid().as_raw(),
        mode: 0o644,
    };
    drop(atomic_file::replace(status, lines(report).as_bytes(), access));
}

/// A few lines for a person on the node.
fn lines(report: &Report) -> String {
    let is_healthy = report.etcd.as_ref().is_some_and(|etcd| etcd.healthy);
    let etcd = match (report.service, is_healthy) {
        (ServiceState::Absent, _) => "not set up",
        (ServiceState::Stopped, _) => "stopped",
        (ServiceState::Crashed, _) => "crashed",
        (ServiceState::Started, true) => "started, healthy",
        (ServiceState::Started, false) => "started, not healthy",
    };
    let mut lines = format!("generation in place: {}\netcd: {etcd}\n", report.generation);
    for told in &report.problems {
        lines.push_str(&format!("{told}\n"));
    }
    lines
}
