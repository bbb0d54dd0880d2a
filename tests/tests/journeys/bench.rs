//! Hosts that are ready to join, a coordinator that knows them, and what may be left of a join that was refused.

use std::fs;
use std::process::Output;
use std::time::Duration;

use lab::journey::{Journey, ThreeLines};
use lab::{Binaries, Host, HostSpec, Lab, LabError, LabOptions, Written, wait_until};
use serde_json::Value;

/// Longer than anything here takes; a test that needs it all fails.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// The member that the tests let in.
pub(crate) const NODE: &str = "x-k3s-m-1";
/// Two members, of which the second never comes: nothing forms.
pub(crate) const SPEC: &str = "\
cluster: x-k3s
domain: edge.huatai.me
network: 192.168.7.0/24
members:
  - name: x-k3s-m-1
  - name: x-k3s-m-2
";

/// A lab with hosts `x-k3s-m-1` (192.168.7.11), `x-k3s-m-2` …
pub(crate) fn lab_of(hosts: usize) -> Result<Lab, LabError> {
    let host = |n| HostSpec::new(format!("x-k3s-m-{n}"), format!("192.168.7.{}/24", 10 + n));
    Lab::up(LabOptions { hosts: (1..=hosts).map(host).collect(), ..LabOptions::default() })
}

/// The coordinator runs, the agent is installed on each host.
pub(crate) fn begin(lab: &Lab) -> Result<Journey<'_>, LabError> {
    Journey::begin(lab, &Binaries::build()?)
}

/// The coordinator runs with [`SPEC`], the agent is installed on each host.
pub(crate) fn begin_with_spec(lab: &Lab) -> Result<Journey<'_>, LabError> {
    let journey = begin(lab)?;
    apply(&journey, SPEC)?;
    Ok(journey)
}

/// Writes a spec and applies it.
pub(crate) fn apply(journey: &Journey<'_>, spec: &str) -> Result<(), LabError> {
    write(journey, "x-k3s.yml", spec);
    journey.ctl(["apply", "x-k3s.yml"]).map(drop)
}

/// Puts a file into the workstation's folder.
pub(crate) fn write(journey: &Journey<'_>, name: &str, text: &str) {
    fs::write(journey.lab().workstation().dir().join(name), text).unwrap();
}

/// `coordctl status -o json`.
pub(crate) fn status(journey: &Journey<'_>) -> Result<Value, LabError> {
    let said = journey.ask(["status", "-o", "json"])?;
    serde_json::from_slice(&said.stdout)
        .map_err(|_| LabError::NotYet(String::from_utf8_lossy(&said.stderr).into_owned()))
}

/// What `status` says of [`NODE`].
pub(crate) fn node_status(journey: &Journey<'_>) -> Result<Value, LabError> {
    let state = status(journey)?;
    let nodes = state["nodes"].as_array().cloned().unwrap_or_default();
    Ok(nodes.into_iter().find(|node| node["name"] == NODE).unwrap_or_default())
}

/// Waits until a node that joined has all its files, and waits for the other.
pub(crate) fn await_ready(journey: &Journey<'_>) -> Result<(), LabError> {
    wait_until("the node has all its files", LIMIT, || match node_status(journey)? {
        node if node["role"] == "ready" => Ok(true),
        node => Err(LabError::NotYet(node.to_string())),
    })
}

/// Checks how a program ended: this exit code, three lines at the end, and these words in the cause.
#[track_caller]
pub(crate) fn assert_told(output: &Output, exit: i32, causes: &[&str]) -> ThreeLines {
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(exit), "{stderr}");
    let told = ThreeLines::at_the_end_of(&stderr).unwrap_or_else(|wrong| panic!("{wrong}"));
    for words in causes {
        assert!(told.cause.contains(words), "no {words:?} in the cause:\n{stderr}");
    }
    told
}

/// Whether a refused join has sent its question: only then a key may be left, with which the same question is asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    No,
    Yes,
}

/// What is left of a join that was asked and refused.
const PENDING: [&str; 3] = [
    "new /var/lib/pilaster",
    "new /var/lib/pilaster/identity",
    "new /var/lib/pilaster/identity/pending.pem",
];

/// A look at a host that has not joined, to compare with.
pub(crate) struct Untouched<'a> {
    host: &'a Host,
    before: Written,
}

impl<'a> Untouched<'a> {
    #[track_caller]
    pub(crate) fn look(host: &'a Host) -> Self {
        let before = host.written().unwrap_or_else(|error| panic!("{}", error.told()));
        for path in ["/etc/etcd", "/etc/init.d/etcd", "/var/lib/pilaster/identity/current"] {
            assert!(!before.has(path), "the test began with {path}");
        }
        Self { host, before }
    }

    /// Nothing was written on the card but what `asked` allows, and the agent neither runs nor will.
    #[track_caller]
    pub(crate) fn check(&self, asked: Asked) {
        let after = self.host.written().unwrap_or_else(|error| panic!("{}", error.told()));
        let allowed = |line: &String| asked == Asked::Yes && PENDING.contains(&line.as_str());
        let changes = self.before.changes_until(&after);
        let wrong: Vec<_> = changes.into_iter().filter(|line| !allowed(line)).collect();
        assert!(wrong.is_empty(), "half done:\n{}", wrong.join("\n"));
        let agent = self.host.exec(["pidof", "pilaster-agent", "supervise-daemon"]);
        let agent = agent.unwrap_or_else(|error| panic!("{}", error.told()));
        assert!(!agent.status.success(), "the agent runs");
    }
}

/// Runs the join line on `host`: it must be refused with these words in the cause, and leave nothing half done.
#[track_caller]
pub(crate) fn refused(
    journey: &Journey<'_>,
    host: &Host,
    token: &str,
    asked: Asked,
    causes: &[&str],
) -> ThreeLines {
    let untouched = Untouched::look(host);
    let output = journey.join(host, token, &[]).unwrap_or_else(|error| panic!("{}", error.told()));
    let told = assert_told(&output, 1, causes);
    assert_eq!(told.error, "this node cannot join");
    assert!(output.stdout.is_empty(), "{:?}", String::from_utf8_lossy(&output.stdout));
    untouched.check(asked);
    told
}

/// Runs the join line on `host`: it joins, and gets all its files.
#[track_caller]
pub(crate) fn joins(journey: &Journey<'_>, host: &Host, token: &str) {
    let output = journey.join(host, token, &[]).unwrap_or_else(|error| panic!("{}", error.told()));
    assert_joined(journey, host, &output);
}

/// Checks what a join line that worked has said, and that the node gets all its files.
#[track_caller]
pub(crate) fn assert_joined(journey: &Journey<'_>, host: &Host, output: &Output) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{stderr}");
    assert!(stdout.contains(&format!("{NODE} joined x-k3s as 192.168.7.")), "{stdout}");
    let written = host.written().unwrap_or_else(|error| panic!("{}", error.told()));
    assert!(written.has("/etc/runlevels/default/pilaster-agent"));
    assert!(!written.has("/var/lib/pilaster/identity/pending.pem"), "the key that was pending");
    await_ready(journey).unwrap_or_else(|error| panic!("{}", error.told()));
}
