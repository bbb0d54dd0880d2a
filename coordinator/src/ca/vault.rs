//! Keeps the CAs' keys: one file a CA, root and key together, 0600, never anywhere else.
//!
//! The only door to the files, so that sealing them with a passphrase changes nothing outside this
//! file.

use std::path::{Path, PathBuf};

use pilaster_common::atomic_file::{self, Access, ReplaceFileError};
use pilaster_common::clock::{RELEASED, Timestamp};
use pilaster_common::error::Help;
use pilaster_common::name::ClusterName;
use pilaster_common::pem::{BadPair, Pair};

use super::sign::{Authority, PathLength, Root, SignError};

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
    /// A root made under such a clock would end before it begins to be of use.
    #[error("this machine's clock says {now}, which is before this Pilaster was made")]
    Clock {
        /// What it says.
        now: Timestamp,
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
            Self::Read { path, .. } => Some(format!(
                "put {} back from a backup: nodes trust the CA that was there, so no new one is made",
                path.display()
            )),
            Self::Clock { .. } => Some("set the clock: date -s, or start an NTP client".into()),
            Self::Damaged { .. } => {
                Some("put the file back from a backup; a new CA would strand every node".into())
            }
            Self::Make(error) => error.help(),
            Self::Write(error) => error.help(),
        }
    }
}

/// What to do where there is no CA yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// It is an error: nodes trust the one that was there, and a new one would strand them.
    Fail,
    /// Nobody trusts one yet: make it, now.
    Make(Timestamp),
}

/// The CAs of one cluster.
#[derive(Debug)]
pub struct ClusterAuthorities {
    /// Signs `server` and `client`; trusted by etcd's client port.
    pub client: Authority,
    /// Signs `peer`; trusted by etcd's peer port (promise 4).
    pub peer: Authority,
}

/// The public part of a cluster's CAs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roots {
    /// Of `server` and `client`.
    pub client: Root,
    /// Of `peer`.
    pub peer: Root,
}

impl ClusterAuthorities {
    /// What everybody may know of them.
    pub fn to_roots(&self) -> Roots {
        Roots { client: self.client.to_root(), peer: self.peer.to_root() }
    }
}

/// The folder with the CAs.
#[derive(Debug)]
pub struct Vault {
    folder: PathBuf,
    access: Access,
}

impl Vault {
    /// The vault in `folder`, which is made where missing. `access` tells the owner; files are
    /// 0600.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub fn open(folder: &Path, owner: Access) -> Result<Self, VaultError> {
        let vault = Self { folder: folder.into(), access: Access { mode: 0o600, ..owner } };
        vault.ensure(folder)?;
        Ok(vault)
    }

    /// The control CA.
    ///
    /// # Errors
    /// See [`VaultError`]; a missing one is an error unless it may be made.
    pub fn control(&self, missing: Missing) -> Result<Authority, VaultError> {
        let path = self.folder.join("control-g1.pem");
        self.load(&path, "pilaster control", PathLength::Unbounded, missing)
    }

    /// The CAs of a cluster.
    ///
    /// # Errors
    /// See [`VaultError`]; a missing one is an error unless it may be made.
    pub fn cluster(
        &self,
        cluster: &ClusterName,
        missing: Missing,
    ) -> Result<ClusterAuthorities, VaultError> {
        let folder = self.folder.join(cluster.as_ref());
        self.ensure(&folder)?;
        let load = |kind: &str| {
            let path = folder.join(format!("{kind}-g1.pem"));
            self.load(&path, &format!("{cluster} {kind}"), PathLength::One, missing)
        };
        Ok(ClusterAuthorities { client: load("client")?, peer: load("peer")? })
    }

    fn ensure(&self, folder: &Path) -> Result<(), VaultError> {
        Ok(atomic_file::ensure_folder(folder, Access { mode: 0o700, ..self.access })?)
    }

    fn load(
        &self,
        path: &Path,
        label: &str,
        path_length: PathLength,
        missing: Missing,
    ) -> Result<Authority, VaultError> {
        match (atomic_file::read(path), missing) {
            (Ok(text), _) => {
                let pair = Pair::from_pem(&zeroize::Zeroizing::new(text))
                    .map_err(|source| VaultError::Damaged { path: path.into(), source })?;
                Ok(Authority::from_pair(pair)?)
            }
            (Err(error), Missing::Make(now)) if error.kind() == std::io::ErrorKind::NotFound => {
                if now < RELEASED {
                    return Err(VaultError::Clock { now });
                }
                let authority = Authority::generate(label, path_length, now)?;
                atomic_file::replace(path, authority.pair().to_pem().as_bytes(), self.access)?;
                Ok(authority)
            }
            (Err(source), _) => Err(VaultError::Read { path: path.into(), source }),
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
        assert!(matches!(vault.cluster(&cluster, Missing::Fail), Err(VaultError::Read { .. })));
        let early = Missing::Make(Timestamp::from_unix(0));
        assert!(matches!(vault.cluster(&cluster, early), Err(VaultError::Clock { .. })));
        let first = vault.cluster(&cluster, Missing::Make(now)).expect("makes");
        let again = vault.cluster(&cluster, Missing::Fail).expect("reads");
        assert_eq!(first.peer.pin(), again.peer.pin());
        assert_ne!(first.peer.pin(), first.client.pin());
        let path = folder.path().join("x-k3s/peer-g1.pem");
        assert_eq!(std::fs::metadata(&path).expect("there").mode() & 0o777, 0o600);
        atomic_file::replace(&path, b"", owner).expect("writes");
        assert!(matches!(
            vault.cluster(&cluster, Missing::Make(now)),
            Err(VaultError::Damaged { .. })
        ));
    }
}
