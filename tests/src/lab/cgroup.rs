//! The memory of a host, bounded by a cgroup. Only where a lab asks for it: `nsenter` does not
//! enter it, so each command must.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{LabError, at};

/// The memory cgroup of one host; version 1 or 2, whichever this machine has.
#[derive(Debug, Clone)]
pub(crate) struct Cgroup(PathBuf);

impl Cgroup {
    /// The one called `name`; it need not be there yet.
    pub(crate) fn named(name: &str) -> Self {
        Self(parent().join(name))
    }

    /// Makes it, with room for `limit` bytes and no swap.
    pub(crate) fn create(&self, limit: u64) -> Result<(), LabError> {
        let write = |file: PathBuf, text: &str| fs::write(&file, text).map_err(at("write", file));
        if is_v2() {
            write(parent().join("cgroup.subtree_control"), "+memory")?;
        }
        fs::create_dir(&self.0).map_err(at("make", &self.0))?;
        let file = if is_v2() { "memory.max" } else { "memory.limit_in_bytes" };
        write(self.0.join(file), &limit.to_string())
    }

    /// `program`, which becomes part of this cgroup before it begins.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-c", r#"echo $$ >"$0" && exec "$@""#])
            .arg(self.0.join("cgroup.procs"))
            .arg(program);
        command
    }
}

/// Where the hosts' cgroups are.
pub(crate) fn parent() -> PathBuf {
    Path::new(if is_v2() { "/sys/fs/cgroup" } else { "/sys/fs/cgroup/memory" }).to_owned()
}

fn is_v2() -> bool {
    Path::new("/sys/fs/cgroup/cgroup.controllers").exists()
}
