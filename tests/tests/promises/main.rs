//! The promises (`PROMISES.md`) that real hosts can show: one file a promise, headed by its goal and its method.
//!
//! Promises 1 (keys stay) and 4 (clients are not peers) are guarded where a whole cluster stands, by the checks of
//! `lab::journey` in `journeys::formation::three_bare_hosts_become_a_healthy_cluster`; 2 (the coordinator decides names) by
//! `journeys::bad_input::host`, and 5 (one at a time) for the first formation by
//! `journeys::formation::promise_05_with_one_member_missing_nothing_is_started_and_the_one_is_named`.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]
#![expect(clippy::disallowed_methods, reason = "no power is cut on the machine that runs the lab")]

use std::time::Duration;

use lab::journey::Journey;
use lab::{Binaries, Host, HostSpec, Lab, LabError, LabOptions, wait_until};

mod p03_nobody_unknown_gets_in;
mod p07_whole_files_only;
mod p09_alone_is_fine;
mod p12_cost_follows_work;

/// Longer than anything here takes; a test that needs it all fails.
const LIMIT: Duration = Duration::from_secs(60);

/// A lab with hosts `x-k3s-m-1` (192.168.7.11), `x-k3s-m-2` …
fn lab_of(hosts: usize) -> Result<Lab, LabError> {
    let host = |n| HostSpec::new(format!("x-k3s-m-{n}"), format!("192.168.7.{}/24", 10 + n));
    Lab::up(LabOptions { hosts: (1..=hosts).map(host).collect(), ..LabOptions::default() })
}

/// A healthy cluster of all hosts of the lab, whose `conf.yml` are those of a formed cluster.
fn form(lab: &Lab) -> Result<Journey<'_>, LabError> {
    let journey = Journey::begin(lab, &Binaries::build()?)?;
    journey.apply()?;
    journey.form()?;
    for host in lab.hosts() {
        wait_until("conf.yml says existing", LIMIT, || {
            Ok(host.exec_ok(["cat", "/etc/etcd/conf.yml"])?.contains("\"existing\""))
        })?;
    }
    journey.await_healthy()?;
    Ok(journey)
}

/// The process id of a program on a host, as the host has it.
fn pid(host: &Host, program: &str) -> Result<String, LabError> {
    Ok(host.exec_ok(["pidof", "-s", program])?.trim().to_owned())
}
