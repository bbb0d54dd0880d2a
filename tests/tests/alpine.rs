//! The hosts that the user has: Alpine, with busybox, musl, OpenRC 0.63 and etcd 3.6.
//!
//! Method: as in the tests of Debian hosts, from the boot to the whole journey with every check of
//! the hand procedure. Guards promise 1 (the search for keys) and promise 4 (clients on the peer
//! port) on Alpine. Without Go there is no etcd 3.6: then these tests say loudly that they did not
//! run, and fail in CI.
#![expect(clippy::unwrap_used, reason = "a test ends where something is not as it should be")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use lab::journey::checks;
use lab::stage::Stage;
use lab::{Binaries, Host, Lab, LabError, Root};

/// What Alpine's own services have changed of the machine once: its /dev (mode, size, and what `df`
/// shows), its kernel's settings.
fn machine() -> Vec<String> {
    let mut facts = Vec::new();
    for path in ["/dev", "/dev/null", "/dev/shm", "/dev/pts"] {
        let metadata = fs::metadata(path).unwrap();
        let (mode, device) = (metadata.permissions().mode(), metadata.dev());
        facts.push(format!("{path} {mode:o} {device}"));
        let space = size_of(path);
        facts.push(format!("{path} {space} bytes in all"));
    }
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let others = |line: &&str| !line.contains(" /run/netns"); // labs that stand beside this one
    facts.extend(mounts.lines().filter(others).map(str::to_owned));
    for key in ["panic", "printk", "hostname", "panic_on_oops"] {
        let value = fs::read_to_string(format!("/proc/sys/kernel/{key}"));
        facts.push(format!("{key} {value:?}"));
    }
    facts
}

fn assert_is_alpine(host: &Host) -> Result<(), LabError> {
    let release = host.exec_ok(["cat", "/etc/alpine-release"])?;
    assert!(release.starts_with("3.23."), "{release}");
    assert_eq!(host.exec_ok(["cat", "/run/openrc/softlevel"])?, "default");
    let address = host.exec_ok(["ip", "address", "show", "eth0"])?;
    assert!(address.contains(&format!("inet {}/24", host.address())), "{address}");
    assert_eq!(host.exec_ok(["hostname"])?.trim(), host.name());
    let etcd = host.exec_ok(["etcd", "--version"])?;
    assert!(etcd.starts_with("etcd Version: 3.6."), "{etcd}");
    assert!(host.exec_ok(["openrc", "--version"])?.contains("0.63"));
    Ok(())
}

#[test]
fn an_alpine_host_boots_to_its_default_runlevel_and_changes_nothing_of_the_machine()
-> Result<(), LabError> {
    let test = "an_alpine_host_boots_to_its_default_runlevel_and_changes_nothing_of_the_machine";
    let before = machine();
    let Some(lab) = Lab::with_etcd_3_6(&[Root::Alpine], test)? else { return Ok(()) };
    let host = lab.host("x-k3s-m-1");
    assert_is_alpine(host)?;
    let crashed = host.exec(["rc-status", "--crashed"])?; // exit code 1: there is none
    assert_eq!((crashed.status.code(), crashed.stdout), (Some(1), vec![]));
    let console = fs::read_to_string(host.console_file()).unwrap();
    assert!(console.contains("OpenRC 0.63 is starting up"), "{console}");
    assert!(!console.contains("[ !! ]") && !console.contains("needs non existent"), "{console}");
    for vendors in ["/usr/local/bin/quicksand-guest-agent", "/home/quicksand", "/lib/modules"] {
        assert!(!host.exec(["test", "-e", vendors])?.status.success(), "{vendors}");
    }
    host.kill()?;
    host.boot()?;
    assert_eq!(before, machine());
    Ok(())
}

