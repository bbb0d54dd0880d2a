//! systemd's own judgement of the rendered unit.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use lab::{LabError, report};
use pilaster_common::etcd_conf::{EtcdConf, ServiceManager};
use pilaster_common::node_file::NodeFile;

use crate::confs::{file, kinds};

/// A root with nothing but what the unit names, so that nothing of this machine's is looked at.
fn verify(folder: &std::path::Path, unit: &str) -> Option<(bool, String)> {
    let etc = folder.join("etc/systemd/system");
    let bin = folder.join("usr/bin");
    for folder in [&etc, &bin] {
        fs::create_dir_all(folder).expect("made");
    }
    fs::write(etc.join("etcd.service"), unit).expect("written");
    for (name, text) in [
        ("network-online.target", "[Unit]\n"),
        ("multi-user.target", "[Unit]\n"),
        ("basic.target", "[Unit]\n"),
        ("sysinit.target", "[Unit]\n"),
        ("shutdown.target", "[Unit]\n"),
        ("tmp.mount", "[Mount]\nWhat=tmpfs\nWhere=/tmp\n"),
    ] {
        fs::write(etc.join(name), text).expect("written");
    }
    fs::write(bin.join("etcd"), "#!/bin/sh\n").expect("written");
    fs::set_permissions(bin.join("etcd"), fs::Permissions::from_mode(0o755)).expect("set");
    let root = format!("--root={}", folder.display());
    let output = Command::new("systemd-analyze").args(["verify", &root, "etcd.service"]).output();
    let output = output.ok()?;
    Some((output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned()))
}

#[test]
fn systemd_finds_nothing_in_the_unit_and_finds_what_is_wrong_in_a_broken_one() {
    let folder = std::env::temp_dir().join(format!("pilaster-units-{}", std::process::id()));
    let mut run = false;
    for (_, conf) in ["3.4.23", "3.5.30", "3.7.3"].map(|release| kinds(release)[0].clone()) {
        let conf = EtcdConf { service_manager: ServiceManager::Systemd, ..conf };
        let unit = file(&conf, NodeFile::ServiceScript);
        let Some((good, said)) = verify(&folder, &unit) else { break };
        run = true;
        assert!(good && said.trim().is_empty(), "etcd {}: {said}", conf.version);
        let broken = unit.replace("TimeoutStopSec=60", "TimeoutStopSecs=60");
        let (_, said) = verify(&folder, &broken).expect("it ran before");
        assert!(said.contains("TimeoutStopSecs"), "a misspelt setting is found: {said:?}");
    }
    drop(fs::remove_dir_all(&folder));
    if !run {
        let why = LabError::NotYet(
            "there is no systemd-analyze on this machine: apt-get install systemd".into(),
        );
        assert!(!report::is_ci(), "{why}");
        report::not_run("systemd_finds_nothing_in_the_unit", &why);
    }
}
