//! What a lab is and whose it is, written down before anything of it is made, so that any later run
//! can end it.
//!
//! All names and paths follow from the id ([`LabId`]); processes note themselves in `process_file`s
//! as they start.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::host::HostSpec;
use super::id::{LabId, RUN_DIR, STATE_DIR};
use super::process::ProcessId;
use crate::error::{LabError, at};

/// One lab, as /run/pilaster-lab/ID/journal.json holds it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Journal {
    /// Its id.
    pub id: LabId,
    /// The process that made it. When that is gone and the lab is not kept, the next run ends it.
    pub owner: ProcessId,
    /// Whether it outlives its owner, until `lab down`.
    pub kept: bool,
    /// The root file system whose tools the workstation has.
    pub root: PathBuf,
    /// The root file systems below the hosts' disks, in the order of `hosts`.
    #[serde(default)] // not in the journals of older programs, which only need to be ended
    pub host_roots: Vec<PathBuf>,
    /// Its hosts, in the order of their ports at the switch.
    pub hosts: Vec<HostSpec>,
    /// The memory of each host, in bytes.
    pub memory_limit: Option<u64>,
}

impl Journal {
    /// Begins a lab: fails where there is one with this id.
    pub(crate) fn create(&self) -> Result<(), LabError> {
        let folder = self.id.run_dir();
        match fs::create_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                Err(LabError::Exists { id: self.id.to_string() })
            }
            other => other.map_err(at("make", folder)),
        }?;
        self.save()
    }

    /// Replaces the file whole: another run may read it now.
    pub(crate) fn save(&self) -> Result<(), LabError> {
        let file = self.id.journal_file();
        let temporary = file.with_extension("new");
        let text =
            serde_json::to_string_pretty(self).expect("a journal has only names and numbers");
        fs::write(&temporary, text).map_err(at("write", &temporary))?;
        fs::rename(&temporary, &file).map_err(at("write", file))
    }

    /// The journal of a lab; `None` where there is none.
    pub(crate) fn load(id: &LabId) -> Result<Option<Self>, LabError> {
        let file = id.journal_file();
        let text = match fs::read_to_string(&file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(at("read", &file))?,
        };
        serde_json::from_str(&text).map(Some).map_err(|error| at("understand", file)(error.into()))
    }

    /// Whether nobody wants this lab any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        !self.kept && !self.owner.is_alive()
    }
}

/// The ids of all labs of which there is anything, a journal or only a disk.
pub(crate) fn all_ids() -> Result<BTreeSet<LabId>, LabError> {
    let mut ids = BTreeSet::new();
    for folder in [RUN_DIR, STATE_DIR] {
        for name in names_in(Path::new(folder))? {
            ids.extend(name.parse::<LabId>()); // whatever else lies there is not ours
        }
    }
    Ok(ids)
}

/// Every lab that has a journal.
///
/// # Errors
/// A journal that cannot be read.
pub fn all_labs() -> Result<Vec<Journal>, LabError> {
    all_ids()?.iter().filter_map(|id| Journal::load(id).transpose()).collect()
}

/// The names in a folder; none where it is missing.
pub(crate) fn names_in(folder: &Path) -> Result<Vec<String>, LabError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(at("list", folder))?,
    };
    let name = |entry: std::io::Result<fs::DirEntry>| {
        entry.map(|entry| entry.file_name().to_string_lossy().into_owned())
    };
    entries.map(name).collect::<Result<_, _>>().map_err(at("list", folder))
}

/// Waits for the lock that all runs on this machine share; it is held until the answer is dropped.
pub(crate) fn lock(folder: impl AsRef<Path>) -> Result<File, LabError> {
    let folder = folder.as_ref();
    let path = folder.join(".lock");
    fs::create_dir_all(folder).map_err(at("make", folder))?;
    let file = File::create(&path).map_err(at("open", &path))?;
    file.lock().map_err(at("lock", path))?;
    Ok(file)
}
