//! The real host: paths from `common::paths`, whole files from `common::atomic_file`, services from
//! the service manager.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use data_encoding::HEXLOWER;
use nix::unistd::User;
use pilaster_common::atomic_file::{self, Access, ReplaceFileError, Replaced};
use pilaster_common::certificate;
use pilaster_common::clock::Clock;
use pilaster_common::error::{Code, Help, code};
use pilaster_common::name::NodeName;
use pilaster_common::node_file::NodeFile;
use pilaster_common::paths;
use pilaster_common::pem::{self, BadPair, Pair};
use pilaster_common::profile::{LEAVES, Profile};
use pilaster_common::secret::{KeyError, PrivateKey};
use pilaster_proto::report::ServiceState;
use rustls_pki_types::CertificateDer;
use zeroize::Zeroizing;

use super::Host;
use super::deed::{Deed, DeedError, Done};
use super::exec::RunError;
use super::facts::{self, EtcdBinary, PortHolder, global_addresses};
use super::file::{ETCD_USER, File, INSTALL_ETCD, before};
use super::output;
use super::pin::{self, PinError};
use super::seen::{Known, Seen, SeenFile, SeenService};
use super::service::{Service, Services, no_service_manager};

const POISONED: &str = "nothing panics while it holds this";

/// The files that hold no key.
const PLAIN_FILES: [File; 5] = [
    File::Text(NodeFile::EtcdConf),
    File::Text(NodeFile::ServiceConf),
    File::Text(NodeFile::ServiceScript),
    File::ClientCa,
    File::PeerCa,
];

/// This host.
#[derive(Debug)]
pub(crate) struct System {
    node: NodeName,
    interface: String,
    services: Option<Services>,
    etcd_binary: EtcdBinary,
    clock: Arc<dyn Clock>,
    /// Keys that were made, until their certificates come.
    keys: Mutex<BTreeMap<Profile, PrivateKey>>,
}

/// Why a file or a key is not in place.
#[derive(Debug, thiserror::Error)]
enum PlaceError {
    #[error("there is no user {ETCD_USER}")]
    NoEtcdUser,
    #[error("cannot read {path}", path = .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("no key was made for the {profile} certificate")]
    NoKey { profile: Profile },
}

impl Help for PlaceError {
    fn help(&self) -> Option<String> {
        Some(match self {
            Self::NoEtcdUser => format!("the package makes it: {INSTALL_ETCD}"),
            Self::Read { .. } => "look at it: ls -la /etc/etcd".into(),
            Self::NoKey { .. } => "it is tried again by itself, with a new key".into(),
        })
    }

    fn code(&self) -> Code {
        if let Self::NoEtcdUser = self { code::NO_ETCD_USER } else { code::STEP }
    }
}

/// What goes wrong in a deed is told as it is.
macro_rules! told {
    ($($error:ty),*) => {
        $(impl From<$error> for DeedError {
            fn from(error: $error) -> Self {
                Self::of(&error)
            }
        })*
    };
}

told!(PlaceError, ReplaceFileError, BadPair, KeyError, RunError, PinError);

impl System {
    /// For the node of this name, whose cluster uses `interface`.
    pub(crate) fn new(node: NodeName, interface: String, clock: Arc<dyn Clock>) -> Self {
        Self {
            node,
            interface,
            services: Services::detect(),
            etcd_binary: EtcdBinary::default(),
            clock,
            keys: Mutex::default(),
        }
    }

    /// Where a file lies.
    pub(crate) fn path(&self, file: File) -> PathBuf {
        file.path(&self.node, self.services.unwrap_or(Services::OpenRc).kind())
    }

    /// A file with the key in it, for who speaks to etcd with that; `None` where there is none.
    pub(crate) fn read(&self, file: File) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
        read(&self.path(file))
    }

    fn seen_file(&self, file: File, path: &Path) -> Option<SeenFile> {
        let content = read(path).ok().flatten()?;
        let content = match file {
            File::Leaf(_) => {
                pem::encode_certificates(Pair::from_pem(&content).ok()?.chain()).into()
            }
            _ => content.to_vec(),
        };
        let in_order = self.access(file).is_ok_and(|access| access_at(path) == Some(access));
        Some(SeenFile { content, in_order })
    }

    fn seen_service(&self, service: Service) -> SeenService {
        self.services.map(|services| services.look(service)).unwrap_or_default()
    }

    /// While our own service runs, it is the one that holds them.
    fn port_holders(&self, script: Option<&SeenFile>, etcd: ServiceState) -> Vec<PortHolder> {
        let is_ours = script.is_some_and(|script| is_written_by_pilaster(&script.content));
        if is_ours && matches!(etcd, ServiceState::Started | ServiceState::Crashed) {
            return Vec::new();
        }
        let addresses = global_addresses(&self.interface).unwrap_or_default();
        facts::holders(&addresses.iter().map(ipnet::Ipv4Net::addr).collect::<Vec<_>>())
    }

    /// `/etc/hosts` keeps what it has.
    fn access(&self, file: File) -> Result<Access, PlaceError> {
        if file == File::Hosts
            && let Some(access) = access_at(Path::new(paths::HOSTS))
        {
            return Ok(access);
        }
        file.access(etcd_user()).ok_or(PlaceError::NoEtcdUser)
    }

    fn place(&self, file: File, path: &Path, content: &[u8]) -> Result<(), DeedError> {
        let replaced = atomic_file::replace(path, content, self.access(file)?)?;
        if replaced == Replaced::Changed {
            tracing::info!("replaced {}, sha256 {}", path.display(), public_hash(content));
        }
        Ok(())
    }

    /// Whole, with the key in it where it has one.
    fn copy(&self, file: File, from: &Path, to: &Path) -> Result<(), DeedError> {
        let read = read(from).map_err(|source| PlaceError::Read { path: from.into(), source })?;
        read.map_or(Ok(()), |content| self.place(file, to, &content))
    }

    fn make_key(&self, profile: Profile) -> Result<(Profile, Vec<u8>), KeyError> {
        let key = PrivateKey::generate()?;
        let request = key.to_csr()?;
        self.keys.lock().expect(POISONED).insert(profile, key);
        Ok((profile, request))
    }

    fn install_leaf(&self, profile: Profile, chain: Vec<Vec<u8>>) -> Result<(), DeedError> {
        let key = self.keys.lock().expect(POISONED).remove(&profile);
        let key = key.ok_or(PlaceError::NoKey { profile })?;
        let pair = Pair::new(chain.into_iter().map(CertificateDer::from).collect(), key)?;
        let file = File::Leaf(profile);
        self.place(file, &self.path(file), pair.to_pem().as_bytes())
    }
}

