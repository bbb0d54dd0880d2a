//! Promise 6: renewing a leaf restarts nothing and fails no request.
//!
//! Method: a writer that knows all endpoints keeps a history while every certificate of every node
//! is replaced; the history is judged, the process ids and the served serials are compared. And one
//! node's leaves are replaced again and again while both of its ports are dialled without end. `lab
//! prove renewals` is the long form of the second.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use lab::journey::keys;
use lab::load::judge::{History, judge};
use lab::prove::renewals;
use lab::stage::Stage;
use lab::{Lab, LabError};

/// The program, for what runs on the workstation or on a host.
const LAB: &str = env!("CARGO_BIN_EXE_lab");

/// Long enough for a hundred writes.
const WRITING: Duration = Duration::from_secs(3);

use super::bench::{await_all_new, served};

#[test]
fn promise_06_rotating_everything_restarts_nothing_and_fails_no_write() -> Result<(), LabError> {
    let stage = Stage::formed(3)?;
    stage.prepare_workstation()?;
    let before = served(&stage)?;
    assert_eq!(before.len(), 12, "{before:?}");
    assert!(
        before.iter().all(|(_, _, serial)| !serial.is_empty()),
        "all are seen served: {before:?}"
    );
    let pids =
        || stage.hosts().iter().map(|host| host.pid_of("etcd")).collect::<Result<Vec<_>, _>>();
    let pids_before = pids()?;
    let logs_before = etcd_log_lines(&stage)?;

    let keys_before = keys::needles(&stage)?;

    let writer = lab::load::write::start(&stage, LAB.as_ref())?;
    let (start, mut rotations) = (Instant::now(), 0);
    while rotations < 3 || start.elapsed() < WRITING {
        stage.ctl(["rotate", "--all"])?;
        rotations += 1;
    }
    let history: History = writer.finish()?;

    let wrong = judge(&history);
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(history.writes.len() > 100, "{} writes in {rotations} rotations", history.writes.len());
    let tries: Vec<_> = history.writes.iter().flat_map(|write| &write.failed_tries).collect();
    assert!(tries.is_empty(), "not even a first try failed: {tries:?}");
    assert_eq!(pids()?, pids_before, "nothing was restarted");
    let after = served(&stage)?;
    let serials = |all: &[(String, String, String)]| {
        all.iter().map(|(_, _, s)| s.clone()).collect::<BTreeSet<_>>()
    };
    assert!(serials(&before).is_disjoint(&serials(&after)), "each serial is new");
    for host in stage.hosts() {
        let left = host.exec_ok(["find", "/etc/etcd", "-name", ".*"])?;
        assert_eq!(left.trim(), "", "the pairs before are erased");
    }
    assert_eq!(
        rejected(&etcd_log_lines(&stage)?),
        rejected(&logs_before),
        "the proofs leave no line"
    );
    for needles in [keys_before, keys::needles(&stage)?] {
        let searched = keys::search_for(&stage, &needles)?; // promise 1: all disks, logs and the store
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
    // etcd reads the file twice for each handshake, for the certificate and for the key: one that
    // falls between the two fails
    assert!(proof.counts.failed.iter().all(|why| why.contains("InternalError")), "{proof:?}");
    assert!(proof.counts.failed.len() <= 5, "{proof:?}");
    assert_eq!(proof.restarts, 0);
    Ok(())
}

#[test]
fn a_leaf_is_renewed_by_itself_when_its_time_has_come() -> Result<(), LabError> {
    let stage = Stage::of(1)?;
    stage.apply_edited(
        "echo 'certificates: {leaf: 60s, autonomy: 50s, identity: 30s}' >>x-k3s.yml",
    )?;
    stage.form()?;
    let (before, pid) = (served(&stage)?, stage.hosts()[0].pid_of("etcd")?);
    assert_eq!(before.len(), 4, "{before:?}");
    await_all_new(&stage, &before, "by itself")?; // the leaves and the identity
    assert_eq!(stage.hosts()[0].pid_of("etcd")?, pid);
    Ok(())
}

fn etcd_log_lines(lab: &Lab) -> Result<Vec<String>, LabError> {
    let mut lines = Vec::new();
    for host in lab.hosts() {
        lines.extend(host.exec_ok(["cat", "/var/log/etcd/etcd.log"])?.lines().map(str::to_owned));
    }
    Ok(lines)
}

/// Lines with which etcd complains of a connection from the node itself. (Members that dial each
/// other before all run are told so too.)
fn rejected(lines: &[String]) -> usize {
    lines.iter().filter(|line| line.contains("rejected connection")).count()
}
