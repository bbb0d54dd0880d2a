//! The admin socket: 0660, of the group `pilaster` where there is one; who is at the other end is
//! asked of the kernel, checked, and written to the audit log.

use std::fmt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use nix::unistd::{Gid, Group, Uid, User};
use pilaster_common::atomic_file::{self, Access, ReplaceFileError};
use pilaster_common::error::Help;
use tokio::net::{UnixListener, UnixStream};
use tonic::transport::server::UdsConnectInfo;
use tonic::{Extensions, Request, Status};

/// Why there is no admin socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another coordinator answers on it.
    #[error("another pilaster-coordinator listens on {path}", path = .path.display())]
    Taken {
        /// Where.
        path: PathBuf,
    },
    /// It cannot be made.
    #[error("cannot listen on {path}", path = .path.display())]
    Bind {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Its folder.
    #[error(transparent)]
    Folder(#[from] ReplaceFileError),
}

impl Help for SocketError {
    fn help(&self) -> Option<String> {
        match self {
            Self::Taken { .. } => {
                Some("stop that one first, or give this one --socket and --state of its own".into())
            }
            Self::Bind { .. } => Some("choose another place: --socket PATH".into()),
            Self::Folder(error) => error.help(),
        }
    }
}

/// Whose members may use the socket.
const GROUP: &str = "pilaster";

/// Listens on `path`; a socket that nobody answers on is left by a dead coordinator, and replaced.
///
/// # Errors
/// See [`SocketError`].
pub async fn listen(path: &Path, owner: Access) -> Result<UnixListener, SocketError> {
    let fail = |source| SocketError::Bind { path: path.into(), source };
    let gid = group().unwrap_or(owner.gid);
    let folder = path.parent().unwrap_or(Path::new("."));
    if !folder.exists() {
        atomic_file::ensure_folder(folder, Access { mode: 0o750, gid, ..owner })?;
    }
    if UnixStream::connect(path).await.is_ok() {
        return Err(SocketError::Taken { path: path.into() });
    }
    atomic_file::remove(path)?;
    let listener = UnixListener::bind(path).map_err(fail)?;
    std::os::unix::fs::chown(path, Some(owner.uid), Some(gid)).map_err(fail)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660)).map_err(fail)?;
    Ok(listener)
}

/// Lets root, the coordinator's own user and members of the group in. The kernel has checked the
/// socket's mode before; this holds where someone has loosened it.
///
/// # Errors
/// A status for anyone else.
pub fn check_peer(request: Request<()>) -> Result<Request<()>, Status> {
    let peer =
        peer(request.extensions()).ok_or_else(|| Status::permission_denied("who are you?"))?;
    let own = nix::unistd::geteuid().as_raw();
    if peer.uid == 0 || peer.uid == own || group().is_some_and(|group| is_member(&peer, group)) {
        return Ok(request);
    }
    let why = format!("user {} is neither root nor a member of the group {GROUP}", peer.name);
    Err(Status::permission_denied(why))
}

/// Who is at the other end of the socket.
#[derive(Debug)]
pub(super) struct Peer {
    uid: u32,
    gid: u32,
    pid: i32,
    name: String,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (uid {}, pid {})", self.name, self.uid, self.pid)
    }
}

/// As the kernel says (SO_PEERCRED).
pub(super) fn peer(extensions: &Extensions) -> Option<Peer> {
    let credentials = extensions.get::<UdsConnectInfo>()?.peer_cred?;
    let uid = credentials.uid();
    let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    let name = user.map_or_else(|| format!("#{uid}"), |user| user.name);
    Some(Peer { uid, gid: credentials.gid(), pid: credentials.pid().unwrap_or(0), name })
}

fn group() -> Option<u32> {
    Some(Group::from_name(GROUP).ok().flatten()?.gid.as_raw())
}

fn is_member(peer: &Peer, group: u32) -> bool {
    let listed =
        || Some(Group::from_gid(Gid::from_raw(group)).ok().flatten()?.mem.contains(&peer.name));
    peer.gid == group || listed().unwrap_or(false)
}