fn not_a_deed() -> DeedError {
    let cause = "this is nothing that may be put in place".into();
    pilaster_common::error::Told { cause, ..Default::default() }.into()
}

#[tonic::async_trait]
impl Host for System {
    async fn facts(&self) -> Known {
        facts::observe(&self.interface, &self.etcd_binary, &*self.clock).await
    }

    async fn look(&self) -> Seen {
        let folder = Path::new(paths::ETCD_FOLDER);
        let mut seen = Seen {
            folder_in_order: folder.is_dir() && access_at(folder) == Some(Access::root(0o755)),
            hosts: hosts(),
            etcd: self.seen_service(Service::Etcd),
            agent: self.seen_service(Service::Agent),
            etcd_user: etcd_user().is_some(),
            etcd_may_jump: pin::may_jump(),
            outputs_overgrown: output::are_overgrown(),
            ..Seen::default()
        };
        for file in PLAIN_FILES.into_iter().chain(LEAVES.map(File::Leaf)) {
            let path = self.path(file);
            seen.files.extend(self.seen_file(file, &path).map(|seen| (file, seen)));
            seen.before.extend(self.seen_file(file, &before(&path)).map(|seen| (file, seen)));
        }
        let script = seen.files.get(&File::Text(NodeFile::ServiceScript));
        seen.port_holders = self.port_holders(script, seen.etcd.state);
        seen
    }

    async fn perform(&self, deed: Deed) -> Result<Done, DeedError> {
        match deed {
            // a leaf comes with the key that was made for it, and never as a text
            Deed::Place { file: File::Leaf(_), .. }
            | Deed::InstallLeaf { profile: Profile::Agent, .. } => {
                return Err(not_a_deed());
            }
            Deed::MakeFolder => {
                atomic_file::ensure_folder(paths::ETCD_FOLDER.as_ref(), Access::root(0o755))?;
            }
            Deed::Place { file, content } => {
                self.place(file, &self.path(file), content.as_bytes())?;
            }
            Deed::MakeKeys { profiles } => {
                let requests = profiles.into_iter().map(|profile| self.make_key(profile));
                return Ok(Done::Requests(requests.collect::<Result<_, _>>()?));
            }
            Deed::InstallLeaf { profile, chain } => self.install_leaf(profile, chain)?,
            Deed::Keep(file) => {
                let path = self.path(file);
                self.copy(file, &path, &before(&path))?;
            }
            Deed::PutBack(file) => {
                let path = self.path(file);
                self.copy(file, &before(&path), &path)?;
                atomic_file::remove(&before(&path))?;
            }
            Deed::EraseBefore(file) => atomic_file::remove(&before(&self.path(file)))?,
            Deed::Service { service, verb } => {
                let services = self.services.ok_or_else(|| no_service_manager(""))?;
                services.act(verb, service, &*self.clock).await?;
            }
            Deed::Pin(version) => pin::pin(version, &*self.clock).await?,
            Deed::TrimOutputs => output::trim_all()?,
        }
        Ok(Done::Done)
    }
}

fn read(path: &Path) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    match atomic_file::read(path) {
        Ok(content) => Ok(Some(Zeroizing::new(content))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn hosts() -> Option<String> {
    let content = read(Path::new(paths::HOSTS)).ok()?.unwrap_or_default();
    String::from_utf8(content.to_vec()).ok()
}

/// etcd's user and group.
fn etcd_user() -> Option<(u32, u32)> {
    let user = User::from_name(ETCD_USER).ok().flatten()?;
    Some((user.uid.as_raw(), user.gid.as_raw()))
}

/// Whether a service script is from `common::service_files`, and not a package's.
fn is_written_by_pilaster(script: &[u8]) -> bool {
    String::from_utf8_lossy(script).contains("Written by Pilaster")
}

/// SHA-256 in hex; of a file that holds a key only the part before it (promise 1).
fn public_hash(content: &[u8]) -> String {
    let text = std::str::from_utf8(content).unwrap_or_default();
    HEXLOWER.encode(&certificate::key_hash(pem::public_part(text).as_bytes()))
}

fn access_at(path: &Path) -> Option<Access> {
    let metadata = std::fs::symlink_metadata(path).ok()?;
    Some(Access { uid: metadata.uid(), gid: metadata.gid(), mode: metadata.mode() & 0o7777 })
}
