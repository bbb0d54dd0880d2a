//! Does one step. A step names all it needs, so there is no choice left here; each may run twice.

use pilaster_common::clock::Clock;
use pilaster_common::error::{Code, Help, code};
use pilaster_common::failpoint;
use pilaster_common::profile::Profile;
use pilaster_proto::client::Coordinator;
use pilaster_proto::desired::WantedCertificate;

use super::memory::{Accepted, Memory, MemoryError};
use crate::certificates::{Ca, IssueError, issue};
use crate::host::{Deed, DeedError, File, Host};
use crate::trial::Subject;

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Remember that this epoch and generation were accepted: they never go back (promise 13).
    Accept(Accepted),
    /// Get certificates for new keys, all in one call.
    Issue {
        generation: u64,
        wanted: Vec<WantedCertificate>,
        ca: Ca,
        /// Of these what is replaced is kept.
        keep: Vec<Profile>,
    },
    /// Put back what was kept, since the new one does not work.
    PutBack { subject: Subject, why: String },
    /// The new one has proved itself: what was kept is erased.
    EraseBefore(Subject),
    /// Remember that etcd was started in the formation with this token: a person who stops it later
    /// means it.
    RememberStarted { token: String },
    /// Something on the host.
    Do(Deed),
}

/// Why a step did not work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ActError {
    #[error(transparent)]
    Deed(#[from] DeedError),
    #[error(transparent)]
    Issue(#[from] IssueError),
    #[error(transparent)]
    Memory(#[from] MemoryError),
}

impl Help for ActError {
    fn help(&self) -> Option<String> {
        match self {
            Self::Deed(error) => error.help(),
            Self::Issue(error) => error.help(),
            Self::Memory(error) => error.help(),
        }
    }

    fn code(&self) -> Code {
        if let Self::Deed(error) = self { error.code() } else { code::STEP }
    }
}

/// Does `step`.
pub(crate) async fn act(
    host: &dyn Host,
    memory: &Memory,
    coordinator: Option<Coordinator>,
    step: &Step,
    clock: &dyn Clock,
) -> Result<(), ActError> {
    let perform = async |deed| host.perform(deed).await.map(drop);
    match step {
        Step::Accept(accepted) => memory.accept(*accepted)?,
        Step::Issue { generation, wanted, ca, keep } => {
            for (profile, chain) in issue(host, coordinator, *generation, wanted, ca, clock).await?
            {
                if keep.contains(&profile) {
                    perform(Deed::Keep(File::Leaf(profile))).await?;
                    failpoint!("leaf.before-kept");
                }
                let chain = chain.iter().map(|certificate| certificate.to_vec()).collect();
                perform(Deed::InstallLeaf { profile, chain }).await?;
                failpoint!("leaf.replaced");
            }
        }
        Step::PutBack { subject, .. } => perform(Deed::PutBack(subject.file())).await?,
        Step::EraseBefore(subject) => {
            perform(Deed::EraseBefore(subject.file())).await?;
            failpoint!("leaf.before-erased");
        }
        Step::RememberStarted { token } => memory.remember_started(token)?,
        Step::Do(deed) => perform(deed.clone()).await?,
    }
    Ok(())
}
