//! What the tests of trust begin with: hosts, and a cluster on them.

use std::process::{Command, ExitStatus};
use std::time::Duration;

use lab::journey::Journey;
use lab::{Binaries, Host, HostSpec, Lab, LabError, LabOptions, wait_until};
use serde_json::Value;

/// A busy machine gets ten times what is usual.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A lab of `n` hosts.
pub(crate) fn hosts(n: u8) -> Result<Lab, LabError> {
    let host = |n| HostSpec::new(format!("x-k3s-m-{n}"), format!("192.168.7.{}/24", 10 + n));
    Lab::up(LabOptions { hosts: (1..=n).map(host).collect(), ..LabOptions::default() })
}

/// A healthy cluster on all hosts of `lab`.
pub(crate) fn cluster<'a>(lab: &'a Lab, binaries: &Binaries) -> Result<Journey<'a>, LabError> {
    let journey = Journey::begin(lab, binaries)?;
    journey.apply()?;
    journey.form()?;
    Ok(journey)
}

/// `coordctl certs -o json`: node, profile, served serial.
pub(crate) fn served(journey: &Journey<'_>) -> Result<Vec<(String, String, String)>, LabError> {
    let json: Value = serde_json::from_str(&journey.ctl(["certs", "-o", "json"])?).expect("JSON");
    let certificates = json["certificates"].as_array().expect("a list").iter();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut all: Vec<_> = certificates
        .map(|c| (text(&c["node"]), text(&c["profile"]), text(&c["servedSerial"])))
        .collect();
    all.sort();
    Ok(all)
}

/// Whether the one node of a cluster has a stream.
pub(crate) fn is_connected(journey: &Journey<'_>) -> Result<bool, LabError> {
    Ok(journey.ctl(["node", "list"])?.contains("  connected ")) // `not connected` has one space before it
}

/// The process id of etcd on a host: another one after a restart.
pub(crate) fn etcd_pid(host: &Host) -> Result<String, LabError> {
    Ok(host.exec_ok(["pidof", "etcd"])?.trim().to_owned())
}

/// Whether a program inside a host was ended by SIGKILL; nsenter tells it as an exit code, or dies the same way.
pub(crate) fn was_killed(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    status.signal() == Some(9) || status.code() == Some(137)
}

/// The environment variable that arms a point of `common::failpoint`.
pub(crate) const FAILPOINT: &str = "PILASTER_FAILPOINT";

/// The line that `enroll` prints, with the token in /root/token.
pub(crate) fn join_line(host: &Host) -> Result<Command, LabError> {
    host.command(["pilaster-agent", "join", "192.168.7.2:7443", "--token-file", "/root/token"])
}

/// A host on a new card with the agent installed, and a token for it in /root/token.
pub(crate) fn new_card(lab: &Lab, journey: &Journey<'_>, host: &Host) -> Result<(), LabError> {
    let joined =
        !lab.workstation().exec_ok(["cat", "coordinator/audit.log"])?.contains(r#""did":"join""#);
    host.wipe()?;
    host.boot()?;
    journey.install_agent(host)?;
    let more: &[&str] = if joined { &[] } else { &["--replace"] };
    host.write("/root/token", journey.token(host.name(), more)?, 0o600)
}

/// Waits until the one node of a cluster has a stream.
pub(crate) fn await_connected(journey: &Journey<'_>, point: &str) -> Result<(), LabError> {
    wait_until(&format!("{point}: connected"), LIMIT, || is_connected(journey))
}

/// Waits until every certificate is another one than before, and seen served.
pub(crate) fn await_all_new(
    journey: &Journey<'_>,
    before: &[(String, String, String)],
    point: &str,
) -> Result<(), LabError> {
    wait_until(&format!("{point}: every certificate is new and served"), LIMIT, || {
        let now = served(journey)?;
        let is_new = |(old, new): (&(String, String, String), &(String, String, String))| {
            !new.2.is_empty() && old.2 != new.2
        };
        if now.len() == before.len() && before.iter().zip(&now).all(is_new) {
            return Ok(true);
        }
        Err(LabError::NotYet(format!("{now:?}")))
    })
}

/// A spec with a second member, which never comes: the first one joins again and again, and nothing is formed meanwhile.
pub(crate) fn apply_for_two(journey: &Journey<'_>) -> Result<(), LabError> {
    let members = "x-k3s-m-1,x-k3s-m-2";
    journey.ctl(["init", "x-k3s", "--domain", "edge.huatai.me", "--members", members])?;
    journey.ctl(["apply", "x-k3s.yml"]).map(drop)
}
