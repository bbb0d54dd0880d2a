//! Does one step. A step names all it needs, so there is no choice left here; each may run twice.

use pilaster_common::clock::Timestamp;
use pilaster_common::error::Help;
use tonic::transport::Channel;

use super::host::{Host, ManagedFile, PlaceError};
use super::issue::{Ca, IssueError, issue};
use crate::reconcile::{Accepted, Memory, MemoryError, WantedCertificate};
use crate::service::{ServiceError, ServiceVerb};

/// One thing to do to the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Remember that this epoch and generation were accepted: they never go back (promise 13).
    Accept(Accepted),
    /// Make etcd's folder.
    MakeFolder,
    /// Put a file in place.
    Place { file: ManagedFile, content: Vec<u8> },
    /// Get certificates for new keys, all in one call.
    Issue { generation: u64, wanted: Vec<WantedCertificate>, ca: Ca },
    /// Start etcd for the first time in this formation.
    Start,
    /// Start it at each boot.
    Enable,
    /// Remember that it was started in the formation with this token: a person who stops it later means it.
    RememberStarted { token: String },
}

/// Why a step did not work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ActError {
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error(transparent)]
    Issue(#[from] IssueError),
    #[error(transparent)]
    Service(#[from] ServiceError),
    #[error(transparent)]
    Memory(#[from] MemoryError),
}

impl Help for ActError {
    fn help(&self) -> Option<String> {
        match self {
            Self::Place(error) => error.help(),
            Self::Issue(error) => error.help(),
            Self::Service(error) => error.help(),
            Self::Memory(error) => error.help(),
        }
    }
}

/// Does `step`.
pub(crate) async fn act<H: Host>(
    host: &H,
    memory: &Memory,
    channel: Option<Channel>,
    step: &Step,
    now: Timestamp,
) -> Result<(), ActError> {
    match step {
        Step::Accept(accepted) => memory.accept(*accepted)?,
        Step::MakeFolder => host.make_folder()?,
        Step::Place { file, content } => {
            host.place(*file, content)?;
        }
        Step::Issue { generation, wanted, ca } => {
            for (file, content) in issue(channel, *generation, wanted, ca, now).await? {
                host.place(file, content.as_bytes())?;
            }
        }
        Step::Start => host.act_on_service(ServiceVerb::Start).await?,
        Step::Enable => host.act_on_service(ServiceVerb::Enable).await?,
        Step::RememberStarted { token } => memory.remember_started(token)?,
    }
    Ok(())
}
