//! What a host has written on its SD card: every path, with what tells one file from another that
//! took its place.
//!
//! For tests that say "nothing was changed": they compare two looks, and see each file that was
//! made, removed, written or replaced.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use data_encoding::HEXLOWER;
use ring::digest;

use super::host::Host;
use crate::error::{LabError, at};

/// All that lay below a folder at one moment, by path from there: `/etc/hosts`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Written(BTreeMap<String, Entry>);

/// One file, link or folder. Of a folder only owner and mode count: what is in it has entries of
/// its own.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    owner: (u32, u32),
    mode: u32,
    /// `None` of a folder.
    file: Option<FileEntry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct FileEntry {
    inode: u64,
    modified: (i64, i64),
    content: String,
}

impl Host {
    /// What it has written since its card was empty. What the root file system below brought is not
    /// in here, nor are folders of it that are as they were: a file in them is.
    ///
    /// # Errors
    /// The card cannot be read.
    pub fn written(&self) -> Result<Written, LabError> {
        let mut written = Written::below(&self.disk())?;
        written.0.retain(|path, entry| {
            let below = self.root.join(path.trim_start_matches('/'));
            let folder = fs::symlink_metadata(&below).ok().filter(Metadata::is_dir);
            folder.and_then(|metadata| Entry::of(&below, &metadata).ok()).as_ref() != Some(entry)
        });
        Ok(written)
    }
}

impl Written {
    /// Everything below `folder` of this machine.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn below(folder: &Path) -> Result<Self, LabError> {
        let mut found = BTreeMap::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(next) = folders.pop() {
            for entry in fs::read_dir(&next).map_err(at("list", &next))? {
                let path = entry.map_err(at("list", &next))?.path();
                let metadata = fs::symlink_metadata(&path).map_err(at("look at", &path))?;
                let inside = path.strip_prefix(folder).expect("it was listed below it");
                found.insert(format!("/{}", inside.display()), Entry::of(&path, &metadata)?);
                if metadata.is_dir() {
                    folders.push(path);
                }
            }
        }
        Ok(Self(found))
    }

    /// Whether there is anything at `path`.
    pub fn has(&self, path: &str) -> bool {
        self.0.contains_key(path)
    }

    /// Without what `keep` does not want.
    #[must_use]
    pub fn only(mut self, keep: impl Fn(&str) -> bool) -> Self {
        self.0.retain(|path, _| keep(path));
        self
    }

    /// What is different `later`, a line for each path: `new PATH`, `gone PATH`, or what of it
    /// changed.
    pub fn changes_until(&self, later: &Self) -> Vec<String> {
        let gone = self.0.keys().filter(|path| !later.has(path)).map(|path| format!("gone {path}"));
        let other = later.0.iter().filter_map(|(path, new)| match self.0.get(path) {
            None => Some(format!("new {path}")),
            Some(old) if old == new => None,
            Some(old) => Some(format!("{} {path}", old.change_until(new))),
        });
        gone.chain(other).collect()
    }
}

impl Entry {
    fn of(path: &Path, metadata: &Metadata) -> Result<Self, LabError> {
        let content = if metadata.is_file() {
            let bytes = fs::read(path).map_err(at("read", path))?;
            Some(HEXLOWER.encode(digest::digest(&digest::SHA256, &bytes).as_ref()))
        } else if metadata.is_symlink() {
            Some(fs::read_link(path).map_err(at("read", path))?.display().to_string())
        } else {
            None // a folder, or the mark of a removed file, which has nothing inside
        };
        let file = content.map(|content| FileEntry {
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            content,
        });
        Ok(Self { owner: (metadata.uid(), metadata.gid()), mode: metadata.mode(), file })
    }

    fn change_until(&self, later: &Self) -> &'static str {
        let content = |entry: &Self| entry.file.as_ref().map(|file| file.content.clone());
        if (self.owner, self.mode) != (later.owner, later.mode) {
            "another owner or mode:"
        } else if content(self) != content(later) {
            "other content:"
        } else {
            "written again with the same content:"
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::PathBuf;

    use super::*;

    fn folder() -> PathBuf {
        std::env::temp_dir().join(format!("pilaster-card-{}", std::process::id()))
    }

    #[test]
    fn every_kind_of_change_is_seen_and_named() {
        let root = folder();
        let put = |path: &str, text: &str| fs::write(root.join(path), text).unwrap();
        fs::create_dir_all(root.join("etc")).unwrap();
        for path in ["etc/same", "etc/other", "etc/again", "etc/mode", "etc/gone"] {
            put(path, "text");
        }
        std::os::unix::fs::symlink("same", root.join("etc/link")).unwrap();
        let before = Written::below(&root).unwrap();
        put("etc/other", "texT");
        put("etc/again.new", "text");
        fs::rename(root.join("etc/again.new"), root.join("etc/again")).unwrap();
        fs::set_permissions(root.join("etc/mode"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::remove_file(root.join("etc/gone")).unwrap();
        put("etc/new", "");
        let after = Written::below(&root).unwrap();
        fs::remove_dir_all(&root).unwrap();

        assert_eq!(before.changes_until(&before), [""; 0]);
        assert_eq!(
            before.changes_until(&after),
            [
                "gone /etc/gone",
                "written again with the same content: /etc/again",
                "another owner or mode: /etc/mode",
                "new /etc/new",
                "other content: /etc/other",
            ]
        );
        assert!(before.has("/etc/link"));
    }
}
