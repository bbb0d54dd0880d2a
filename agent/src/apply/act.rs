//! Does one step. A step names all it needs, so there is no choice left here; each may run twice.

use std::io;

use pilaster_common::clock::Timestamp;
use pilaster_common::error::{Code, Help, code};
use pilaster_common::etcd_conf::EtcdVersion;
use pilaster_common::failpoint;
use pilaster_common::profile::Profile;
use pilaster_proto::client::Coordinator;
use pilaster_proto::desired::WantedCertificate;

use super::host::{Host, ManagedFile, PlaceError};
use super::pin::PinError;
use crate::certificates::{Ca, IssueError, issue};
use crate::reconcile::{Accepted, Memory, MemoryError};
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
    Issue {
        generation: u64,
        wanted: Vec<WantedCertificate>,
        ca: Ca,
        /// Of these the pair before is kept.
        keep: Vec<Profile>,
    },
    /// Put the pair before back in place of a leaf that does not work.
    PutBack { profile: Profile, why: String },
    /// Erase the pair before.
    EraseBefore(Profile),
    /// Start etcd for the first time in this formation.
    Start,
    /// Start it at each boot.
    Enable,
    /// Remember that it was started in the formation with this token: a person who stops it later means it.
    RememberStarted { token: String },
    /// Keep etcd at the minor of this version, whatever the host's packages are upgraded to.
    Pin(EtcdVersion),
}

/// Why a step did not work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ActError {
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error("cannot read the pair that is to be kept")]
    Read(#[source] io::Error),
    #[error(transparent)]
    Issue(#[from] IssueError),
    #[error(transparent)]
    Service(#[from] ServiceError),
    #[error(transparent)]
    Memory(#[from] MemoryError),
    #[error(transparent)]
    Pin(#[from] PinError),
}

impl Help for ActError {
    fn help(&self) -> Option<String> {
        match self {
            Self::Place(error) => error.help(),
            Self::Read(_) => Some("look at it: ls -la /etc/etcd".into()),
            Self::Issue(error) => error.help(),
            Self::Service(error) => error.help(),
            Self::Memory(error) => error.help(),
            Self::Pin(error) => error.help(),
        }
    }

    fn code(&self) -> Code {
        match self {
            Self::Place(error) => error.code(),
            Self::Pin(_) => code::NOT_PINNED,
            _ => code::STEP,
        }
    }
}

/// Does `step`.
pub(crate) async fn act<H: Host>(
    host: &H,
    memory: &Memory,
    coordinator: Option<Coordinator>,
    step: &Step,
    now: Timestamp,
) -> Result<(), ActError> {
    match step {
        Step::Accept(accepted) => memory.accept(*accepted)?,
        Step::MakeFolder => host.make_folder()?,
        Step::Place { file, content } => {
            host.place(*file, content)?;
        }
        Step::Issue { generation, wanted, ca, keep } => {
            for (profile, content) in issue(coordinator, *generation, wanted, ca, now).await? {
                if keep.contains(&profile) {
                    copy(host, ManagedFile::Leaf(profile), ManagedFile::Before(profile))?;
                    failpoint!("leaf.before-kept");
                }
                host.place(ManagedFile::Leaf(profile), content.as_bytes())?;
                failpoint!("leaf.replaced");
            }
        }
        Step::PutBack { profile, .. } => {
            copy(host, ManagedFile::Before(*profile), ManagedFile::Leaf(*profile))?;
            host.erase(ManagedFile::Before(*profile))?;
        }
        Step::EraseBefore(profile) => {
            host.erase(ManagedFile::Before(*profile))?;
            failpoint!("leaf.before-erased");
        }
        Step::Start => host.act_on_service(ServiceVerb::Start).await?,
        Step::Enable => host.act_on_service(ServiceVerb::Enable).await?,
        Step::RememberStarted { token } => memory.remember_started(token)?,
        Step::Pin(version) => host.pin_etcd(*version).await?,
    }
    Ok(())
}

/// Whole, from one file of the agent's own to another.
fn copy<H: Host>(host: &H, from: ManagedFile, to: ManagedFile) -> Result<(), ActError> {
    if let Some(present) = host.read(from).map_err(ActError::Read)? {
        host.place(to, &present.content)?;
    }
    Ok(())
}