/// The host for 64-bit ARM cannot stand where the kernel has no `binfmt_misc`: then the error says
/// so. The machine has no mount and no entry of the lab's afterwards.
#[test]
fn an_alpine_host_for_aarch64_boots_in_an_emulator_which_goes_with_it() -> Result<(), LabError> {
    let test = "an_alpine_host_for_aarch64_boots_in_an_emulator_which_goes_with_it";
    let before = machine();
    let Some(lab) = Lab::with_etcd_3_6(&[Root::AlpineAarch64], test)? else { return Ok(()) };
    let host = lab.host("x-k3s-m-1");
    assert_is_alpine(host)?;
    assert_eq!(host.exec_ok(["uname", "-m"])?.trim(), "aarch64");
    let etcd = fs::read(host.path("/usr/bin/etcd")).unwrap();
    assert_eq!(u16::from_le_bytes([etcd[18], etcd[19]]), 183, "no program for 64-bit ARM"); // EM_AARCH64, elf(5)
    lab.down()?;
    assert_eq!(before, machine());
    Ok(())
}

#[test]
fn promise_01_promise_04_three_alpine_hosts_become_a_healthy_cluster() -> Result<(), LabError> {
    let test = "promise_01_promise_04_three_alpine_hosts_become_a_healthy_cluster";
    let Some(lab) = Lab::with_etcd_3_6(&[Root::Alpine; 3], test)? else { return Ok(()) };
    let stage = Stage::begin(lab, &Binaries::build()?)?;
    stage.apply()?;
    stage.form()?;
    let status = stage.ctl(["status"])?;
    assert!(status.contains("3 of 3 members healthy") && status.contains("3.6."), "{status}");
    for host in stage.hosts() {
        assert_service(host)?;
    }

    checks::assert_all_right(&stage)
}

/// etcd runs as its own user below its supervisor, at each boot, from files that are Pilaster's and
/// not the package's.
fn assert_service(host: &Host) -> Result<(), LabError> {
    let etcd = host.pid_of("etcd")?;
    let status = host.exec_ok(["cat", &format!("/proc/{etcd}/status")])?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.split_whitespace().next()).unwrap_or_default().to_owned()
    };
    assert_eq!(host.exec_ok(["id", "-u", "etcd"])?.trim(), field("Uid:"));
    let parent = host.exec_ok(["cat", &format!("/proc/{}/comm", field("PPid:"))])?;
    assert_eq!(parent.trim(), "supervise-daemo"); // 15 characters, as the kernel has it
    for service in ["etcd", "pilaster-agent"] {
        host.exec_ok(["test", "-e", &format!("/etc/runlevels/default/{service}")])?;
        host.exec_ok(["rc-service", service, "status"])?;
    }
    let files =
        host.exec_ok(["stat", "-c", "%U:%G %a", "/var/lib/etcd", "/etc/etcd/server.pem"])?;
    assert_eq!(files, "etcd:etcd 700\netcd:etcd 600\n");
    let conf = host.exec_ok(["cat", "/etc/etcd/conf.yml"])?;
    assert!(conf.contains("https://") && !conf.contains("'default'"), "{conf}");
    Ok(())
}

/// The size of the file system that holds `path`.
fn size_of(path: &str) -> String {
    let df = std::process::Command::new("df").args(["--output=size", path]).output().unwrap();
    String::from_utf8(df.stdout).unwrap().lines().last().unwrap_or_default().trim().to_owned()
}

#[test]
fn debian_and_alpine_hosts_stand_in_one_lab_and_reach_each_other() -> Result<(), LabError> {
    let test = "debian_and_alpine_hosts_stand_in_one_lab_and_reach_each_other";
    let roots = [Root::Debian, Root::Alpine, Root::Alpine];
    let Some(lab) = Lab::with_etcd_3_6(&roots, test)? else { return Ok(()) };
    let [debian, first, second] = lab.hosts() else { panic!("three hosts") };
    assert!(debian.exec(["test", "-e", "/etc/debian_version"])?.status.success());
    for host in [first, second] {
        assert_is_alpine(host)?;
    }
    for (from, to) in [(debian, first), (first, second), (second, debian)] {
        from.exec_ok(["busybox", "ping", "-c", "1", "-W", "1", &to.address().to_string()])?;
    }
    for (host, module) in [(debian, "glibc"), (first, "musl")] {
        let has = host.exec(["test", "-e", "/lib/ld-musl-x86_64.so.1"])?.status.success();
        assert_eq!(has, module == "musl", "{}", host.name());
    }
    Ok(())
}
