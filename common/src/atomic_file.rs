//! Writes files whole, and only when their content changes (promise 7).
//!
//! Temporary file in the same folder, owner and mode before the first byte, fsync, rename, fsync of
//! the folder: a power cut at any instant leaves the old file or the new one. Links put in the way
//! are not followed.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use nix::libc;

use crate::error::Help;

/// Who owns a file, and what others may do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Permission bits, such as `0o600`.
    pub mode: u32,
}

impl Access {
    /// root's, with these permission bits.
    pub const fn root(mode: u32) -> Self {
        Self { uid: 0, gid: 0, mode }
    }
}

/// What [`replace`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaced {
    /// Content, owner and mode were right already: nothing was written.
    Same,
    /// The file is new.
    Changed,
}

/// Why a file or folder could not be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot {act} {path}", path = .path.display())]
pub struct ReplaceFileError {
    act: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl Help for ReplaceFileError {
    fn help(&self) -> Option<String> {
        let path = self.path.display();
        Some(match self.source.raw_os_error() {
            Some(libc::ENOSPC) => format!("free space on the file system of {path}: df -h {path}"),
            Some(libc::EROFS) => {
                format!("{path} lies on a read-only file system: mount it for writing")
            }
            Some(libc::ELOOP) => format!("{path} is a symbolic link: remove it"),
            Some(libc::EACCES | libc::EPERM) => "run this as root".into(),
            _ => format!("look at {path}: ls -ld {path}"),
        })
    }
}

/// Puts `content` at `path` whole. Writes nothing when content, owner and mode are right already.
///
/// # Errors
/// When a step fails; the file at `path` is then the one from before. Only where the last step, the
/// sync of the folder, fails is it the new one, and not certain to outlive a power cut.
pub fn replace(path: &Path, content: &[u8], access: Access) -> Result<Replaced, ReplaceFileError> {
    if is_same(path, content, access) {
        return Ok(Replaced::Same);
    }
    let fail = |act, path: &Path| {
        let path = path.to_owned();
        move |source| ReplaceFileError { act, path, source }
    };
    let temporary = temporary(path);
    let file = create(&temporary).map_err(fail("create", &temporary))?;
    let written = fill(file, content, access)
        .map_err(fail("write", &temporary))
        .and_then(|()| std::fs::rename(&temporary, path).map_err(fail("replace", path)));
    if let Err(error) = written {
        drop(std::fs::remove_file(&temporary)); // a leftover would be replaced by the next try anyway
        return Err(error);
    }
    let folder = folder_of(path);
    sync_folder(folder).map_err(fail("sync", folder))?;
    Ok(Replaced::Changed)
}

/// Removes a file for good; one that is not there is removed already.
///
/// # Errors
/// When it is there and stays.
pub fn remove(path: &Path) -> Result<(), ReplaceFileError> {
    let fail = |source| ReplaceFileError { act: "remove", path: path.to_owned(), source };
    match std::fs::remove_file(path) {
        Ok(()) => sync_folder(folder_of(path)).map_err(fail),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(fail(error)),
    }
}

/// Makes a folder, and those above it, where missing; sets its owner and mode.
///
/// # Errors
/// When it cannot be made, or something else stands there.
pub fn ensure_folder(path: &Path, access: Access) -> Result<(), ReplaceFileError> {
    let fail = |act| move |source| ReplaceFileError { act, path: path.to_owned(), source };
    if !path.is_dir() {
        std::fs::create_dir_all(path).map_err(fail("create folder"))?;
        sync_folder(folder_of(path)).map_err(fail("sync the folder above"))?;
    }
    let folder = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_DIRECTORY)
        .open(path)
        .map_err(fail("open folder"))?;
    let metadata = folder.metadata().map_err(fail("look at folder"))?;
    if (metadata.uid(), metadata.gid()) != (access.uid, access.gid) {
        fchown(&folder, Some(access.uid), Some(access.gid))
            .map_err(fail("set the owner of folder"))?;
    }
    if metadata.mode() & 0o7777 != access.mode {
        folder
            .set_permissions(PermissionsExt::from_mode(access.mode))
            .map_err(fail("set the mode of folder"))?;
    }
    Ok(())
}

