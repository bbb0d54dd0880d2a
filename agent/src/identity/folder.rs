//! `/var/lib/pilaster/identity`: the pending key, one folder a generation, and a link to the
//! current one.
//!
//! More than one generation is there only while a renewal is under way: the first whose stream
//! stands is kept, the others are erased. A generation is written whole and synced before the link
//! is swapped by one rename: a power cut leaves the old identity or the new.

use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use nix::unistd::{getegid, geteuid};
use pilaster_common::atomic_file::{self, Access, ReplaceFileError};
use pilaster_common::endpoint::Endpoint;
use pilaster_common::error::{Code, Help, code};
use pilaster_common::name::{ClusterName, NodeId, NodeName};
use pilaster_common::pem::{self, Pair};
use pilaster_common::secret::{KeyError, PrivateKey};
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};

/// Who this node is, and where its coordinator is.
#[derive(Debug)]
pub struct Identity {
    /// Its folder is `gen-<generation>`.
    pub(crate) generation: u64,
    pub(crate) installation: String,
    pub(crate) node: NodeId,
    /// The address that the coordinator knows this node by.
    pub(crate) address: Ipv4Addr,
    /// Where the coordinator is found, best first.
    pub(crate) endpoints: Vec<Endpoint>,
    /// The token with which it joined, so that a join that was cut off can be finished. Public.
    pub(crate) token_id: [u8; 8],
    pub(crate) pair: Pair,
    /// Every current control root.
    pub(crate) roots: Vec<CertificateDer<'static>>,
}

/// `link.json`.
#[derive(Serialize, Deserialize)]
struct LinkFile {
    installation: String,
    cluster: ClusterName,
    node: NodeName,
    address: Ipv4Addr,
    endpoints: Vec<Endpoint>,
    token_id: String,
}

