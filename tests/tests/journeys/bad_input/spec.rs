//! Specs: each mistake is told with the file, and the coordinator keeps what it had.

use std::fs;

use lab::{LabError, Written};

use crate::bench::{NODE, SPEC, assert_told, joins};
use lab::stage::Stage;

/// Specs that are wrong, and what is said of each.
fn wrong_specs() -> Vec<(String, &'static [&'static str])> {
    vec![
        (
            format!("{SPEC}colour: red\n"),
            &["line 7", "\"colour\" is no key of a spec", "7 | colour: red"],
        ),
        (
            SPEC.replace("  - name: x-k3s-m-2", "  - name: x-k3s-m-1"),
            &["line ", "x-k3s-m-1 is a member twice"],
        ),
        (SPEC.replace("edge.huatai.me", "edge"), &["line 2", "\"edge\" has no dot"]),
        (SPEC.replace("edge.huatai.me", "Edge_.me"), &["line 2", "'E' is not allowed"]),
        (SPEC.replace("x-k3s-m-2", "etcd"), &["\"etcd\" is reserved"]),
        (SPEC.replace("x-k3s-m-2", "m.example"), &["\"m.example\" is not one DNS label"]),
        (SPEC.replace("192.168.7.0/24", "192.168.7.0"), &["line 3"]),
        (SPEC.replace("m-2", "m-2\n    address: 10.0.0.1"), &["10.0.0.1", "192.168.7.0/24"]),
        ("cluster: [x\n".into(), &["line "]),
        (String::new(), &["bad.yml: "]),
    ]
}

#[test]
fn a_wrong_spec_is_told_with_its_file_and_changes_nothing() -> Result<(), LabError> {
    let stage = Stage::of(1)?;
    let kept = || Written::below(&stage.workstation().dir().join("coordinator/ca"));
    let before = kept()?;
    assert_told(&stage.ask(["apply", "bad.yml"])?, 1, &["cannot read it: No such file"]);
    for (spec, words) in wrong_specs() {
        stage.workstation().write("bad.yml", &spec)?;
        let told =
            assert_told(&stage.ask(["apply", "bad.yml"])?, 1, &[words, &["bad.yml: "]].concat());
        assert_eq!(told.error, "cannot apply bad.yml");
    }
    let nothing = ["there is no cluster yet"];
    assert_told(&stage.ask(["status"])?, 1, &nothing);
    assert_told(&stage.ask(["enroll", NODE])?, 1, &nothing);
    assert_told(&stage.ask(["env"])?, 1, &nothing);
    assert_eq!(before.changes_until(&kept()?), [""; 0]);

    stage.workstation().write("good.yml", SPEC)?;
    stage.ctl(["apply", "good.yml"])?;
    let token = stage.token(NODE, &[])?;
    for (spec, words) in wrong_specs() {
        stage.workstation().write("bad.yml", &spec)?;
        assert_told(&stage.ask(["apply", "bad.yml"])?, 1, words);
    }
    let same = stage.ask(["apply", "good.yml"])?;
    assert!(String::from_utf8_lossy(&same.stderr).contains("x-k3s is as in good.yml already"));
    joins(&stage, stage.host(NODE), &token)?;

    let told =
        assert_told(&stage.ask(["enroll", NODE])?, 4, &["x-k3s-m-1 has joined x-k3s already"]);
    assert!(told.help.contains("coordctl enroll x-k3s-m-1 --replace"), "{}", told.help);
    Ok(())
}

#[test]
fn init_writes_a_file_once_and_only_one_that_apply_would_take() -> Result<(), LabError> {
    let stage = Stage::of(0)?;
    let folder = stage.workstation().dir();
    let init = |domain, members| {
        let words = ["init", "x-k3s", "--domain", domain, "--members", members];
        stage.ask(words)
    };
    for (domain, members, words) in [
        ("edge", "m-1", "\"edge\" has no dot"),
        ("edge.huatai.me", "m-1,m-1", "m-1 is a member twice"),
        ("edge.huatai.me", "m-1,etcd", "\"etcd\" is reserved"),
        ("edge.huatai.me", "m-1,m-2.example", "\"m-2.example\" is not one DNS label"),
        ("edge.huatai.me", "m-1,", "empty"),
    ] {
        let told = assert_told(&init(domain, members)?, 1, &[words]);
        assert_eq!(told.error, "cannot write a spec");
        assert!(!folder.join("x-k3s.yml").exists());
    }
    assert!(init("edge.huatai.me", "m-1,m-2")?.status.success());
    let first = fs::read(folder.join("x-k3s.yml")).unwrap();
    let told = assert_told(&init("other.example", "m-3")?, 1, &["x-k3s.yml exists"]);
    assert!(told.help.contains("coordctl apply x-k3s.yml"), "{}", told.help);
    assert_eq!(fs::read(folder.join("x-k3s.yml")).unwrap(), first);
    Ok(())
}
