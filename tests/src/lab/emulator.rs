//! qemu, which runs a host's programs for 64-bit ARM on this machine: the kernel hands them over by
//! an entry in `binfmt_misc`.
//!
//! The host makes the entry as it boots (`boot.sh`), in a `binfmt_misc` that only it mounts: the
//! entry goes with the last such host, and the machine has no mount that it had not. An entry that
//! the machine had before is used as it is. With the flag `F` the kernel keeps qemu open itself, so
//! no host needs to have it. Where the machine itself has `binfmt_misc` mounted and no entry, the
//! lab's stays there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::architecture::Architecture;
use super::id::CACHE_DIR;
use super::journal::lock;
use super::sweep::remove_tree;
use crate::command::{line_of, output_ok};
use crate::error::{LabError, at};
use crate::report;

const AARCH64: &str = "qemu-aarch64-static";
const ARMV7: &str = "qemu-arm-static";

/// Where the emulator for `architecture` is; fetched now if it is not there. `None` where this
/// machine needs none.
///
/// # Errors
/// It cannot be fetched.
pub(crate) fn ensure(architecture: Architecture) -> Result<Option<PathBuf>, LabError> {
    if architecture.is_this_machines() {
        return Ok(None);
    }
    ensure_program(AARCH64).map(Some)
}

/// The emulator for 32-bit ARM, of which there are no hosts: for a program of its own.
///
/// # Errors
/// It cannot be fetched.
pub(crate) fn ensure_armv7() -> Result<PathBuf, LabError> {
    ensure_program(ARMV7)
}

fn ensure_program(name: &str) -> Result<PathBuf, LabError> {
    let folder = Path::new(CACHE_DIR).join("emulator");
    let qemu = folder.join(name);
    if !qemu.exists() {
        let _among_all_runs = lock(&folder)?;
        if !qemu.exists() {
            // else it was fetched while we waited for the lock
            report::step("the emulator is fetched", || fetch(&folder, name))?;
        }
    }
    Ok(qemu)
}

/// Takes it out of Debian's package. That is not installed: it would register more than the lab
/// needs.
fn fetch(folder: &Path, name: &str) -> Result<(), LabError> {
    let work = folder.join("work");
    remove_tree(&work)?; // of a run that died
    fs::create_dir_all(&work).map_err(at("make", &work))?;
    let script = "[ -n \"$(apt-cache policy qemu-user-static)\" ] || apt-get --quiet update\n\
                  apt-get --quiet -o APT::Sandbox::User=root download qemu-user-static && dpkg-deb -x ./*.deb .";
    let mut command = Command::new("sh");
    command.args(["-c", script]).current_dir(&work);
    let line = line_of(&command);
    output_ok(&mut command, line)?;
    let qemu = folder.join(name);
    fs::rename(work.join("usr/bin").join(name), &qemu).map_err(at("make", qemu))?;
    remove_tree(&work)
}
