//! How Debian's root file system is made: debootstrap, then the services go that touch the machine.

use std::hash::Hash;
use std::path::{Path, PathBuf};

use crate::command::run;
use crate::error::LabError;

pub(super) const RELEASE: &str = "trixie";
/// What a host has beside Debian's smallest system. `busybox` is its init.
const PACKAGES: &str = "openrc,etcd-server,etcd-client,busybox,iproute2,ca-certificates,procps";
/// Makes a host's root of a plain Debian.
const PREPARE: &str = include_str!("prepare-debian.sh");

/// All that decides what is made.
pub(super) fn recipe() -> impl Hash {
    (RELEASE, PACKAGES, PREPARE)
}

/// Makes it at `folder`.
///
/// # Errors
/// Debootstrap does not know the release, or cannot fetch it.
pub(super) fn build(folder: &Path) -> Result<(), LabError> {
    let script = PathBuf::from("/usr/share/debootstrap/scripts").join(RELEASE);
    if !script.exists() {
        return Err(LabError::NoTrixie { script });
    }
    let folder = folder.to_string_lossy();
    run("debootstrap", ["--variant=minbase", &format!("--include={PACKAGES}"), RELEASE, &folder])?;
    run("sh", ["-c", PREPARE, "prepare-debian.sh", &folder]).map(drop)
}
