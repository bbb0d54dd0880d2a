//! Wrong usage, of all three programs; and `coordctl` without a coordinator.

use lab::LabError;

use crate::bench::{Asked, NODE, Untouched, assert_told, begin_with_spec};

#[test]
fn wrong_usage_ends_with_64_and_says_what_is_right() -> Result<(), LabError> {
    let stage = begin_with_spec(1)?;
    let host = stage.host(NODE);
    let untouched = Untouched::look(host)?;
    for (line, words) in [
        ("fly", "\"fly\" is no command"),
        ("run now", "\"now\""),
        ("join", "join wants the ADDRESS"),
        ("join 192.168.7.2:7443", "join wants --token-file"),
        ("join 192.168.7.2 --token-file -", "\"192.168.7.2\" is no host:port"),
        ("join 192.168.7.2:7443 --token-file - --give-up-after soon", "\"soon\" is no span"),
        ("join 192.168.7.2:7443 pj1_a_b_c_d", "pj1_a_b_c_d"), // a token is no argument
    ] {
        let output = host.exec(["pilaster-agent"].into_iter().chain(line.split(' ')))?;
        let told = assert_told(&output, 64, &[words]);
        assert!(told.help.contains("pilaster-agent --help"), "{}", told.help);
    }
    untouched.check(Asked::No)?;
    for (line, words) in [
        ("frobnicate", "'frobnicate'"),
        ("init x-k3s", "--domain <DOMAIN>"),
        ("enroll", "<NODE>"),
        ("enroll x-k3s-m-1 --valid-for 5x", "\"5x\" is no time span"),
        ("status --timeout 5s", "--wait"),
        ("status -o xml", "'xml'"),
    ] {
        assert_told(&stage.ask(line.split(' '))?, 64, &[words]);
    }
    let coordinator = stage.workstation().exec(["pilaster-coordinator", "--listen", "here"])?;
    assert_told(&coordinator, 64, &["'here'"]);
    Ok(())
}

#[test]
fn without_a_coordinator_coordctl_says_how_it_is_started() -> Result<(), LabError> {
    let stage = begin_with_spec(0)?;
    stage.kill_coordinator();
    for words in [
        &["status"][..],
        &["apply", "x-k3s.yml"],
        &["enroll", NODE],
        &["env"],
        &["hosts"],
        &["client", "admin"],
    ] {
        let told = assert_told(&stage.ask(words.iter().copied())?, 3, &["coordinator.sock"]);
        assert!(told.help.contains("pilaster-coordinator"), "{}", told.help);
    }
    assert!(!stage.workstation().dir().join("client.pem").exists(), "nothing half done");
    Ok(())
}
