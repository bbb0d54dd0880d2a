//! Processes by id *and* start time, so that one which took over an old id is never mistaken for
//! ours.

use std::fs;
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::error::LabError;
use crate::wait::wait_until;

/// The kernel needs this at most to end a killed process and all of its PID namespace.
const DEATH_LIMIT: Duration = Duration::from_secs(10);

/// One process of this machine, for all time since the machine booted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessId {
    /// Its id outside all lab hosts.
    pub pid: i32,
    /// When it started, in clock ticks since the machine booted: field 22 of /proc/PID/stat.
    start_ticks: u64,
}

impl ProcessId {
    /// This process.
    pub(crate) fn own() -> Self {
        Self::read("/proc/self/stat").first().copied().expect("Linux shows a process its own stat")
    }

    /// The processes whose /proc/PID/stat lines stand in `file`; none where it is missing.
    pub(crate) fn read(file: impl AsRef<Path>) -> Vec<Self> {
        let text = fs::read_to_string(file).unwrap_or_default();
        text.lines().filter_map(|line| Stat::parse(line).map(|stat| stat.id)).collect()
    }

    /// Whether it runs; one that is dead and waits for its parent does not.
    pub fn is_alive(self) -> bool {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        Stat::parse(&text).is_some_and(|stat| stat.id == self && !stat.is_dead)
    }

    /// Ends it with SIGKILL and waits until it is gone.
    pub(crate) fn kill(self) -> Result<(), LabError> {
        if self.is_alive() {
            // It may end between the look and the signal; the wait below tells.
            let _ = kill(Pid::from_raw(self.pid), Signal::SIGKILL);
        }
        wait_until(
            &format!("the end of process {}", self.pid),
            DEATH_LIMIT,
            || Ok(!self.is_alive()),
        )
    }
}

struct Stat {
    id: ProcessId,
    is_dead: bool,
}

impl Stat {
    /// `PID (NAME) STATE …`, where NAME may hold spaces and brackets: see proc_pid_stat(5).
    fn parse(line: &str) -> Option<Self> {
        let (pid, rest) = line.split_once(" (")?;
        let mut fields = rest.rsplit_once(") ")?.1.split(' ');
        let is_dead = matches!(fields.next()?, "Z" | "X");
        let start_ticks = fields.nth(22 - 4)?.parse().ok()?;
        Some(Self { id: ProcessId { pid: pid.parse().ok()?, start_ticks }, is_dead })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_not_another_one_with_its_id() {
        let own = ProcessId::own();
        assert_eq!(own.pid, i32::try_from(std::process::id()).unwrap());
        assert!(own.is_alive());
        assert!(!ProcessId { start_ticks: own.start_ticks + 1, ..own }.is_alive());
    }

    #[test]
    fn names_with_brackets_do_not_confuse() {
        let line =
            "42 (a) b) (c) Z 1 1 1 0 -1 4194560 82 0 1 0 0 0 0 0 20 0 1 0 103086 2654208 380";
        let stat = Stat::parse(line).unwrap();
        assert_eq!(stat.id, ProcessId { pid: 42, start_ticks: 103_086 });
        assert!(stat.is_dead);
    }
}
