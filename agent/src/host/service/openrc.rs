//! OpenRC: states from what it keeps under /run/openrc, verbs by `rc-service` and `rc-update`.
//!
//! `rc-service etcd status` costs a shell and 100 ms; the folders that it reads cost nothing
//! (OpenRC: src/librc/librc.c, `rc_service_state`).

use std::path::Path;
use std::time::Duration;

use pilaster_common::clock::Clock;
use pilaster_proto::report::ServiceState;

use crate::host::deed::ServiceVerb;
use crate::host::exec::{RunError, run};

/// `rc-service etcd start` with all that it starts before.
const SERVICE_DEADLINE: Duration = Duration::from_secs(30);

const RC_SERVICE: &str = "/sbin/rc-service";
const RC_UPDATE: &str = "/sbin/rc-update";

pub(super) fn is_here() -> bool {
    Path::new(RC_SERVICE).exists() && Path::new("/run/openrc").is_dir()
}

pub(super) fn state(service: &str) -> ServiceState {
    let marked = |folder: &str| Path::new("/run/openrc").join(folder).join(service).exists();
    if !Path::new("/etc/init.d").join(service).exists() {
        ServiceState::Absent
    } else if marked("starting") {
        ServiceState::Started
    } else if !marked("started") || marked("stopping") {
        ServiceState::Stopped
    } else if supervisor_is_gone(service) {
        ServiceState::Crashed
    } else {
        ServiceState::Started
    }
}

/// supervise-daemon keeps its own process id here; a service without that file is not supervised,
/// and is taken at its word.
fn supervisor_is_gone(service: &str) -> bool {
    let pid = std::fs::read_to_string(format!("/run/supervise-{service}.pid"));
    pid.is_ok_and(|pid| !Path::new("/proc").join(pid.trim()).exists())
}

pub(super) fn is_enabled(service: &str) -> bool {
    Path::new("/etc/runlevels/default").join(service).exists()
}

pub(super) async fn act(
    verb: ServiceVerb,
    service: &str,
    clock: &dyn Clock,
) -> Result<(), RunError> {
    let (program, arguments): (_, &[&str]) = match verb {
        ServiceVerb::Start => (RC_SERVICE, &[service, "start"]),
        ServiceVerb::Enable => (RC_UPDATE, &["add", service, "default"]),
    };
    run(program, arguments, &[], SERVICE_DEADLINE, clock).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_without_a_script_is_absent() {
        assert_eq!(state("no-such-service"), ServiceState::Absent);
    }
}
