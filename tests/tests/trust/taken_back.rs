//! A leaf that etcd does not serve is taken back: the pair before lies there again, and both ends
//! say why.
//!
//! Method: etcd is started in a mount namespace of its own, where /etc/etcd is a copy that nobody
//! changes any more. What the agent puts in place it never sees, so that it goes on showing the
//! certificate of before. Started as usual, it shows the new one.

use lab::stage::{LIMIT, Stage};
use lab::{LabError, wait_until};

use super::bench::{await_all_new, served};

#[test]
fn promise_08_a_leaf_that_etcd_does_not_serve_is_taken_back_and_told_on_both_ends()
-> Result<(), LabError> {
    let stage = Stage::formed(1)?;
    let host = &stage.hosts()[0];
    let script = "rc-service etcd stop && cp -a /etc/etcd /var/lib/etcd-frozen && \
                  unshare --mount sh -c 'mount --bind /var/lib/etcd-frozen /etc/etcd && exec rc-service etcd start'";
    host.exec_ok(["sh", "-c", script])?;
    stage.await_healthy()?;
    let (before, pid) = (served(&stage)?, host.pid_of("etcd")?);
    let file = host.exec_ok(["sha256sum", "/etc/etcd/server.pem"])?;

    let refused = stage.ask(["rotate", "--profile", "server", "--timeout", "20s"])?;
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success(), "{said}");
    assert!(said.contains("the new server certificate was taken back"), "{said}");
    assert!(said.contains("etcd goes on showing another certificate"), "{said}");
    let log = host.exec_ok(["cat", "/var/log/pilaster-agent.log"])?;
    assert!(log.contains("the new server certificate was taken back"), "{log}");
    wait_until("the pair before, and no copy of a key", LIMIT, || {
        let left = host.exec_ok(["find", "/etc/etcd", "-name", ".*"])?; // it is tried again now and then
        Ok(host.exec_ok(["sha256sum", "/etc/etcd/server.pem"])? == file && left.trim().is_empty())
    })?;
    assert_eq!(served(&stage)?, before);
    assert_eq!(host.pid_of("etcd")?, pid, "nothing was restarted");

    host.exec_ok(["rc-service", "etcd", "restart"])?;
    stage.ask(["rotate", "--all", "--timeout", "1s"])?;
    await_all_new(&stage, &before, "started as usual")?;
    wait_until("nothing is told any more", LIMIT, || {
        Ok(!stage.ctl(["status"])?.contains("taken back"))
    })
}
