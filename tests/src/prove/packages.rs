//! `lab prove packages`: the packages for the processors of a Raspberry Pi. Too slow for every test
//! run: two more builds, and emulators.
//!
//! 64-bit ARM: a bare Alpine host of that processor, in an emulator, installs from the signed
//! repository by the line that `coordctl enroll` prints, and becomes a healthy member with an etcd
//! of that processor. 32-bit ARM: the lab has no such host; the program out of that package joins
//! and attaches in an emulator on an x86_64 host.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::error::LabError;
use crate::lab::etcd::EtcdRelease;
use crate::lab::{Architecture, Lab, LabOptions, Root, emulator};
use crate::packages::{self, Processor, TestRepository};
use crate::stage::Stage;
use crate::wait::wait_until;
use crate::{Binaries, report};

/// In an emulator everything takes ten times as long.
const LIMIT: Duration = Duration::from_secs(120);
const QEMU: &str = "/usr/local/bin/qemu-arm-static";
const AGENT: &str = "/usr/local/bin/pilaster-agent-armv7";

/// Proves it, and says what was seen.
///
/// # Errors
/// A package cannot be made, or a host does not get as far as it should.
pub fn run() -> Result<(), LabError> {
    aarch64()?;
    armv7()
}

fn aarch64() -> Result<(), LabError> {
    let agent = packages::agent(Processor::Aarch64, 0)?;
    let etcd = packages::etcd(EtcdRelease::V3_6, Architecture::Aarch64)?;
    let lab = Lab::up(LabOptions::on(&[Root::AlpineAarch64]))?;
    packages::make_bare(&lab.hosts()[0])?;
    let repository = TestRepository::new(&lab.dir().join("packages"), &[&agent.apk, &etcd])?;
    let stage = Stage::begin_bare(lab, Some(&repository.path()))?;
    let host = &stage.hosts()[0];
    stage.apply()?;
    report::step("a bare aarch64 host is a healthy member", || stage.form())?;
    report::line(stage.ctl(["status"])?.trim_end());
    let machine = host.exec_ok(["uname", "-m"])?;
    let installed = host.exec_ok(["sh", "-c", "apk info -v | grep -E '^(pilaster|etcd)'"])?;
    report::line(format_args!("{}: {}", machine.trim(), installed.replace('\n', " ")));
    Ok(())
}

fn armv7() -> Result<(), LabError> {
    let agent = packages::agent(Processor::Armv7, 0)?;
    let qemu = emulator::ensure_armv7()?;
    let lab = Lab::up(LabOptions::on(&[Root::Alpine]))?;
    let stage = Stage::begin(lab, &Binaries::build()?)?;
    let host = &stage.hosts()[0];
    stage.apply()?;
    host.install(&qemu, QEMU, 0o755)?;
    host.install(&agent.binary, AGENT, 0o755)?;
    let line = format!("{QEMU} {AGENT} join 192.168.7.2:7443 --token-file - --no-start");
    let joined = stage.run_line(host, &line, &stage.token(host.name(), &[])?)?;
    if !joined.status.success() {
        return Err(LabError::Failed { line, output: joined });
    }
    report::line(String::from_utf8_lossy(&joined.stdout).trim_end());
    let mut running = start(host.command([QEMU, AGENT, "run"])?)?;
    let mut said = String::new();
    let ready = report::step("the armv7 agent has brought its host to a healthy member", || {
        wait_until("the member is healthy", LIMIT, || {
            let status = stage.ask(["status"])?;
            said = String::from_utf8_lossy(&status.stdout).into_owned();
            if status.status.success() { Ok(true) } else { Err(LabError::NotYet(said.clone())) }
        })
    });
    let _ = running.kill(); // it may have ended already
    let _ = running.wait();
    ready?;
    report::line(said.trim_end());
    Ok(())
}

fn start(mut command: Command) -> Result<Child, LabError> {
    let silent = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    silent.spawn().map_err(|source| LabError::Start { line: format!("{QEMU} {AGENT} run"), source })
}
