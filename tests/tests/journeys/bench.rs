//! Hosts that are ready to join, a coordinator that knows them, and what may be left of a join that
//! was refused.

use std::process::Output;
use std::time::Duration;

use lab::journey::ThreeLines;
use lab::stage::Stage;
use lab::{Host, LabError, Written, wait_until};

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

/// The coordinator runs with [`SPEC`], the agent is installed on each host.
pub(crate) fn begin_with_spec(hosts: usize) -> Result<Stage, LabError> {
    let stage = Stage::of(hosts)?;
    apply(&stage, SPEC)?;
    Ok(stage)
}

/// The same with [`NODE`] alone, and a token for it.
pub(crate) fn one_invited() -> Result<(Stage, String), LabError> {
    let stage = begin_with_spec(1)?;
    let token = stage.token(NODE, &[])?;
    Ok((stage, token))
}

/// Writes a spec and applies it.
pub(crate) fn apply(stage: &Stage, spec: &str) -> Result<(), LabError> {
    stage.workstation().write("x-k3s.yml", spec)?;
    stage.ctl(["apply", "x-k3s.yml"]).map(drop)
}

/// Waits until a node that joined has all its files, and waits for the other.
pub(crate) fn await_ready(stage: &Stage) -> Result<(), LabError> {
    wait_until("the node has all its files", LIMIT, || match stage.node(NODE)? {
        node if node["role"] == "ready" => Ok(true),
        node => Err(LabError::NotYet(node.to_string())),
    })
}

/// Checks how a program ended: this exit code, three lines at the end, and these words in the
/// cause.
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

/// Whether a refused join has sent its question: only then a key may be left, with which the same
/// question is asked again.
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
    pub(crate) fn look(host: &'a Host) -> Result<Self, LabError> {
        let before = host.written()?;
        for path in ["/etc/etcd", "/etc/init.d/etcd", "/var/lib/pilaster/identity/current"] {
            assert!(!before.has(path), "the test began with {path}");
        }
        Ok(Self { host, before })
    }

    /// Nothing was written on the card but what `asked` allows, and the agent neither runs nor
    /// will.
    #[track_caller]
    pub(crate) fn check(&self, asked: Asked) -> Result<(), LabError> {
        let after = self.host.written()?;
        let allowed = |line: &String| asked == Asked::Yes && PENDING.contains(&line.as_str());
        let changes = self.before.changes_until(&after);
        let wrong: Vec<_> = changes.into_iter().filter(|line| !allowed(line)).collect();
        assert!(wrong.is_empty(), "half done:\n{}", wrong.join("\n"));
        let agent = self.host.exec(["pidof", "pilaster-agent", "supervise-daemon"])?;
        assert!(!agent.status.success(), "the agent runs");
        Ok(())
    }
}

/// Runs the join line on `host`: it must be refused with these words in the cause, and leave
/// nothing half done.
#[track_caller]
pub(crate) fn refused(
    stage: &Stage,
    host: &Host,
    token: &str,
    asked: Asked,
    causes: &[&str],
) -> Result<ThreeLines, LabError> {
    let untouched = Untouched::look(host)?;
    let output = stage.join(host, token, &[])?;
    let told = assert_told(&output, 1, causes);
    assert_eq!(told.error, "this node cannot join");
    assert!(output.stdout.is_empty(), "{:?}", String::from_utf8_lossy(&output.stdout));
    untouched.check(asked)?;
    Ok(told)
}

/// Runs the join line on `host`: it joins, and gets all its files.
#[track_caller]
pub(crate) fn joins(stage: &Stage, host: &Host, token: &str) -> Result<(), LabError> {
    let output = stage.join(host, token, &[])?;
    assert_joined(stage, host, &output)
}

/// Checks what a join line that worked has said, and that the node gets all its files.
#[track_caller]
pub(crate) fn assert_joined(stage: &Stage, host: &Host, output: &Output) -> Result<(), LabError> {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{stderr}");
    assert!(stdout.contains(&format!("{NODE} joined x-k3s as 192.168.7.")), "{stdout}");
    let written = host.written()?;
    assert!(written.has("/etc/runlevels/default/pilaster-agent"));
    assert!(!written.has("/var/lib/pilaster/identity/pending.pem"), "the key that was pending");
    await_ready(stage)
}
