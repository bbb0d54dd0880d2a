//! The coordinator: another one than the token's, one that cannot be reached, one that comes up
//! late.

use std::fs::{self, File};
use std::process::Stdio;

use lab::{LabError, wait_until};

use crate::bench::{
    Asked, LIMIT, NODE, Untouched, assert_joined, assert_told, begin_with_spec, joins, one_invited,
};

/// What `join` says before each pause.
const RETRY: &str = "; trying again in ";

/// The pauses that `join` has announced, in seconds.
fn pauses<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<f64> {
    let pause = |line: &str| line.split(RETRY).nth(1)?.strip_suffix(" s")?.parse().ok();
    lines.into_iter().filter_map(pause).collect()
}

#[test]
fn promise_03_another_coordinator_than_the_one_that_made_the_token_is_refused()
-> Result<(), LabError> {
    let (stage, token) = one_invited()?;
    let host = stage.host(NODE);
    let socket = stage.dir().join("other.sock");
    let mut other = stage.workstation().command(["pilaster-coordinator", "--state", "other"]);
    other.args(["--listen", "0.0.0.0:7444", "--socket"]).arg(&socket);
    let log = stage.dir().join("other.log");
    let mut other = other.stdin(Stdio::null()).stderr(File::create(&log).unwrap()).spawn().unwrap();
    wait_until("the other coordinator listens", LIMIT, || {
        Ok(fs::read_to_string(&log).unwrap().contains("agents dial 192.168.7.2:7444"))
    })?;

    let untouched = Untouched::look(host)?;
    let output = stage.join_at(host, "192.168.7.2:7444", &token, &[])?;
    let words = ["the coordinator at 192.168.7.2:7444 is not the one that made this token"];
    let told = assert_told(&output, 1, &words);
    assert!(told.help.contains("check the address"), "{}", told.help);
    assert!(told.before.is_empty(), "it was not tried again: {:?}", told.before);
    untouched.check(Asked::No)?;
    other.kill().unwrap();
    other.wait().unwrap();

    joins(&stage, host, &token)
}

#[test]
fn a_coordinator_that_cannot_be_reached_is_tried_again_with_pauses_that_are_said()
-> Result<(), LabError> {
    let (stage, token) = one_invited()?;
    let host = stage.host(NODE);
    stage.kill_coordinator();

    let untouched = Untouched::look(host)?;
    let output = stage.join(host, &token, &["--give-up-after", "3s"])?;
    let words = ["cannot reach the coordinator at 192.168.7.2:7443 for 3 s", "refused"];
    let told = assert_told(&output, 3, &words);
    assert!(told.help.contains("the token stays good"), "{}", told.help);
    let said = pauses(told.before.iter().map(String::as_str));
    assert!(said.len() >= 2 && said.len() == told.before.len(), "{:?}", told.before);
    assert!(said.iter().sum::<f64>() <= 3.1, "{said:?}"); // each is rounded to a tenth
    untouched.check(Asked::No)?;

    stage.start_coordinator()?;
    joins(&stage, host, &token)
}

#[test]
fn a_coordinator_that_comes_up_late_is_joined_by_a_retry() -> Result<(), LabError> {
    let stage = begin_with_spec(1)?;
    let host = stage.host(NODE);
    host.write("/root/token", stage.token(NODE, &[])?, 0o600)?;
    stage.kill_coordinator();

    let log = stage.dir().join("join.log");
    let words = ["pilaster-agent", "join", "192.168.7.2:7443", "--token-file", "/root/token"];
    let mut join = host.command(words)?;
    let join = join.stdout(Stdio::piped()).stderr(File::create(&log).unwrap()).spawn().unwrap();
    wait_until("two retries", LIMIT, || {
        Ok(pauses(fs::read_to_string(&log).unwrap().lines()).len() >= 2)
    })?;
    stage.start_coordinator()?;
    let mut output = join.wait_with_output().unwrap();
    output.stderr = fs::read(&log).unwrap();
    assert_joined(&stage, host, &output)
}

#[test]
fn a_name_that_leads_nowhere_is_a_coordinator_that_cannot_be_reached() -> Result<(), LabError> {
    let (stage, token) = one_invited()?;
    let host = stage.host(NODE);
    let untouched = Untouched::look(host)?;
    let give_up = ["--give-up-after", "1s"];
    let output = stage.join_at(host, "nowhere.invalid:7443", &token, &give_up)?;
    assert_told(&output, 3, &["cannot reach the coordinator at nowhere.invalid:7443"]);
    untouched.check(Asked::No)
}
