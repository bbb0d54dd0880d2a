//! Keeps the CAs' keys: one file a CA, root and key together, 0600, never anywhere else.
//!
//! The only door to the files, so that sealing them with a passphrase changes nothing outside this file.

use std::path::{Path, PathBuf};

use pilaster_common::atomic_file::{self, Access, ReplaceFileError};
use pilaster_common::clock::Timestamp;
use pilaster_common::error::Help;
use pilaster_common::name::ClusterName;
use pilaster_common::pem::{BadPair, Pair};

use super::sign::{Authority, PathLength, SignError};

/// Why a CA cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// The file cannot be read.
    #[error("cannot read the CA in {path}", path = .path.display())]
    Read {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no CA.
    #[error("{path} is no CA", path = .path.display())]
    Damaged {
        /// Where.
        path: PathBuf,
        /// Why.
        source: BadPair,
    },
    /// It cannot be made.
    #[error("cannot make a CA")]
    Make(#[from] SignError),
    /// It cannot be written.
    #[error(transparent)]
    Write(#[from] ReplaceFileError),
}

impl Help for VaultError {
    fn help(&self) -> Option<String> {
        match self {
            Self::Read { path, .. } => Some(format!("look at it: ls -l {}", path.display())),
            Self::Damaged { .. } => {
                Some("put the file back from a backup; a new CA would strand every node".into())
            }
            Self::Make(error) => error.help(),
            Self::Write(error) => error.help(),
        }
    }
}

/// The CAs of one cluster.
#[derive(Debug)]
pub struct ClusterAuthorities {
    /// Signs `server` and `client`; trusted by etcd's client port.
    pub client: Authority,
    /// Signs `peer`; trusted by etcd's peer port (promise 4).
    pub peer: Authority,
}

/// The folder with the CAs.
#[derive(Debug)]
pub struct Vault {
    folder: PathBuf,
    access: Access,
}

impl Vault {
    /// The vault in `folder`, which is made where missing. `access` tells the owner; files are 0600.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(folder: &Path, owner: Access) -> Result<Self, VaultError> {
        let vault = Self { folder: folder.into(), access: Access { mode: 0o600, ..owner } };
        vault.ensure(folder)?;
        Ok(vault)
    }

    /// The control CA; made when there is none.
    ///
    /// # Errors
    /// See [`VaultError`].
    pub fn control(&self, now: Timestamp) -> Result<Authority, VaultError> {
        self.load_or_make(
            &self.folder.join("control-g1.pem"),
            "pilaster control",
            PathLength::Unbounded,
            now,
        )
    }

    /// The CAs of a cluster; made when there are none.
    ///
    /// # Errors
    /// See [`VaultError`].
    pub fn cluster(
        &self,
        cluster: &ClusterName,
        now: Timestamp,
    ) -> Result<ClusterAuthorities, VaultError> {
        let folder = self.folder.join(cluster.as_ref());
        self.ensure(&folder)?;
        let load = |kind: &str| {
            let path = folder.join(format!("{kind}-g1.pem"));
            self.load_or_make(&path, &format!("{cluster} {kind}"), PathLength::One, now)
        };
        Ok(ClusterAuthorities { client: load("client")?, peer: load("peer")? })
    }

    fn ensure(&self, folder: &Path) -> Result<(), VaultError> {
        Ok(atomic_file::ensure_folder(folder, Access { mode: 0o700, ..self.access })?)
    }

    fn load_or_make(
        &self,
        path: &Path,
        label: &str,
        path_length: PathLength,
        now: Timestamp,
    ) -> Result<Authority, VaultError> {
        match atomic_file::read(path) {
            Ok(text) => {
                let pair = Pair::from_pem(&zeroize::Zeroizing::new(text))
                    .map_err(|source| VaultError::Damaged { path: path.into(), source })?;
                Ok(Authority::from_pair(pair)?)
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let authority = Authority::generate(label, path_length, now)?;
                atomic_file::replace(path, authority.pair().to_pem().as_bytes(), self.access)?;
                Ok(authority)
            }
            Err(source) => Err(VaultError::Read { path: path.into(), source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_ca_is_made_once_and_kept_0600() {
        let folder = tempfile::tempdir().expect("folder");
        let owner = Access {
            uid: nix::unistd::getuid().as_raw(),
            gid: nix::unistd::getgid().as_raw(),
            mode: 0o600,
        };
        let vault = Vault::open(folder.path(), owner).expect("opens");
        let (now, cluster) = (Timestamp::from_unix(1_800_000_000), "x-k3s".parse().expect("good"));
        let first = vault.cluster(&cluster, now).expect("makes");
        let again = vault.cluster(&cluster, now).expect("reads");
        assert_eq!(first.peer.pin(), again.peer.pin());
        assert_ne!(first.peer.pin(), first.client.pin());
        let path = folder.path().join("x-k3s/peer-g1.pem");
        assert_eq!(std::fs::metadata(&path).expect("there").mode() & 0o777, 0o600);
        atomic_file::replace(&path, b"", owner).expect("writes");
        assert!(matches!(vault.cluster(&cluster, now), Err(VaultError::Damaged { .. })));
    }
}
