//! The folder: which of its files a request may name, and how one is opened without leaving it.
//!
//! A request names a key (`/NAME.rsa.pub`), an index (`/ARCH/APKINDEX.tar.gz`) or a package
//! (`/ARCH/NAME.apk`), and nothing else: a path of any other shape is no file here. The folders on
//! the way and the file are opened one by one, each refused where it is a symbolic link.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
use pilaster_common::error::Help;
use ring::digest::{SHA256, digest};

/// A package of ours has two megabytes; what is larger is not ours.
pub(super) const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// A name of Alpine's has some dozens.
const NAME_BYTES_MAX: usize = 128;
/// A key of 4096 bits has 800 bytes.
const KEY_BYTES_MAX: u64 = 16 * 1024;

/// Why there are no packages to give out.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    #[error("cannot open {path}", path = .path.display())]
    Open { path: PathBuf, source: io::Error },
    /// A key, and one only: nodes are told its hash.
    #[error("{path} has {found} files NAME.rsa.pub where it should have one", path = .path.display())]
    Keys { path: PathBuf, found: usize },
}

impl Help for RepositoryError {
    fn help(&self) -> Option<String> {
        Some("make one: cargo xtask repository DIR --key FILE; or leave --repository out".into())
    }
}

/// The key that signs, as nodes know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// Name of its file, in the folder and in a node's /etc/apk/keys.
    pub name: String,
    /// Hash of its file, in hex.
    pub sha256: String,
}

/// A folder of packages.
#[derive(Debug)]
pub(crate) struct Repository {
    path: PathBuf,
    folder: OwnedFd,
}

/// A file that may be read, and how long it is.
pub(super) type Found = (File, u64);

impl Repository {
    /// The folder at `path`.
    ///
    /// # Errors
    /// It cannot be opened.
    pub(crate) fn open(path: &Path) -> Result<Self, RepositoryError> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let folder = open(path, flags, Mode::empty())
            .map_err(|errno| RepositoryError::Open { path: path.into(), source: errno.into() })?;
        Ok(Self { path: path.into(), folder })
    }

    /// The one key in it.
    ///
    /// # Errors
    /// There is none, or more than one, or it cannot be read.
    pub(crate) fn public_key(&self) -> Result<PublicKey, RepositoryError> {
        let fail = |source| RepositoryError::Open { path: self.path.clone(), source };
        let entries = fs::read_dir(&self.path).map_err(fail)?;
        let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
        let names: Vec<String> = names.filter(|name| is_key(name)).collect();
        let [name] = &names[..] else {
            return Err(RepositoryError::Keys { path: self.path.clone(), found: names.len() });
        };
        let (file, length) = self.find(&format!("/{name}")).map_err(fail)?;
        let mut content = Vec::new();
        io::Read::read_to_end(&mut io::Read::take(file, length.min(KEY_BYTES_MAX)), &mut content)
            .map_err(fail)?;
        Ok(PublicKey {
            name: name.clone(),
            sha256: HEXLOWER.encode(digest(&SHA256, &content).as_ref()),
        })
    }

    /// The file that a request's path names.
    ///
    /// # Errors
    /// It is no path of a key, an index or a package, or there is no such plain file.
    pub(super) fn find(&self, path: &str) -> io::Result<Found> {
        let parts = parse(path).ok_or(io::ErrorKind::NotFound)?;
        let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK; // a pipe is not waited for
        let file = match parts {
            Parts { arch: None, file } => openat(&self.folder, file, flags, Mode::empty())?,
            Parts { arch: Some(arch), file } => {
                let arch = openat(&self.folder, arch, flags | OFlag::O_DIRECTORY, Mode::empty())?;
                openat(arch.as_fd(), file, flags, Mode::empty())?
            }
        };
        let file = File::from(file);
        let metadata = file.metadata()?;
        if metadata.is_file() && metadata.len() <= FILE_BYTES_MAX {
            return Ok((file, metadata.len()));
        }
        Err(io::ErrorKind::NotFound.into())
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Parts<'a> {
    arch: Option<&'a str>,
    file: &'a str,
}

/// `/NAME.rsa.pub`, `/ARCH/APKINDEX.tar.gz` or `/ARCH/NAME.apk`. There is nothing to decode: no
/// name of these has a character that needs it.
fn parse(path: &str) -> Option<Parts<'_>> {
    let path = path.strip_prefix('/')?;
    let parts = match path.split_once('/') {
        None => Parts { arch: None, file: path },
        Some((arch, file)) => Parts { arch: Some(arch), file },
    };
    let fits = match parts.arch {
        None => is_key(parts.file),
        Some(arch) => {
            is_name(arch)
                && is_name(parts.file)
                && (parts.file == "APKINDEX.tar.gz" || parts.file.ends_with(".apk"))
        }
    };
    fits.then_some(parts)
}

fn is_key(name: &str) -> bool {
    is_name(name) && name.ends_with(".rsa.pub")
}

/// One name: no slash, no dot in front, nothing that is encoded.
fn is_name(name: &str) -> bool {
    let plain = |c: u8| c.is_ascii_alphanumeric() || b"._+-~".contains(&c);
    (1..=NAME_BYTES_MAX).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_a_key_an_index_or_a_package() {
        for path in [
            "/k.rsa.pub",
            "/aarch64/APKINDEX.tar.gz",
            "/x86_64/pilaster-agent-0.1.0-r0.apk",
            "/armv7/a-1~rc1+2.apk",
        ] {
            assert!(parse(path).is_some(), "{path}");
        }
    }

    #[test]
    fn any_other_path_names_nothing() {
        let long = format!("/x86_64/{}.apk", "a".repeat(NAME_BYTES_MAX));
        for path in [
            "",
            "/",
            "//",
            "k.rsa.pub",
            "/k.rsa",
            "/.rsa.pub",
            "/x86_64",
            "/x86_64/",
            "/x86_64/x.txt",
            "/x86_64/.apk",
            "/../k.rsa.pub",
            "/../../etc/x.apk",
            "/x86_64/../x.apk",
            "/x86_64/../../x.apk",
            "/%2e%2e/x.apk",
            "/x86_64/%2e%2e%2fx.apk",
            "/./x.apk",
            "/x86_64//x.apk",
            "/x86_64/x.apk/",
            "/a/b/x.apk",
            "/x86_64/x\0.apk",
            "/x86_64\\x.apk",
            "/x86_64/APKINDEX.tar.gz.new",
            &long,
        ] {
            assert_eq!(parse(path), None, "{path}");
        }
    }

    #[test]
    fn a_folder_has_one_key() {
        let folder = tempfile::tempdir().expect("a folder");
        let key = || Repository::open(folder.path()).expect("there").public_key();
        assert!(matches!(key(), Err(RepositoryError::Keys { found: 0, .. })));
        std::fs::File::create(folder.path().join("a.rsa.pub"))
            .and_then(|mut file| io::Write::write_all(&mut file, b"abc"))
            .expect("written");
        assert_eq!(
            key().expect("one"),
            PublicKey {
                name: "a.rsa.pub".into(),
                sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".into(), // FIPS 180-4's example "abc"
            }
        );
        std::fs::File::create(folder.path().join("b.rsa.pub")).expect("written");
        assert!(matches!(key(), Err(RepositoryError::Keys { found: 2, .. })));
    }
}
