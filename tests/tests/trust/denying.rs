//! Promise 3: a denial holds on every message, and closes what stands within a second.

use std::time::{Duration, Instant};

use lab::stage::{LIMIT, Stage};
use lab::{LabError, wait_until};

use super::bench::{is_connected, join};

#[test]
fn promise_03_deny_closes_stream_under_1s_and_a_denied_node_stays_out() -> Result<(), LabError> {
    let stage = Stage::formed(3)?;
    let denied = &stage.hosts()[2];

    let start = Instant::now();
    let said = stage.ask(["node", "deny", "x-k3s-m-3"])?;
    assert!(said.status.success());
    assert!(String::from_utf8_lossy(&said.stderr).contains("its stream was closed"));
    wait_until("the node knows", Duration::from_secs(1).saturating_sub(start.elapsed()), || {
        Ok(denied.exec_ok(["cat", "/var/log/pilaster-agent.log"])?.contains("this node was denied"))
    })?;
    let list = stage.ctl(["node", "list"])?;
    let row = list.lines().find(|line| line.starts_with("x-k3s-m-3")).unwrap_or_default();
    assert!(row.contains("denied"), "{list}");

    // its etcd goes on; it does not come back by itself, by a restart of the agent, or by a token
    assert_eq!(denied.exec(["rc-service", "etcd", "status"])?.status.code(), Some(0));
    denied.exec_ok(["rc-service", "pilaster-agent", "restart"])?;
    let refused = stage.ask(["enroll", "x-k3s-m-3", "--no-wait"])?;
    assert_eq!(refused.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("x-k3s-m-3 was denied"));
    wait_until("the restarted agent was refused", LIMIT, || {
        let log = denied.exec_ok(["cat", "/var/log/pilaster-agent.log"])?;
        Ok(log.matches("this node was denied").count() >= 2)
    })?;
    let list = stage.ctl(["node", "list"])?;
    assert!(
        !list.lines().any(|line| line.starts_with("x-k3s-m-3") && line.contains(" connected")),
        "{list}"
    );

    // who did it stands in the audit log, beside the joins
    let audit = stage.workstation().exec_ok(["cat", "coordinator/audit.log"])?;
    let mut lines = audit.lines().filter(|line| line.contains(r#""did":"deny""#));
    let asked = lines.next().expect("that it was asked for");
    assert!(asked.contains(r#""result":"asked for""#), "{asked}");
    let line = lines.next().expect("what came of it");
    for part in [
        r#""what":"x-k3s/x-k3s-m-3""#,
        r#""who":"root (uid 0, pid "#,
        r#""before":"let in""#,
        r#""result":"done""#,
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
    assert_eq!(audit.matches(r#""did":"join""#).count(), 3);
    assert!(audit.contains(r#""did":"enroll","what":"x-k3s/x-k3s-m-3","before":"","after":"","result":"x-k3s-m-3 was denied""#), "{audit}");
    Ok(())
}

#[test]
fn expired_identity_ends_stream() -> Result<(), LabError> {
    let stage = Stage::of(1)?;
    stage.apply_edited("echo 'certificates: {identity: 12s}' >>x-k3s.yml")?;
    let host = &stage.hosts()[0];
    join(&stage, host)?;
    // frozen, it cannot renew: its stream ends by the coordinator's clock
    host.exec_ok(["pkill", "-STOP", "-x", "pilaster-agent"])?;
    wait_until("not connected", LIMIT, || Ok(!is_connected(&stage)?))?;
    Ok(())
}
