//! Does one step. A step names all it needs, so there is no choice left here; one that was cut off
//! is decided again.

use pilaster_common::clock::Clock;
use pilaster_common::failpoint;
use pilaster_common::profile::Profile;
use pilaster_proto::client::Coordinator;
use pilaster_proto::desired::WantedCertificate;

use super::memory::{Accepted, Memory, MemoryError};
use crate::certificates::{Ca, issue};
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

/// Does `step`.
pub(crate) async fn act(
    host: &dyn Host,
    memory: &Memory,
    coordinator: Option<Coordinator>,
    step: &Step,
    clock: &dyn Clock,
) -> Result<(), DeedError> {
    let failed = |error: MemoryError| DeedError::of(&error);
    let perform = async |deed| host.perform(deed).await.map(drop);
    match step {
        Step::Accept(accepted) => memory.accept(*accepted).map_err(failed)?,
        Step::Issue { generation, wanted, ca, keep } => {
            for (profile, chain) in issue(host, coordinator, *generation, wanted, ca, clock)
                .await
                .map_err(|error| DeedError::of(&error))?
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
        Step::RememberStarted { token } => memory.remember_started(token).map_err(failed)?,
        Step::Do(deed) => perform(deed.clone()).await?,
    }
    Ok(())
}
