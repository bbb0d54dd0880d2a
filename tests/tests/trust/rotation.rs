//! Promise 6: renewing a leaf restarts nothing and fails no request.
//!
//! Method: a writer that knows all endpoints keeps a history while every certificate of every node is replaced; the history is judged, the
//! process ids and the served serials are compared. And one node's leaves are replaced again and again while both of its ports are
//! dialled without end. `lab prove renewals` is the long form of the second.

use std::collections::BTreeSet;

use lab::load::judge::{History, judge};
use lab::prove::renewals;
use lab::{Binaries, LabError, wait_until};

/// The program, for what runs on the workstation or on a host.
const LAB: &str = env!("CARGO_BIN_EXE_lab");

use super::bench::{LIMIT, cluster, etcd_pid, hosts, served};

#[test]
fn promise_06_rotating_everything_restarts_nothing_and_fails_no_write() -> Result<(), LabError> {
    let (lab, binaries) = (hosts(3)?, Binaries::build()?);
    let journey = cluster(&lab, &binaries)?;
    journey.prepare_workstation()?;
    let before = served(&journey)?;
    assert_eq!(before.len(), 12, "{before:?}");
    assert!(
        before.iter().all(|(_, _, serial)| !serial.is_empty()),
        "all are seen served: {before:?}"
    );
    let pids = |lab: &lab::Lab| lab.hosts().iter().map(etcd_pid).collect::<Result<Vec<_>, _>>();
    let pids_before = pids(&lab)?;
    let logs_before = etcd_log_lines(&lab)?;

    let writer = lab::load::write::start(&journey, LAB.as_ref())?;
    for _ in 0..2 {
        journey.ctl(["rotate", "--all"])?;
    }
    let history: History = writer.finish()?;

    let wrong = judge(&history);
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(history.writes.len() > 20, "{} writes", history.writes.len());
    let tries: Vec<_> = history.writes.iter().flat_map(|write| &write.failed_tries).collect();
    assert!(tries.is_empty(), "not even a first try failed: {tries:?}");
    assert_eq!(pids(&lab)?, pids_before, "nothing was restarted");
    let after = served(&journey)?;
    let serials = |all: &[(String, String, String)]| {
        all.iter().map(|(_, _, s)| s.clone()).collect::<BTreeSet<_>>()
    };
    assert!(serials(&before).is_disjoint(&serials(&after)), "each serial is new");
    for host in lab.hosts() {
        let left = host.exec_ok(["find", "/etc/etcd", "-name", ".*"])?;
        assert_eq!(left.trim(), "", "the pairs before are erased");
    }
    assert_eq!(
        rejected(&etcd_log_lines(&lab)?),
        rejected(&logs_before),
        "the proofs leave no line"
    );
    Ok(())
}

#[test]
fn one_node_is_renewed_again_and_again_while_both_of_its_ports_are_dialled() -> Result<(), LabError>
{
    let proof = renewals::run(20, LAB.as_ref())?;
    assert!(proof.handshakes() > 100, "{proof:?}");
    assert_eq!(proof.counts.failed, [""; 0], "{proof:?}");
    assert_eq!(proof.restarts, 0);
    Ok(())
}

#[test]
fn a_leaf_is_renewed_by_itself_when_its_time_has_come() -> Result<(), LabError> {
    let (lab, binaries) = (hosts(1)?, Binaries::build()?);
    let journey = cluster(&lab, &binaries)?;
    let before = served(&journey)?;
    let pid = etcd_pid(&lab.hosts()[0])?;
    // an autonomy that is longer than what the leaves have left: they are due at once
    let append = "echo 'certificates: {leaf: 1000d, autonomy: 400d}' >>x-k3s.yml";
    lab.workstation().exec_ok(["sh", "-c", append])?;
    journey.ctl(["apply", "x-k3s.yml"])?;
    wait_until("the leaves are new", LIMIT, || {
        let now = served(&journey)?;
        let leaves = |all: &[(String, String, String)]| {
            all.iter()
                .filter(|(_, profile, _)| profile != "agent")
                .map(|(_, _, s)| s.clone())
                .collect::<BTreeSet<_>>()
        };
        Ok(leaves(&now).len() == 3 && leaves(&before).is_disjoint(&leaves(&now)))
    })?;
    assert_eq!(etcd_pid(&lab.hosts()[0])?, pid);
    Ok(())
}

fn etcd_log_lines(lab: &lab::Lab) -> Result<Vec<String>, LabError> {
    let mut lines = Vec::new();
    for host in lab.hosts() {
        lines.extend(host.exec_ok(["cat", "/var/log/etcd/etcd.log"])?.lines().map(str::to_owned));
    }
    Ok(lines)
}

/// Lines with which etcd complains of a connection from the node itself. (Members that dial each other before all run are told so too.)
fn rejected(lines: &[String]) -> usize {
    lines.iter().filter(|line| line.contains("rejected connection")).count()
}
