//! Promise 12: cost follows work.
//!
//! Goal: an agent that has nothing to do writes nothing to disk and takes next to no processor
//! time. Method: a node of a healthy cluster is left alone for 20 s, which is four looks of the
//! agent at its node and four questions to etcd (agent: config.rs). What the kernel has counted for
//! the agent's process before and after is compared, and every file on the card but etcd's own. Not
//! here: what an idle node costs the coordinator's store, which `coordinator::rollout` shows.

use std::thread;
use std::time::Duration;

use lab::stage::Stage;
use lab::{Host, LabError, Written};

/// Four of the agent's rounds.
const WATCHED: Duration = Duration::from_secs(20);
/// In hundredths of a second: a quarter of a percent of one processor.
const TICKS_MAX: u64 = 5;

/// What the kernel has counted for a process.
#[derive(Debug)]
struct Counted {
    /// Bytes that it caused to be sent to a disk (proc_pid_io(5)).
    write_bytes: u64,
    /// User and system time (proc_pid_stat(5), 14 and 15).
    ticks: u64,
}

impl Counted {
    fn of(host: &Host, pid: &str) -> Result<Self, LabError> {
        let io = host.exec_ok(["cat", &format!("/proc/{pid}/io")])?;
        let written = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
        let stat = host.exec_ok(["cat", &format!("/proc/{pid}/stat")])?;
        let after_name = stat.rsplit_once(") ").unwrap().1;
        let times = after_name.split(' ').skip(14 - 3).take(2).map(|time| time.parse::<u64>());
        Ok(Self {
            write_bytes: written.unwrap().parse().unwrap(),
            ticks: times.map(Result::unwrap).sum(),
        })
    }
}

/// All files but etcd's own.
fn files(host: &Host) -> Result<Written, LabError> {
    let of_etcd =
        |path: &str| path.starts_with("/var/lib/etcd") || path.starts_with("/var/log/etcd");
    Ok(host.written()?.only(|path| !of_etcd(path)))
}

#[test]
fn promise_12_an_idle_agent_writes_nothing() -> Result<(), LabError> {
    let stage = Stage::formed(1)?.settled()?;
    let host = &stage.hosts()[0];
    let agent = host.pid_of("pilaster-agent")?;
    let (before, files_before) = (Counted::of(host, &agent)?, files(host)?);
    assert!(before.write_bytes > 0, "what it wrote to set the node up would be counted");
    assert!(files_before.has("/var/log/pilaster-agent.log"));

    thread::sleep(WATCHED); // not a wait for a condition: this span is what is measured

    let after = Counted::of(host, &agent)?;
    assert_eq!(after.write_bytes, before.write_bytes, "bytes written to disk");
    assert_eq!(files_before.changes_until(&files(host)?), [""; 0]);
    let ticks = after.ticks - before.ticks;
    lab::report::note(format_args!("an idle agent took {ticks} ticks in {} s", WATCHED.as_secs()));
    assert!(ticks <= TICKS_MAX, "{ticks} ticks in {WATCHED:?}");
    Ok(())
}
