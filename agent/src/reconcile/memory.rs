//! What must survive a restart of the agent: the highest epoch and generation, and whether etcd was
//! started in this formation.
//!
//! Two small files in the agent's own folder, written only when they change (promise 12).

use std::io;
use std::path::PathBuf;

use pilaster_common::atomic_file::{self, Access, ReplaceFileError};
use pilaster_common::error::Help;
use pilaster_proto::desired::Desired;
use serde::{Deserialize, Serialize};

/// The highest desired state that was accepted. Neither number ever goes back (promise 13).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Accepted {
    pub(crate) epoch: u64,
    pub(crate) generation: u64,
}

impl From<&Desired> for Accepted {
    fn from(desired: &Desired) -> Self {
        Self { epoch: desired.epoch, generation: desired.generation }
    }
}

/// The agent's folder.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    folder: PathBuf,
}

/// Why the agent cannot remember.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MemoryError {
    #[error(transparent)]
    Write(#[from] ReplaceFileError),
    #[error("cannot read {path}")]
    Read { path: String, source: io::Error },
    #[error("{path} is damaged")]
    Damaged { path: String, source: serde_json::Error },
}

impl Help for MemoryError {
    fn help(&self) -> Option<String> {
        match self {
            Self::Write(error) => error.help(),
            Self::Read { path, .. } => Some(format!("look at it: ls -l {path}")),
            Self::Damaged { path, .. } => Some(format!(
                "remove it if the coordinator is to be believed about the past: rm {path}"
            )),
        }
    }
}

impl Memory {
    /// In this folder, which is there already.
    pub(crate) fn at(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// What was accepted last; zeros on a new node.
    pub(crate) fn accepted(&self) -> Result<Accepted, MemoryError> {
        let path = self.folder.join("accepted.json");
        let named = path.display().to_string();
        match atomic_file::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .map_err(|source| MemoryError::Damaged { path: named, source }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Accepted::default()),
            Err(source) => Err(MemoryError::Read { path: named, source }),
        }
    }

    /// Remembers what was accepted.
    pub(crate) fn accept(&self, accepted: Accepted) -> Result<(), MemoryError> {
        let text =
            format!("{{\"epoch\":{},\"generation\":{}}}\n", accepted.epoch, accepted.generation);
        self.write("accepted.json", &text)
    }

    /// The token of the formation in which etcd was started; `None` if it never was.
    pub(crate) fn started(&self) -> Option<String> {
        let text = atomic_file::read(&self.folder.join("started")).ok()?;
        Some(String::from_utf8(text).ok()?.trim().into())
    }

    /// Remembers that etcd was started in the formation with this token.
    pub(crate) fn remember_started(&self, token: &str) -> Result<(), MemoryError> {
        self.write("started", &format!("{token}\n"))
    }

    fn write(&self, name: &str, text: &str) -> Result<(), MemoryError> {
        let access = Access {
            uid: nix::unistd::geteuid().as_raw(),
            gid: nix::unistd::getegid().as_raw(),
            mode: 0o600,
        };
        atomic_file::replace(&self.folder.join(name), text.as_bytes(), access)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_reads_back_and_damage_is_told() {
        let folder = tempfile::tempdir().expect("folder");
        let memory = Memory::at(folder.path());
        assert_eq!(memory.accepted().expect("new"), Accepted::default());
        assert_eq!(memory.started(), None);
        let accepted = Accepted { epoch: 2, generation: 7 };
        memory.accept(accepted).expect("writes");
        memory.remember_started("x-k3s-1").expect("writes");
        assert_eq!(memory.accepted().expect("reads"), accepted);
        assert_eq!(memory.started().as_deref(), Some("x-k3s-1"));
        memory.write("accepted.json", "{").expect("writes");
        assert!(matches!(memory.accepted(), Err(MemoryError::Damaged { .. })));
    }
}
