//! The root file system under all hosts: Debian trixie with OpenRC and etcd, made once by debootstrap and kept.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use super::id::CACHE_DIR;
use super::journal::lock;
use super::sweep::remove_tree;
use crate::command::run;
use crate::error::{LabError, at};
use crate::report;

const RELEASE: &str = "trixie";
/// What a host has beside Debian's smallest system. `busybox` is its init.
const PACKAGES: &str = "openrc,etcd-server,etcd-client,busybox,iproute2,ca-certificates,procps";
/// Makes a host's root of a plain Debian.
const PREPARE: &str = include_str!("prepare-root.sh");

/// The root file system's folder; made now if it is not there (half a minute and 320 MB, with a note on stderr). Read only, by
/// agreement: every host of every lab stands on it.
///
/// # Errors
/// Debootstrap does not know the release, or cannot fetch it.
pub fn ensure() -> Result<PathBuf, LabError> {
    let root = Path::new(CACHE_DIR).join(format!("debian-{RELEASE}-{:08x}", recipe_hash()));
    if root.exists() {
        return Ok(root);
    }
    let _among_all_runs = lock(CACHE_DIR)?;
    if root.exists() {
        return Ok(root); // made while we waited for the lock
    }
    report::note(format_args!(
        "lab: making the root file system {}: half a minute, once",
        root.display()
    ));
    report::step("root file system made", || build(&root))?;
    Ok(root)
}

fn build(root: &Path) -> Result<(), LabError> {
    let script = PathBuf::from("/usr/share/debootstrap/scripts").join(RELEASE);
    if !script.exists() {
        return Err(LabError::NoTrixie { script });
    }
    let temporary = root.with_extension("new");
    remove_tree(&temporary)?; // of a run that died
    let folder = temporary.to_string_lossy();
    run("debootstrap", ["--variant=minbase", &format!("--include={PACKAGES}"), RELEASE, &folder])?;
    run("sh", ["-c", PREPARE, "prepare-root.sh", &folder])?;
    fs::rename(&temporary, root).map_err(at("make", root))
}

/// Another recipe makes another root file system. (Another compiler might hash differently: then it is made once more.)
fn recipe_hash() -> u32 {
    let mut hasher = DefaultHasher::new();
    (RELEASE, PACKAGES, PREPARE).hash(&mut hasher);
    hasher.finish() as u32
}
