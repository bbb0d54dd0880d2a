//! What goes wrong with a host: power, SD card, cable.

use super::host::Host;
use super::id::HUB;
use super::sweep::remove_tree;
use crate::command::run;
use crate::error::LabError;

/// A cable, plugged in or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum LinkState {
    Up,
    Down,
}

impl Host {
    /// The crash: all of its processes die at once, and no goodbye reaches the network. What it
    /// wrote stays, synced or not: this is not yet a power cut for the disk. A host that is off
    /// already stays off.
    ///
    /// # Errors
    /// Its PID 1 does not die.
    pub fn kill(&self) -> Result<(), LabError> {
        let Some(pid1) = self.pid1() else { return Ok(()) };
        // The kernel would end its connections politely, and refuse new ones: a dead host does
        // neither.
        let _ = self.ip(["link", "set", "eth0", "down"]);
        pid1.kill()
    }

    /// Power off, and a new SD card: the next boot begins with an empty disk, of the same kind.
    ///
    /// # Errors
    /// As [`Host::kill`]; or the disk cannot be removed.
    pub fn wipe(&self) -> Result<(), LabError> {
        self.kill()?;
        remove_tree(&self.disk())?;
        remove_tree(&self.disk().with_file_name("work"))?;
        if self.has_image() { self.make_image() } else { Ok(()) }
    }

    /// Plugs its cable in, or pulls it, at the switch's end: its eth0 keeps its address and loses
    /// its carrier.
    ///
    /// # Errors
    /// There is no cable: a test has removed eth0.
    pub fn link(&self, state: LinkState) -> Result<(), LabError> {
        let state = match state {
            LinkState::Up => "up",
            LinkState::Down => "down",
        };
        run("ip", ["-n", &self.id.node(HUB), "link", "set", &self.port, state]).map(drop)
    }
}
