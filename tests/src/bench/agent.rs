//! `lab bench agent`: what the agent costs a Pi: bytes to install, memory, writes to the card and
//! processor time while nothing happens.
//!
//! Method: the agent out of its package on an Alpine host whose card is a file system of its own.
//! It has joined, is connected and has all its files; the cluster's second member never comes, so
//! etcd is held and writes nothing. After the card has come to rest the counters are read (proc(5):
//! `io`, `stat`, `status`; Linux: Documentation/block/stat.rst), and once more after some minutes.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::error::{LabError, at};
use crate::lab::{Cards, Host, Lab, LabOptions, Root};
use crate::packages::{self, Processor};
use crate::stage::Stage;
use crate::wait::wait_until;
use crate::{Binaries, report};

const BINARY_BYTES_MAX: u64 = 3_500_000;
const APK_BYTES_MAX: u64 = 2_000_000;
const RESIDENT_KIB_MAX: u64 = 5 * 1024;
/// In ten minutes: a hundredth of a second each (sysconf(3), `_SC_CLK_TCK`).
const TICKS_MAX: u64 = 10;
/// What was written before reaches the card within 30 s (Linux:
/// Documentation/admin-guide/sysctl/vm.rst, dirty_expire_centisecs); a new file system makes its
/// tables ready in the background meanwhile.
const REST: Duration = Duration::from_secs(40);
const REST_LIMIT: Duration = Duration::from_secs(300);

/// Which packages are made for the figures of size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sizes {
    /// This machine's.
    ThisMachine,
    /// Every one: minutes more for each the first time.
    All,
}

/// Measures and prints.
///
/// # Errors
/// A package cannot be made, or the host does not join.
pub fn agent(minutes: u64, sizes: Sizes) -> Result<(), LabError> {
    for processor in Processor::ALL {
        if processor != Processor::X86_64 && sizes == Sizes::ThisMachine {
            report::line(format_args!("{}: not built; --all builds it too", processor.name()));
            continue;
        }
        let made = packages::agent(processor, 0)?;
        let (binary, apk, deb) = (bytes(&made.binary)?, bytes(&made.apk)?, bytes(&made.deb)?);
        report::line(format_args!(
            "{}: binary {binary} bytes (goal: at most {BINARY_BYTES_MAX}), .apk {apk} bytes (goal: at most {APK_BYTES_MAX}), .deb {deb} bytes",
            processor.name()
        ));
    }
    let lab = Lab::up(LabOptions { cards: Cards::Images, ..LabOptions::on(&[Root::Alpine]) })?;
    let stage = Stage::begin(lab, &Binaries::build()?)?;
    stage.init("x-k3s-m-1,x-k3s-m-2")?; // only one of the two comes
    stage.ctl(["apply", "x-k3s.yml"])?;
    let host = &stage.hosts()[0];
    stage.enroll(host)?.finish()?;
    await_rest(host)?;

    let before = Counters::read(host)?;
    thread::sleep(Duration::from_secs(60 * minutes));
    let after = Counters::read(host)?;
    print(minutes, &before, &after);
    Ok(())
}

fn bytes(path: &Path) -> Result<u64, LabError> {
    Ok(fs::metadata(path).map_err(at("look at", path))?.len())
}

/// Waits until nothing has been written to the card for a while.
fn await_rest(host: &Host) -> Result<(), LabError> {
    host.exec_ok(["sync"])?;
    report::step("the card is at rest", || {
        wait_until("nothing is written to the card", REST_LIMIT, || {
            let before = host.sectors_written()?;
            thread::sleep(REST);
            let written = host.sectors_written()? - before;
            if written == 0 {
                Ok(true)
            } else {
                Err(LabError::NotYet(format!("{written} sectors")))
            }
        })
    })
}

/// The agent's counters, and the card's.
#[derive(Debug)]
struct Counters {
    pid: String,
    resident_kib: u64,
    supervisor_kib: u64,
    /// In user mode and in the kernel.
    ticks: u64,
    /// Caused to be written to storage, and passed to `write`.
    write_bytes: u64,
    wchar: u64,
    sectors: u64,
}

impl Counters {
    fn read(host: &Host) -> Result<Self, LabError> {
        let sectors = host.sectors_written()?; // first: what reads the others is not the agent's
        let pid = host.pid_of("pilaster-agent")?;
        let supervisor = host.exec_ok(["cat", "/run/supervise-pilaster-agent.pid"])?;
        let of = |pid: &str, file| host.exec_ok(["cat", &format!("/proc/{}/{file}", pid.trim())]);
        let (io, stat) = (of(&pid, "io")?, of(&pid, "stat")?);
        // after the name in brackets: the state, which is field 3
        let fields: Vec<&str> =
            stat.rsplit(") ").next().unwrap_or_default().split_whitespace().collect();
        let field = |number: usize| number_in(fields.get(number - 3).copied(), "stat");
        Ok(Self {
            resident_kib: value(&of(&pid, "status")?, "VmRSS:")?,
            supervisor_kib: value(&of(&supervisor, "status")?, "VmRSS:")?,
            ticks: field(14)? + field(15)?,
            write_bytes: value(&io, "write_bytes:")?,
            wchar: value(&io, "wchar:")?,
            sectors,
            pid,
        })
    }
}

fn value(text: &str, name: &str) -> Result<u64, LabError> {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    number_in(line.and_then(|line| line.split_whitespace().next()), name)
}

fn number_in(text: Option<&str>, name: &str) -> Result<u64, LabError> {
    let number = text.and_then(|text| text.parse().ok());
    number.ok_or_else(|| LabError::NotYet(format!("no number for {name}: {text:?}")))
}

fn print(minutes: u64, before: &Counters, after: &Counters) {
    if before.pid != after.pid {
        report::line("the agent was started anew meanwhile: the figures below say nothing");
    }
    report::line(format_args!(
        "memory of the idle, connected agent (x86_64, musl): {} KiB resident (goal: at most {RESIDENT_KIB_MAX}); its supervise-daemon beside it: {} KiB",
        after.resident_kib, after.supervisor_kib
    ));
    report::line(format_args!(
        "in {minutes} idle minutes: {} bytes written by the agent to storage (goal: 0), {} bytes passed to write(2), sockets included; \
         {} sectors of 512 bytes written to the card by the whole host",
        after.write_bytes - before.write_bytes,
        after.wchar - before.wchar,
        after.sectors - before.sectors
    ));
    report::line(format_args!(
        "in {minutes} idle minutes: {} ticks of 10 ms of processor time (goal: at most {TICKS_MAX} in 10 minutes)",
        after.ticks - before.ticks
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_read_from_its_line() {
        let io = "wchar: 12\nwrite_bytes: 4096\ncancelled_write_bytes: 0\n";
        assert_eq!(value(io, "write_bytes:").unwrap(), 4096);
        assert_eq!(value("VmRSS:\t    4321 kB\n", "VmRSS:").unwrap(), 4321);
        assert!(value(io, "rchar:").is_err());
    }
}
