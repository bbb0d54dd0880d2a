//! The root file systems below the hosts' disks: Debian with OpenRC, and the Alpine that a
//! Raspberry Pi has. Each is made once and kept.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::architecture::Architecture;
use super::id::CACHE_DIR;
use super::journal::lock;
use super::sweep::remove_tree;
use super::{alpine, debian};
use crate::error::{LabError, at};
use crate::report;

/// What a host stands on.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    clap::ValueEnum,
)]
pub enum Root {
    /// Debian trixie with OpenRC, glibc and etcd 3.5.
    #[default]
    Debian,
    /// Alpine 3.23 with OpenRC 0.63, busybox, musl and etcd 3.6.
    Alpine,
    /// The same for 64-bit ARM; its programs run in an emulator.
    AlpineAarch64,
}

impl Root {
    /// Whose programs it has.
    pub fn architecture(self) -> Architecture {
        match self {
            Self::Debian | Self::Alpine => Architecture::X86_64,
            Self::AlpineAarch64 => Architecture::Aarch64,
        }
    }

    /// Whether it has musl in place of glibc: only static programs of ours run there.
    pub fn is_alpine(self) -> bool {
        self != Self::Debian
    }
}

/// The root file system's folder; made now if it is not there (Debian: half a minute and 320 MB;
/// Alpine: half a minute, or two where etcd must be built first; with a note on stderr). Read only,
/// by agreement: every host of every lab stands on it.
///
/// # Errors
/// What it is made of cannot be fetched, or is not what it was.
pub fn ensure(root: Root) -> Result<PathBuf, LabError> {
    let name = match root {
        Root::Debian => format!("debian-{}-{:08x}", debian::RELEASE, hash(debian::recipe())),
        Root::Alpine | Root::AlpineAarch64 => {
            let architecture = root.architecture();
            let recipe = hash(alpine::recipe(architecture));
            format!("alpine-{}-{}-{recipe:08x}", alpine::RELEASE, architecture.name())
        }
    };
    let folder = Path::new(CACHE_DIR).join(name);
    if folder.exists() {
        return Ok(folder);
    }
    match root {
        Root::Debian => make(&folder, debian::build),
        Root::Alpine | Root::AlpineAarch64 => {
            let parts = alpine::Parts::ensure(root.architecture())?; // has locks of its own
            make(&folder, |temporary| alpine::build(&parts, temporary))
        }
    }?;
    Ok(folder)
}

fn make(folder: &Path, build: impl FnOnce(&Path) -> Result<(), LabError>) -> Result<(), LabError> {
    let _among_all_runs = lock(CACHE_DIR)?;
    if folder.exists() {
        return Ok(()); // made while we waited for the lock
    }
    let name = folder.display();
    report::note(format_args!("lab: making the root file system {name}: half a minute, once"));
    let temporary = folder.with_extension("new");
    remove_tree(&temporary)?; // of a run that died
    report::step("root file system made", || build(&temporary))?;
    fs::rename(&temporary, folder).map_err(at("make", folder))
}

/// Another recipe makes another root file system. (Another compiler might hash differently: then it
/// is made once more.)
fn hash(recipe: impl Hash) -> u32 {
    let mut hasher = DefaultHasher::new();
    recipe.hash(&mut hasher);
    hasher.finish() as u32
}
