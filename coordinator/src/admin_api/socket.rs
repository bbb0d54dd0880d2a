//! The admin socket: 0600 in a folder that is 0700, so that only its owner and root reach it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use pilaster_common::atomic_file::{self, Access, ReplaceFileError};
use pilaster_common::error::Help;
use tokio::net::{UnixListener, UnixStream};

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

/// Listens on `path`; a socket that nobody answers on is left by a dead coordinator, and replaced.
///
/// # Errors
/// See [`SocketError`].
pub async fn listen(path: &Path, owner: Access) -> Result<UnixListener, SocketError> {
    let fail = |source| SocketError::Bind { path: path.into(), source };
    let folder = path.parent().unwrap_or(Path::new("."));
    if !folder.exists() {
        atomic_file::ensure_folder(folder, Access { mode: 0o700, ..owner })?;
    }
    if UnixStream::connect(path).await.is_ok() {
        return Err(SocketError::Taken { path: path.into() });
    }
    atomic_file::remove(path)?;
    let listener = UnixListener::bind(path).map_err(fail)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(fail)?;
    Ok(listener)
}
