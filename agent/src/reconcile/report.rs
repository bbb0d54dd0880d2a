//! What the daemon tells `pilaster-agent status`.

use pilaster_proto::report::{Report, ServiceState};

/// A few lines for a person on the node.
pub(super) fn lines(report: &Report) -> String {
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
