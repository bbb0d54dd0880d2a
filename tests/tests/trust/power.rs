//! Promise 7, for the identity and the leaves: the power is cut at every durable boundary, and at
//! random instants.
//!
//! Method: the host's card is an ext4 of its own, which is stopped without its log being written
//! out: what nobody synced is gone. At each boundary of [`AGENT`] the agent stops itself, the power
//! is cut, the host boots. A join is finished by typing the same line again, if the token is still
//! there; everything else comes right by itself. Never is an identity or a pair damaged.

#![expect(
    clippy::zombie_processes,
    reason = "a test that fails ends its whole lab, these processes too"
)]

use std::hash::{BuildHasher, Hasher, RandomState};
use std::process::Stdio;
use std::time::Duration;

use lab::stage::{LIMIT, Stage};
use lab::{Cards, Host, LabError, wait_until};
use pilaster_common::failpoint::AGENT;

use super::bench::{
    FAILPOINT, apply_for_two, await_all_new, await_connected, join_line, new_card, served,
};

/// Cuts at instants that nobody chose.
const RANDOM_CUTS: u32 = 6;

#[test]
fn power_cut_while_writing_identity() -> Result<(), LabError> {
    let stage = Stage::instrumented(Cards::Images)?;
    let host = &stage.hosts()[0];
    apply_for_two(&stage)?;
    for point in AGENT.iter().filter(|point| point.starts_with("join.")) {
        new_card(&stage, host)?;
        host.exec_ok(["sync"])?; // what the test itself has written
        start(host, point, "join 192.168.7.2:7443 --token-file /root/token")?;
        await_stopped(host, point)?;
        host.cut_power()?;
        host.boot()?;
        if host.exec(["test", "-e", "/root/token"])?.status.success() {
            let again = join_line(host)?.output().expect("runs");
            assert!(again.status.success(), "{point}: the same line again: {again:?}");
        } // else it was erased as the last act of a join that is done
        await_connected(&stage, point)?;
    }
    Ok(())
}

#[test]
fn promise_07_a_renewal_whose_power_is_cut_at_any_instant_ends_right_after_the_boot()
-> Result<(), LabError> {
    let stage = Stage::instrumented(Cards::Images)?;
    let host = &stage.hosts()[0];
    stage.apply_edited("sed -i 's/storage: sdcard/storage: ssd/' x-k3s.yml")?; // elections of a second
    stage.form()?;
    host.exec_ok(["sync"])?;
    for point in AGENT.iter().filter(|point| !point.starts_with("join.")) {
        let before = served(&stage)?;
        host.exec_ok(["rc-service", "pilaster-agent", "stop"])?;
        start(host, point, "run")?;
        await_connected(&stage, point)?;
        stage.ask(["rotate", "--all", "--timeout", "1s"])?;
        await_stopped(host, point)?;
        host.cut_power()?;
        host.boot()?;
        await_all_new(&stage, &before, point)?;
    }
    for cut in 0..RANDOM_CUTS {
        let before = served(&stage)?;
        let mut rotate = stage.coordctl(["rotate", "--all", "--timeout", "2s"]);
        let mut rotate = rotate.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("runs");
        let after = Duration::from_micros(RandomState::new().build_hasher().finish() % 120_000);
        std::thread::sleep(after); // the instant of the cut, and not a wait for something
        host.cut_power()?;
        host.boot()?;
        let _ = rotate.wait(); // it may end for want of time
        await_all_new(&stage, &before, &format!("cut {cut} after {after:?}"))?;
    }
    Ok(())
}

/// Starts the agent with a point armed at which it stops itself. Away from the program that entered
/// the host for it, which would stop too.
fn start(host: &Host, point: &str, words: &str) -> Result<(), LabError> {
    let line = format!(
        "{FAILPOINT}=stop:{point} setsid pilaster-agent {words} </dev/null >/dev/null 2>&1 &"
    );
    host.exec_ok(["sh", "-c", &line]).map(drop)
}

/// Waits until the agent has stopped itself.
fn await_stopped(host: &Host, point: &str) -> Result<(), LabError> {
    wait_until(&format!("{point}: reached"), LIMIT, || {
        let said = host.exec(["ps", "-C", "pilaster-agent", "-o", "stat="])?;
        Ok(String::from_utf8_lossy(&said.stdout).lines().any(|state| state.starts_with('T')))
    })
}
