//! What the tests of trust ask of a cluster, and how they let a host in.

use std::process::{Command, ExitStatus};

use lab::stage::{ENDPOINT, LIMIT, Stage};
use lab::{Host, LabError, wait_until};
use serde_json::Value;

/// `coordctl certs -o json`: node, profile, served serial.
pub(crate) fn served(stage: &Stage) -> Result<Vec<(String, String, String)>, LabError> {
    let json: Value = serde_json::from_str(&stage.ctl(["certs", "-o", "json"])?).expect("JSON");
    let certificates = json["certificates"].as_array().expect("a list").iter();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut all: Vec<_> = certificates
        .map(|c| (text(&c["node"]), text(&c["profile"]), text(&c["servedSerial"])))
        .collect();
    all.sort();
    Ok(all)
}

/// Whether the one node of a cluster has a stream.
pub(crate) fn is_connected(stage: &Stage) -> Result<bool, LabError> {
    Ok(stage.ctl(["node", "list"])?.contains("  connected ")) // `not connected` has one space before it
}

/// Whether a program inside a host was ended by SIGKILL; nsenter tells it as an exit code, or dies
/// the same way.
pub(crate) fn was_killed(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    status.signal() == Some(9) || status.code() == Some(137)
}

/// The environment variable that arms a point of `common::failpoint`.
pub(crate) const FAILPOINT: &str = "PILASTER_FAILPOINT";

/// The line that `enroll` prints, with the token in /root/token.
pub(crate) fn join_line(host: &Host) -> Result<Command, LabError> {
    host.command(["pilaster-agent", "join", ENDPOINT, "--token-file", "/root/token"])
}

/// A host on a new card with the agent installed, and a token for it in /root/token.
pub(crate) fn new_card(stage: &Stage, host: &Host) -> Result<(), LabError> {
    let joined =
        !stage.workstation().exec_ok(["cat", "coordinator/audit.log"])?.contains(r#""did":"join""#);
    host.wipe()?;
    host.boot()?;
    stage.install_agent(host)?;
    let more: &[&str] = if joined { &[] } else { &["--replace"] };
    host.write("/root/token", stage.token(host.name(), more)?, 0o600)
}

/// Lets a host in, and waits until it has a stream.
pub(crate) fn join(stage: &Stage, host: &Host) -> Result<(), LabError> {
    let token = stage.token(host.name(), &[])?;
    assert!(stage.join(host, &token, &[])?.status.success());
    await_connected(stage, "joined")
}

/// Waits until the one node of a cluster has a stream.
pub(crate) fn await_connected(stage: &Stage, point: &str) -> Result<(), LabError> {
    wait_until(&format!("{point}: connected"), LIMIT, || is_connected(stage))
}

/// Waits until every certificate is another one than before, and seen served.
pub(crate) fn await_all_new(
    stage: &Stage,
    before: &[(String, String, String)],
    point: &str,
) -> Result<(), LabError> {
    wait_until(&format!("{point}: every certificate is new and served"), LIMIT, || {
        let now = served(stage)?;
        let is_new = |(old, new): (&(String, String, String), &(String, String, String))| {
            !new.2.is_empty() && old.2 != new.2
        };
        if now.len() == before.len() && before.iter().zip(&now).all(is_new) {
            return Ok(true);
        }
        Err(LabError::NotYet(format!("{now:?}")))
    })
}

/// A spec with a second member, which never comes: the first one joins again and again, and nothing
/// is formed meanwhile.
pub(crate) fn apply_for_two(stage: &Stage) -> Result<(), LabError> {
    stage.init("x-k3s-m-1,x-k3s-m-2")?;
    stage.ctl(["apply", "x-k3s.yml"]).map(drop)
}