/// Reads a regular file without following a link.
///
/// # Errors
/// As [`std::fs::File::open`] and [`std::io::Read::read_to_end`].
pub fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut content = Vec::new();
    file.read_to_end(&mut content)?;
    Ok(content)
}

/// The folder that holds `path`; the current one for a bare file name.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => Path::new("/"),
    }
}

fn is_same(path: &Path, content: &[u8], access: Access) -> bool {
    let Ok(metadata) = std::fs::symlink_metadata(path) else { return false };
    metadata.is_file()
        && (metadata.uid(), metadata.gid()) == (access.uid, access.gid)
        && metadata.mode() & 0o7777 == access.mode
        && metadata.len() == content.len() as u64
        && read(path).is_ok_and(|present| present == content)
}

/// `/etc/etcd/.conf.yml.pilaster-new`: beside the file, so that the rename stays on one file
/// system.
fn temporary(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.pilaster-new"))
}

fn create(temporary: &Path) -> io::Result<File> {
    match std::fs::remove_file(temporary) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
        .open(temporary)
}

fn fill(mut file: File, content: &[u8], access: Access) -> io::Result<()> {
    let metadata = file.metadata()?;
    if (metadata.uid(), metadata.gid()) != (access.uid, access.gid) {
        fchown(&file, Some(access.uid), Some(access.gid))?;
    }
    file.set_permissions(PermissionsExt::from_mode(access.mode))?;
    file.write_all(content)?;
    file.sync_all()
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(mode: u32) -> Access {
        Access { uid: nix::unistd::getuid().as_raw(), gid: nix::unistd::getgid().as_raw(), mode }
    }

    #[test]
    fn promise_07_an_unchanged_file_is_not_written() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("conf.yml");
        assert_eq!(replace(&path, b"one", access(0o644)).expect("writes"), Replaced::Changed);
        let inode = std::fs::metadata(&path).expect("there").ino();
        assert_eq!(replace(&path, b"one", access(0o644)).expect("writes"), Replaced::Same);
        assert_eq!(std::fs::metadata(&path).expect("there").ino(), inode);
        assert_eq!(replace(&path, b"one", access(0o600)).expect("writes"), Replaced::Changed);
        assert_eq!(replace(&path, b"two", access(0o600)).expect("writes"), Replaced::Changed);
        assert_eq!(std::fs::metadata(&path).expect("there").mode() & 0o7777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).expect("lists").count(), 1);
    }

    #[test]
    fn promise_07_a_reader_of_the_old_file_keeps_the_old_file() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("conf.yml");
        replace(&path, b"old", access(0o600)).expect("writes");
        let mut reader = File::open(&path).expect("opens");
        replace(&path, b"new and longer", access(0o600)).expect("writes");
        let mut seen = String::new();
        reader.read_to_string(&mut seen).expect("reads");
        assert_eq!(seen, "old");
    }

    #[test]
    fn a_link_in_the_way_is_replaced_and_not_followed() {
        let folder = tempfile::tempdir().expect("folder");
        let (path, target) = (folder.path().join("conf.yml"), folder.path().join("target"));
        replace(&target, b"target", access(0o600)).expect("writes");
        std::os::unix::fs::symlink(&target, &path).expect("links");
        replace(&path, b"target", access(0o600)).expect("writes");
        assert!(std::fs::symlink_metadata(&path).expect("there").is_file());
        std::os::unix::fs::symlink(&target, temporary(&path)).expect("links");
        replace(&path, b"new", access(0o600)).expect("writes");
        assert_eq!(read(&target).expect("reads"), b"target");
    }

    #[test]
    fn a_failed_write_leaves_nothing() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("a-folder");
        std::fs::create_dir_all(path.join("inner")).expect("makes");
        let error = replace(&path, b"x", access(0o600)).expect_err("a folder stands there");
        assert!(error.to_string().contains("cannot replace"), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).expect("lists").count(), 1);
    }
}
