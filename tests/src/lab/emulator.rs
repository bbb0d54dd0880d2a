//! Runs programs for 64-bit ARM: the kernel hands them to qemu, which Debian has, by an entry in its `binfmt_misc`.
//!
//! The entry is the machine's, not a host's: it is made with the first host that needs it, and goes with the last. One that was there
//! before is used, and left. With the flag `F` the kernel keeps qemu open itself, so no host needs to have it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::architecture::Architecture;
use super::id::CACHE_DIR;
use super::journal::{Journal, all_ids, lock};
use super::sweep::remove_tree;
use crate::command::{line_of, output_ok};
use crate::error::{LabError, at};
use crate::report;

const QEMU: &str = "qemu-aarch64-static";
/// The first twenty bytes of a program for 64-bit ARM (ELF, 64 bits, little endian, type 2 or 3, machine 183), and which of their bits
/// count: see elf(5).
const RECOGNISED: &str = r":M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:";
/// Does `$1` to the entry: `add` with the interpreter `$2` unless there is one already, or `remove`. `binfmt_misc` is mounted in a mount
/// namespace of its own, so that the machine has no mount that it had not.
const SCRIPT: &str = r#"
set -eu
name=pilaster-lab-aarch64
folder=/proc/sys/fs/binfmt_misc
[ -e $folder/register ] || mount -t binfmt_misc binfmt_misc $folder
case $1 in
add)
    for entry in $folder/*; do
        if [ "$(head -n 1 "$entry" 2>/dev/null)" = enabled ] && grep -q '^flags:.*F' "$entry" &&
            grep -q '^magic 7f454c460201010000000000000000000200b700$' "$entry"; then exit 0; fi
    done
    printf '%s' ":$name$3$2:F" >$folder/register
    ;;
remove) [ ! -e $folder/$name ] || echo -1 >$folder/$name ;;
esac
"#;

/// Lets this machine run programs for `architecture`. The lab that needs it has a journal by now.
///
/// # Errors
/// qemu cannot be fetched, or the kernel does not take the entry: with why.
pub(crate) fn enable(architecture: Architecture) -> Result<(), LabError> {
    if architecture.is_this_machines() {
        return Ok(());
    }
    let _among_all_runs = lock(folder())?;
    let qemu = ensure_qemu()?;
    on_entry(&["add", &qemu.to_string_lossy(), RECOGNISED])
}

/// Takes the entry away, if it is the lab's and no lab that stands has a host that needs it.
///
/// # Errors
/// The kernel does not let it go.
pub(crate) fn disable_unless_needed() -> Result<(), LabError> {
    if !folder().exists() {
        return Ok(()); // never enabled by a lab
    }
    let _among_all_runs = lock(folder())?;
    for id in all_ids()? {
        let Ok(journal) = Journal::load(&id) else { return Ok(()) }; // it may need it
        let hosts = journal.iter().flat_map(|journal| &journal.hosts);
        if hosts.into_iter().any(|host| !host.root.architecture().is_this_machines()) {
            return Ok(());
        }
    }
    on_entry(&["remove"])
}

fn on_entry(words: &[&str]) -> Result<(), LabError> {
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", SCRIPT, "binfmt"]).args(words);
    output_ok(&mut command, format!("binfmt_misc: {}", words.join(" ")))
        .map(drop)
        .map_err(|source| LabError::NoEmulator { source: Box::new(source) })
}

/// Takes qemu out of Debian's package. It is not installed: that would register more than the lab needs.
fn ensure_qemu() -> Result<PathBuf, LabError> {
    let qemu = folder().join(QEMU);
    if qemu.exists() {
        return Ok(qemu);
    }
    let work = folder().join("work");
    remove_tree(&work)?; // of a run that died
    fs::create_dir_all(&work).map_err(at("make", &work))?;
    let script = "[ -n \"$(apt-cache policy qemu-user-static)\" ] || apt-get --quiet update\n\
                  apt-get --quiet -o APT::Sandbox::User=root download qemu-user-static && dpkg-deb -x ./*.deb .";
    let mut command = Command::new("sh");
    command.args(["-c", script]).current_dir(&work);
    let line = line_of(&command);
    report::step("the emulator is fetched", || output_ok(&mut command, line))?;
    fs::rename(work.join("usr/bin").join(QEMU), &qemu).map_err(at("make", &qemu))?;
    remove_tree(&work)?;
    Ok(qemu)
}

fn folder() -> PathBuf {
    Path::new(CACHE_DIR).join("emulator")
}
