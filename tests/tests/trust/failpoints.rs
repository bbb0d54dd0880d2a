//! SIGKILL of agent or coordinator at each durable boundary of Join, Renew and the replacing of a
//! leaf: it ends right after a restart.
//!
//! The boundaries are named in the code and listed by `common::failpoint`; each is hit, which the
//! test sees by the signal.

#![expect(
    clippy::zombie_processes,
    reason = "a test that fails ends its whole lab, these processes too"
)]

use std::process::Stdio;

use lab::stage::{LIMIT, Stage};
use lab::{Cards, LabError, wait_until};
use pilaster_common::failpoint::{AGENT, COORDINATOR};

use super::bench::{
    FAILPOINT, apply_for_two, await_all_new, await_connected, join_line, new_card, served,
    was_killed,
};

#[test]
fn a_join_that_is_killed_at_any_boundary_is_finished_by_typing_the_same_line_again()
-> Result<(), LabError> {
    let stage = Stage::instrumented(Cards::Folders)?;
    let host = &stage.hosts()[0];
    apply_for_two(&stage)?;
    for point in AGENT.iter().filter(|point| point.starts_with("join.")) {
        new_card(&stage, host)?;
        let mut join = join_line(host)?;
        let status = join.env(FAILPOINT, point).status().expect("runs");
        assert!(was_killed(status), "{point} was not reached: {status}");
        if host.exec(["test", "-e", "/root/token"])?.status.success() {
            assert!(
                join_line(host)?.status().expect("runs").success(),
                "{point}: the same line again"
            );
        } // else it was erased as the last act of a join that is done
        await_connected(&stage, point)?;
    }
    for point in COORDINATOR.iter().filter(|point| point.starts_with("join.")) {
        new_card(&stage, host)?;
        stage.restart_coordinator_with(FAILPOINT, point)?;
        let mut join = join_line(host)?.stdin(Stdio::null()).spawn().expect("runs");
        let status = stage.coordinator_ended()?;
        assert!(was_killed(status), "{point} was not reached: {status}");
        stage.start_coordinator()?;
        assert!(join.wait().expect("ends").success(), "{point}: the agent tries again by itself");
        await_connected(&stage, point)?;
    }
    Ok(())
}

#[test]
fn a_renewal_that_is_killed_at_any_boundary_ends_right_after_a_restart() -> Result<(), LabError> {
    let stage = Stage::instrumented(Cards::Folders)?;
    stage.apply()?;
    stage.form()?;
    let host = &stage.hosts()[0];
    let etcd = host.pid_of("etcd")?;
    for point in AGENT.iter().filter(|point| !point.starts_with("join.")) {
        let before = served(&stage)?;
        host.exec_ok(["rc-service", "pilaster-agent", "stop"])?;
        let mut agent = host.command(["pilaster-agent", "run"])?;
        let quiet = agent
            .env(FAILPOINT, point)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut agent = quiet.spawn().expect("runs");
        await_connected(&stage, point)?;
        stage.ask(["rotate", "--all", "--timeout", "1s"])?;
        wait_until(point, LIMIT, || Ok(agent.try_wait().expect("waits").is_some()))?;
        let status = agent.wait().expect("ended");
        assert!(was_killed(status), "{point} was not reached: {status}");
        host.exec_ok(["rc-service", "pilaster-agent", "start"])?;
        await_all_new(&stage, &before, point)?;
    }
    for point in COORDINATOR.iter().filter(|point| point.starts_with("renew.")) {
        let before = served(&stage)?;
        stage.restart_coordinator_with(FAILPOINT, point)?;
        await_connected(&stage, point)?;
        stage.ask(["rotate", "--all", "--timeout", "1s"])?;
        let status = stage.coordinator_ended()?;
        assert!(was_killed(status), "{point} was not reached: {status}");
        stage.start_coordinator()?;
        await_all_new(&stage, &before, point)?;
    }
    assert_eq!(host.pid_of("etcd")?, etcd, "etcd went on all the while");
    Ok(())
}
