//! Promise 7: whole files only, and only when their content changes.
//!
//! Goal: whoever starts again replaces nothing that is right already. (That a replaced file is
//! whole is shown by `common::atomic_file`, and that one PEM holds chain and key by
//! `journeys::formation`.) Method: a cluster of one node. Of everything that was ever written on
//! the node's card, inode, time of change, owner, mode and content are compared before and after
//! the agent, then the coordinator is started again, each time once that has looked at everything.
//! At the end a change that does touch one file shows that the comparison sees it.

use lab::stage::{LIMIT, Stage};
use lab::{Host, LabError, Written, wait_until};

/// What other programs than Pilaster's write.
const OTHERS: [&str; 3] = ["/var/lib/etcd", "/var/log", "/root"];
/// The highest epoch that was accepted: a coordinator that starts again begins another.
const ACCEPTED: &str = "/var/lib/pilaster/accepted.json";

/// Everything that Pilaster keeps on the node.
fn kept(host: &Host) -> Result<Written, LabError> {
    let ours = |path: &str| !OTHERS.iter().any(|other| path.starts_with(other));
    Ok(host.written()?.only(ours))
}

/// How often the agent has found everything in place since it was installed.
fn times_in_place(host: &Host) -> Result<usize, LabError> {
    let log = host.exec_ok(["cat", "/var/log/pilaster-agent.log"])?;
    Ok(log.lines().filter(|line| line.ends_with(" is in place")).count())
}

fn epoch(host: &Host) -> Result<u64, LabError> {
    let accepted: serde_json::Value =
        serde_json::from_str(&host.exec_ok(["cat", ACCEPTED])?).unwrap();
    Ok(accepted["epoch"].as_u64().unwrap())
}

#[test]
fn promise_07_who_starts_again_replaces_nothing_that_is_right() -> Result<(), LabError> {
    let stage = Stage::formed(1)?.settled()?;
    let host = &stage.hosts()[0];
    let before = kept(host)?;
    for path in
        ["/etc/etcd/server.pem", "/etc/hosts", "/etc/init.d/etcd", "/etc/conf.d/etcd", ACCEPTED]
    {
        assert!(before.has(path), "{path} would not be compared");
    }

    let looks = times_in_place(host)?;
    host.exec_ok(["rc-service", "pilaster-agent", "restart"])?;
    wait_until("the agent has looked at everything", LIMIT, || Ok(times_in_place(host)? > looks))?;
    assert_eq!(before.changes_until(&kept(host)?), [""; 0], "the agent started again");

    let authorities = stage.workstation().dir().join("coordinator/ca");
    let (of_coordinator, first) = (Written::below(&authorities)?, epoch(host)?);
    assert!(of_coordinator.has("/control-g1.pem"), "it would not be compared");
    stage.kill_coordinator();
    stage.start_coordinator()?;
    stage.await_healthy()?;
    wait_until("the new epoch is accepted", LIMIT, || Ok(epoch(host)? > first))?;
    let changes = before.changes_until(&kept(host)?);
    assert_eq!(changes, [format!("other content: {ACCEPTED}")], "the coordinator started again");
    assert_eq!(of_coordinator.changes_until(&Written::below(&authorities)?), [""; 0]);

    let spec = stage.workstation().read("x-k3s.yml")?.replace("\nnames: hosts", "\nnames: dns");
    stage.workstation().write("x-k3s.yml", &spec)?;
    stage.ctl(["apply", "x-k3s.yml"])?;
    let block = || host.exec_ok(["grep", "-c", "pilaster: begin", "/etc/hosts"]);
    wait_until("the block is gone", LIMIT, || Ok(block().is_err()))?;
    wait_until("just that is seen", LIMIT, || {
        let changes = before.changes_until(&kept(host)?);
        let both = ["other content: /etc/hosts".to_owned(), format!("other content: {ACCEPTED}")];
        if changes == both { Ok(true) } else { Err(LabError::NotYet(changes.join("; "))) }
    })
}