/// Why there is no identity to be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityError {
    #[error("this node has not joined a cluster")]
    NotJoined,
    #[error("cannot read {path}", path = .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} is damaged: {why}", path = .path.display())]
    Damaged { path: PathBuf, why: String },
    #[error(transparent)]
    Write(#[from] ReplaceFileError),
    #[error("cannot make {path} the current identity", path = .path.display())]
    Swap { path: PathBuf, source: io::Error },
    #[error("cannot erase {path}", path = .path.display())]
    Erase { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl Help for IdentityError {
    fn help(&self) -> Option<String> {
        Some(match self {
            Self::NotJoined => {
                "join first: pilaster-agent join ADDRESS --token-file PATH (coordctl enroll NODE prints the line)".into()
            }
            Self::Damaged { path, .. } => format!(
                "move {} away and join again with a new token: coordctl enroll NODE",
                path.ancestors().find(|folder| folder.ends_with("identity")).unwrap_or(path).display()
            ),
            Self::Read { .. } => "run this as root".into(),
            Self::Write(error) => return error.help(),
            Self::Swap { path, .. } | Self::Erase { path, .. } => format!("look at it: ls -l {}", path.display()),
            Self::Key(_) => return None,
        })
    }

    fn code(&self) -> Code {
        if let Self::NotJoined = self { code::NOT_JOINED } else { code::OTHER }
    }
}

/// The identity's folder.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// In the agent's own folder `state`, whether it is there or not.
    pub(crate) fn of(state: &Path) -> Self {
        Self { path: state.join("identity") }
    }

    /// The current identity, if this node has one.
    pub(crate) fn current(&self) -> Result<Option<Identity>, IdentityError> {
        match self.current_generation() {
            0 => Ok(None),
            generation => self.read(generation).map(Some),
        }
    }

    /// The identity of a generation.
    pub(crate) fn read(&self, generation: u64) -> Result<Identity, IdentityError> {
        let folder = self.generation(generation);
        let pair = read(&folder.join("identity.pem"), Pair::from_pem)?;
        let roots = read(&folder.join("roots.pem"), pem::certificates)?;
        let link: LinkFile = read(&folder.join("link.json"), |text| serde_json::from_slice(text))?;
        let token_id = HEXLOWER.decode(link.token_id.as_bytes()).ok();
        let token_id = token_id.and_then(|id| <[u8; 8]>::try_from(id).ok());
        let token_id = token_id.ok_or_else(|| damaged(&folder.join("link.json"), "token_id"))?;
        let LinkFile { installation, cluster, node, address, endpoints, token_id: _ } = link;
        Ok(Identity {
            generation,
            installation,
            node: NodeId { cluster, node },
            address,
            endpoints,
            token_id,
            pair,
            roots,
        })
    }

    /// Another identity than that of `generation`, where a renewal was cut off.
    pub(crate) fn other(&self, generation: u64) -> Option<Identity> {
        let others = self.generations().into_iter().filter(|other| *other != generation);
        others.rev().find_map(|other| self.read(other).ok())
    }

    /// The key of a question that was begun, or a new one; on disk before it is used, so that a
    /// lost answer can be asked for again.
    pub(crate) fn pending_key(&self) -> Result<PrivateKey, IdentityError> {
        let path = self.path.join("pending.pem");
        match atomic_file::read(&path).map(zeroize::Zeroizing::new) {
            Ok(text) => PrivateKey::from_pem(&text).map_err(|e| damaged(&path, e)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.path.parent().map_or(Ok(()), |state| self.ensure(state))?;
                self.ensure(&self.path)?;
                let key = PrivateKey::generate()?;
                atomic_file::replace(&path, key.to_pem().as_bytes(), own(0o600))?;
                Ok(key)
            }
            Err(source) => Err(IdentityError::Read { path, source }),
        }
    }

    /// Forgets the pending key: it is in use, or was refused.
    pub(crate) fn forget_pending_key(&self) -> Result<(), IdentityError> {
        Ok(atomic_file::remove(&self.path.join("pending.pem"))?)
    }

    /// Writes an identity into its folder. What a power cut left there is written again.
    pub(crate) fn write(&self, identity: &Identity) -> Result<(), IdentityError> {
        let folder = self.generation(identity.generation);
        self.ensure(&folder)?;
        let put = |file: &str, text: &[u8]| {
            atomic_file::replace(&folder.join(file), text, own(0o600)).map(|_| ())
        };
        put("identity.pem", identity.pair.to_pem().as_bytes())?;
        put("roots.pem", pem::encode_certificates(&identity.roots).as_bytes())?;
        Ok(put("link.json", link_file(identity).as_bytes())?)
    }

    /// Makes a generation that is written the current one.
    pub(crate) fn make_current(&self, generation: u64) -> Result<(), IdentityError> {
        if self.current_generation() == generation {
            return Ok(());
        }
        let (new, current) = (self.path.join("current.new"), self.path.join("current"));
        atomic_file::remove(&new)?;
        let folder = self.generation(generation);
        std::os::unix::fs::symlink(folder.file_name().unwrap_or_default(), &new)
            .and_then(|()| std::fs::rename(&new, &current))
            .and_then(|()| std::fs::File::open(&self.path)?.sync_all())
            .map_err(|source| IdentityError::Swap { path: folder, source })
    }

    /// Makes a generation the current one and erases all others with their keys; says whether there
    /// were any.
    pub(crate) fn keep_only(&self, generation: u64) -> Result<bool, IdentityError> {
        self.make_current(generation)?;
        let mut erased = false;
        for other in self.generations().into_iter().filter(|other| *other != generation) {
            let folder = self.generation(other);
            atomic_file::remove(&folder.join("identity.pem"))?; // the key first, and for good
            std::fs::remove_dir_all(&folder)
                .map_err(|source| IdentityError::Erase { path: folder, source })?;
            erased = true;
        }
        Ok(erased)
    }

    /// Keeps the endpoints of `identity`, in one write.
    pub(crate) fn keep_endpoints(&self, identity: &Identity) -> Result<(), IdentityError> {
        let path = self.generation(identity.generation).join("link.json");
        atomic_file::replace(&path, link_file(identity).as_bytes(), own(0o600))?;
        Ok(())
    }

    fn generation(&self, generation: u64) -> PathBuf {
        self.path.join(format!("gen-{generation}"))
    }

    /// All that are there, rising.
    fn generations(&self) -> Vec<u64> {
        let entries = std::fs::read_dir(&self.path).into_iter().flatten().flatten();
        let mut all: Vec<u64> = entries
            .filter_map(|entry| entry.file_name().to_str()?.strip_prefix("gen-")?.parse().ok())
            .collect();
        all.sort_unstable();
        all
    }

    fn ensure(&self, folder: &Path) -> Result<(), IdentityError> {
        Ok(atomic_file::ensure_folder(folder, own(0o700))?)
    }

    /// 0 while there is none.
    fn current_generation(&self) -> u64 {
        let target = std::fs::read_link(self.path.join("current")).unwrap_or_default();
        target.to_str().and_then(|name| name.strip_prefix("gen-")?.parse().ok()).unwrap_or(0)
    }
}

fn read<T, E: std::error::Error>(
    path: &Path,
    parse: impl FnOnce(&[u8]) -> Result<T, E>,
) -> Result<T, IdentityError> {
    let text = atomic_file::read(path)
        .map(zeroize::Zeroizing::new)
        .map_err(|source| IdentityError::Read { path: path.into(), source })?;
    parse(&text).map_err(|error| damaged(path, error))
}

fn damaged(path: &Path, why: impl ToString) -> IdentityError {
    IdentityError::Damaged { path: path.into(), why: why.to_string() }
}

fn link_file(identity: &Identity) -> String {
    let file = LinkFile {
        installation: identity.installation.clone(),
        cluster: identity.node.cluster.clone(),
        node: identity.node.node.clone(),
        address: identity.address,
        endpoints: identity.endpoints.clone(),
        token_id: HEXLOWER.encode(&identity.token_id),
    };
    serde_json::to_string_pretty(&file).expect("strings only") + "\n"
}

/// root's, as the agent is; a test's own.
fn own(mode: u32) -> Access {
    Access { uid: geteuid().as_raw(), gid: getegid().as_raw(), mode }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Says, TestCa, node_id};

    fn identity(generation: u64, endpoint: &str) -> Identity {
        let ca = TestCa::new("control");
        let pair = ca.leaf(pilaster_common::profile::Profile::Agent, &Says::default());
        Identity {
            generation,
            installation: "i".into(),
            node: node_id("x-k3s", "m-1"),
            address: [192, 168, 7, 11].into(),
            endpoints: vec![endpoint.parse().expect("good")],
            token_id: [7; 8],
            pair,
            roots: vec![ca.root],
        }
    }

    fn install(folder: &Folder, identity: &Identity) {
        folder.ensure(&folder.path).expect("makes");
        folder.write(identity).expect("writes");
        folder.make_current(identity.generation).expect("swaps");
    }

    #[test]
    fn promise_01_only_the_identity_that_stands_is_kept() {
        let place = tempfile::tempdir().expect("folder");
        let folder = Folder::of(place.path());
        install(&folder, &identity(1, "a:1"));
        assert!(folder.other(1).is_none());
        install(&folder, &identity(2, "b:2"));
        assert_eq!(folder.other(2).expect("is kept").endpoints, ["a:1".parse().expect("good")]);
        assert!(folder.keep_only(1).expect("goes back"));
        assert!(!folder.keep_only(1).expect("again"));
        assert_eq!(folder.current().expect("reads").expect("is there").generation, 1);
        assert!(!place.path().join("identity/gen-2").exists());
    }

    #[test]
    fn a_pending_key_is_used_again_until_the_identity_stands() {
        let folder = tempfile::tempdir().expect("folder");
        let folder = Folder::of(folder.path());
        let key = folder.pending_key().expect("makes").public_key();
        assert_eq!(folder.pending_key().expect("reads").public_key(), key);
        folder.forget_pending_key().expect("removes");
        assert_ne!(folder.pending_key().expect("makes").public_key(), key);
    }

    #[test]
    fn an_identity_is_swapped_whole() {
        let place = tempfile::tempdir().expect("folder");
        let folder = Folder::of(place.path());
        assert!(folder.current().expect("nothing yet").is_none());
        install(&folder, &identity(1, "a:1"));
        folder.write(&identity(2, "b:2")).expect("writes");
        assert_eq!(
            folder.current().expect("reads").expect("is there").endpoints,
            ["a:1".parse().expect("good")]
        );
        folder.make_current(2).expect("swaps");
        let current = folder.current().expect("reads").expect("is there");
        assert_eq!(current.endpoints, ["b:2".parse().expect("good")]);
        assert_eq!(current.token_id, [7; 8]);
        let link = std::fs::read_link(place.path().join("identity/current")).expect("a link");
        assert_eq!(link, Path::new("gen-2"));
    }

    #[test]
    fn what_a_power_cut_left_of_a_generation_is_written_again() {
        let place = tempfile::tempdir().expect("folder");
        let root = place.path().join("identity");
        std::fs::create_dir_all(root.join("gen-1")).expect("makes");
        std::os::unix::fs::symlink("gen-1", root.join("current.new")).expect("links");
        let folder = Folder::of(place.path());
        assert!(folder.current().expect("nothing yet").is_none());
        install(&folder, &identity(1, "a:1"));
        assert!(folder.current().expect("reads").is_some());
    }

    #[test]
    fn a_damaged_identity_is_told_with_what_to_do() {
        let place = tempfile::tempdir().expect("folder");
        let folder = Folder::of(place.path());
        install(&folder, &identity(1, "a:1"));
        let path = place.path().join("identity/current/link.json");
        atomic_file::replace(&path, b"{", own(0o600)).expect("writes");
        let error = folder.current().expect_err("damaged");
        assert!(error.to_string().contains("link.json is damaged"), "{error}");
        assert!(error.help().expect("always").starts_with("move "));
    }
}
