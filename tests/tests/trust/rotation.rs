//! Promise 6: renewing a leaf restarts nothing and fails no request.
//!
//! Method: a writer that knows all endpoints keeps a history while every certificate of every node is replaced; the history is judged, the
//! process ids and the served serials are compared. And one node's leaves are replaced again and again while both of its ports are
//! dialled without end. `lab prove renewals` is the long form of the second.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use lab::journey::{Journey, keys};
use lab::load::judge::{History, judge};
use lab::prove::renewals;
use lab::{Binaries, LabError, wait_until};

/// The program, for what runs on the workstation or on a host.
const LAB: &str = env!("CARGO_BIN_EXE_lab");

/// Long enough for a hundred writes.
const WRITING: Duration = Duration::from_secs(3);

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

    let keys_before = keys::needles(&lab)?;

    let writer = lab::load::write::start(&journey, LAB.as_ref())?;
    let (start, mut rotations) = (Instant::now(), 0);
    while rotations < 3 || start.elapsed() < WRITING {
        journey.ctl(["rotate", "--all"])?;
        rotations += 1;
    }
    let history: History = writer.finish()?;

    let wrong = judge(&history);
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(history.writes.len() > 100, "{} writes in {rotations} rotations", history.writes.len());
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
    for needles in [keys_before, keys::needles(&lab)?] {
        let searched = keys::search_for(&lab, &needles)?; // promise 1: all disks, logs and the store
        assert_eq!((searched.keys, searched.missed), (12, vec![]), "what was planted is found");
        assert!(searched.leaks.is_empty(), "{:?}", searched.leaks);
    }
    Ok(())
}

#[test]
fn one_node_is_renewed_again_and_again_while_both_of_its_ports_are_dialled() -> Result<(), LabError>
{
    let proof = renewals::run(20, Duration::ZERO, LAB.as_ref())?;
    assert!(proof.handshakes() > 100, "{proof:?}");
    // etcd reads the file twice for each handshake, for the certificate and for the key: one that falls between the two fails
    assert!(proof.counts.failed.iter().all(|why| why.contains("InternalError")), "{proof:?}");
    assert!(proof.counts.failed.len() <= 5, "{proof:?}");
    assert_eq!(proof.restarts, 0);
    Ok(())
}

#[test]
fn a_leaf_is_renewed_by_itself_when_its_time_has_come() -> Result<(), LabError> {
    let (lab, binaries) = (hosts(1)?, Binaries::build()?);
    let journey = Journey::begin(&lab, &binaries)?;
    journey.ctl(["init", "x-k3s", "--domain", "edge.huatai.me", "--members", "x-k3s-m-1"])?;
    let append = "echo 'certificates: {leaf: 60s, autonomy: 50s, identity: 30s}' >>x-k3s.yml";
    lab.workstation().exec_ok(["sh", "-c", append])?;
    journey.ctl(["apply", "x-k3s.yml"])?;
    journey.form()?;
    let (before, pid) = (served(&journey)?, etcd_pid(&lab.hosts()[0])?);
    assert_eq!(before.len(), 4, "{before:?}");
    wait_until("the leaves and the identity are new", LIMIT, || {
        let now = served(&journey)?;
        let is_new =
            |(old, new): (&(String, String, String), &(String, String, String))| old.2 != new.2;
        Ok(now.len() == 4 && before.iter().zip(&now).all(is_new))
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
