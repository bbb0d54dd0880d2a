//! Ends labs: on purpose, or because the run that made them is dead. Touches only what carries the
//! lab's id, and kills only processes that noted themselves, by id and start time.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::cgroup;
use super::id::LabId;
use super::journal::{Journal, all_ids, names_in};
use super::process::ProcessId;
use crate::command::run;
use crate::error::{LabError, at};
use crate::report;

/// Ends every lab whose owner is gone and that is not kept, and those of which a machine's reboot
/// left only the disks. The caller holds the lock of [`super::id::RUN_DIR`]: no lab is half begun.
///
/// # Errors
/// What cannot be ended. A journal that cannot be read is left alone, with a note.
pub fn sweep() -> Result<(), LabError> {
    for id in all_ids()? {
        match Journal::load(&id) {
            Ok(Some(journal)) if !journal.is_abandoned() => {}
            Ok(_) => take_down(&id)?,
            Err(error) => report::note(format_args!(
                "lab: left alone, `lab down --id {id}` ends it:\n{}",
                error.told()
            )),
        }
    }
    Ok(())
}

/// Ends a lab, whatever is left of it. Everything may be gone already.
///
/// # Errors
/// What cannot be ended; calling it again goes on from there.
pub fn take_down(id: &LabId) -> Result<(), LabError> {
    for process in noted_processes(id)? {
        process.kill()?;
    }
    for namespace in named(id, Path::new("/run/netns"))? {
        run("ip", ["netns".as_ref(), "del".as_ref(), namespace.file_name().unwrap_or_default()])?;
    }
    for cgroup in named(id, &cgroup::parent())? {
        fs::remove_dir(&cgroup).map_err(at("remove", cgroup))?;
    }
    remove_tree(&id.workstation_etc())?;
    remove_tree(&id.state_dir())?;
    remove_tree(&id.run_dir())
}

/// Removes a folder with all that is in it, if it is there.
pub(crate) fn remove_tree(path: &Path) -> Result<(), LabError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(at("remove", path)),
    }
}

fn noted_processes(id: &LabId) -> Result<Vec<ProcessId>, LabError> {
    let folder = id.run_dir();
    let files = names_in(&folder)?.into_iter().filter(|name| name.ends_with(".stat"));
    Ok(files.flat_map(|name| ProcessId::read(folder.join(name))).collect())
}

fn named(id: &LabId, folder: &Path) -> Result<Vec<PathBuf>, LabError> {
    let names = names_in(folder)?.into_iter().filter(|name| name.starts_with(&id.prefix()));
    Ok(names.map(|name| folder.join(name)).collect())
}
