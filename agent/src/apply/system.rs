//! The real host: paths from `common::paths`, whole files from `common::atomic_file`, services from the service manager.

use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use nix::unistd::User;
use pilaster_common::atomic_file::{self, Access, Replaced};
use pilaster_common::certificate;
use pilaster_common::etcd_conf::EtcdVersion;
use pilaster_common::name::NodeName;
use pilaster_common::paths;
use pilaster_common::pem::{self, Pair};
use pilaster_common::profile::Profile;
use pilaster_proto::report::ServiceState;
use zeroize::Zeroizing;

use super::host::{Host, ManagedFile, PlaceError, Present, access};
use super::output::{self, TrimError};
use super::pin::{self, PinError};
use crate::config::{ETCD_SERVICE, ETCD_USER, identity_folder};
use crate::etcd::{self, Served};
use crate::facts::{self, EtcdBinary, Known, PortHolder};
use crate::service::{ServiceError, ServiceVerb, Services};

/// This host.
#[derive(Debug, Clone)]
pub(crate) struct System {
    node: NodeName,
    interface: String,
    services: Services,
    etcd_binary: EtcdBinary,
}

impl System {
    /// For the node of this name, whose cluster uses `interface`.
    pub(crate) fn new(node: NodeName, interface: String, services: Services) -> Self {
        Self { node, interface, services, etcd_binary: EtcdBinary::default() }
    }

    /// Where a file lies: the only place where a kind becomes a path (promise 13).
    pub(crate) fn path(&self, file: ManagedFile) -> PathBuf {
        match file {
            ManagedFile::Text(file) => file.path(self.services.kind()).into(),
            ManagedFile::ClientCa => paths::CLIENT_CA.into(),
            ManagedFile::PeerCa => paths::PEER_CA.into(),
            ManagedFile::Leaf(Profile::Server) => paths::SERVER_LEAF.into(),
            ManagedFile::Leaf(Profile::Peer) => paths::peer_leaf(&self.node),
            ManagedFile::Leaf(Profile::Client) => paths::CLIENT_LEAF.into(),
            ManagedFile::Leaf(Profile::Agent) => identity_folder().join("current/identity.pem"),
            ManagedFile::Before(profile) => {
                let leaf = self.path(ManagedFile::Leaf(profile));
                let name = leaf.file_name().unwrap_or_default().to_string_lossy();
                leaf.with_file_name(format!(".{name}.before"))
            }
            ManagedFile::Hosts => paths::HOSTS.into(),
        }
    }

    fn access(&self, file: ManagedFile) -> Result<Access, PlaceError> {
        if file == ManagedFile::Hosts
            && let Some(access) = access_at(Path::new(paths::HOSTS))
        {
            return Ok(access);
        }
        access(file, self.etcd_user()).ok_or(PlaceError::NoEtcdUser)
    }
}

impl Host for System {
    async fn facts(&mut self) -> Known {
        facts::observe(&self.interface, &mut self.etcd_binary).await
    }

    fn read(&self, file: ManagedFile) -> io::Result<Option<Present>> {
        let path = self.path(file);
        match atomic_file::read(&path) {
            Ok(content) => Ok(Some(Present {
                content: Zeroizing::new(content),
                in_order: self.access(file).ok() == access_at(&path),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn place(&self, file: ManagedFile, content: &[u8]) -> Result<Replaced, PlaceError> {
        let path = self.path(file);
        let replaced = atomic_file::replace(&path, content, self.access(file)?)?;
        if replaced == Replaced::Changed {
            tracing::info!("replaced {}, sha256 {}", path.display(), public_hash(content));
        }
        Ok(replaced)
    }

    fn trim_outputs(&self) -> Vec<(&'static str, Result<bool, TrimError>)> {
        let outputs = [
            (paths::ETCD_OUTPUT, paths::ETCD_OUTPUT_BEFORE),
            (paths::AGENT_LOG, paths::AGENT_LOG_BEFORE),
        ];
        outputs
            .map(|(output, before)| (output, output::trim(Path::new(output), Path::new(before))))
            .into()
    }

    fn erase(&self, file: ManagedFile) -> Result<(), PlaceError> {
        Ok(atomic_file::remove(&self.path(file))?)
    }

    async fn served(&self, profile: Profile, address: Ipv4Addr) -> Served {
        let read = |file| self.read(file).ok().flatten().map(|present| present.content);
        let (own, port) = match profile {
            Profile::Peer => (Profile::Peer, etcd::Port::Peer),
            _ => (Profile::Client, etcd::Port::Client),
        };
        let (Some(ca), Some(leaf)) = (read(ManagedFile::ClientCa), read(ManagedFile::Leaf(own)))
        else {
            return Served::Unreachable;
        };
        match (profile, Pair::from_pem(&leaf)) {
            (Profile::Client, _) => etcd::ask(&ca, &leaf).await,
            (_, Ok(pair)) => etcd::look(address, port, &pair).await,
            (_, Err(error)) => Served::Refused(error.to_string()),
        }
    }

    fn folder_in_order(&self) -> bool {
        let folder = Path::new(paths::ETCD_FOLDER);
        folder.is_dir() && access_at(folder) == Some(Access::root(0o755))
    }

    fn make_folder(&self) -> Result<(), PlaceError> {
        Ok(atomic_file::ensure_folder(Path::new(paths::ETCD_FOLDER), Access::root(0o755))?)
    }

    fn service(&self) -> ServiceState {
        self.services.state(ETCD_SERVICE)
    }

    fn is_enabled(&self) -> bool {
        self.services.is_enabled(ETCD_SERVICE)
    }

    async fn act_on_service(&self, verb: ServiceVerb) -> Result<(), ServiceError> {
        self.services.act(verb, ETCD_SERVICE).await
    }

    fn etcd_may_jump(&self) -> bool {
        pin::may_jump()
    }

    async fn pin_etcd(&self, version: EtcdVersion) -> Result<(), PinError> {
        pin::pin(version).await
    }

    fn port_holders(&self, addresses: &[Ipv4Addr]) -> Vec<PortHolder> {
        facts::holders(addresses)
    }

    fn etcd_user(&self) -> Option<(u32, u32)> {
        let user = User::from_name(ETCD_USER).ok().flatten()?;
        Some((user.uid.as_raw(), user.gid.as_raw()))
    }
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
