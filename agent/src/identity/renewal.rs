//! The next identity: a new key, certified over the stream that stands, and installed as the next
//! generation (docs/PROTOCOL.md, Staying).
//!
//! Called by `link::keeper`, which then dials with it; the generation before stays on disk until
//! the new stream stands. A power cut anywhere is harmless: the coordinator takes both until the
//! new one is used, and a pending key asked for again gets its answer again.

use std::time::Duration;

use pilaster_common::certificate::CertificateFacts;
use pilaster_common::clock::{Clock, Timestamp};
use pilaster_common::endpoint::Endpoint;
use pilaster_common::error::Help;
use pilaster_common::failpoint;
use pilaster_common::secret::KeyError;
use pilaster_proto::client::{CallError, Coordinator};
use pilaster_proto::desired::WantedIdentity;
use pilaster_proto::enrollment::RenewRequest;
use tonic::Code;

use super::folder::{Folder, Identity, IdentityError};
use super::reply::{self, BadReply};
use crate::node::{answer, has_served};

/// One signature and one durable commit.
const RENEW_DEADLINE: Duration = Duration::from_secs(15);

/// Why there is no new identity.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RenewError {
    #[error(transparent)]
    Folder(#[from] IdentityError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("the coordinator did not sign: {0}")]
    Call(#[from] CallError),
    #[error("the coordinator's answer is refused")]
    Reply(#[from] BadReply),
}

impl Help for RenewError {}

/// Whether the identity is to be renewed; after two thirds of its life before the first desired
/// state.
pub(crate) fn is_due(
    wanted: Option<&WantedIdentity>,
    held: &CertificateFacts,
    now: Timestamp,
) -> bool {
    match wanted {
        Some(WantedIdentity { renew_before, replace_serial }) => {
            has_served(*renew_before, replace_serial.as_deref(), held, now)
        }
        None => has_served(held.not_after.since(held.not_before) / 3, None, held, now),
    }
}

/// Gets the identity that follows `identity` from the coordinator, which answers at `address`, and
/// makes it the current one.
pub(crate) async fn renew(
    folder: &Folder,
    identity: &Identity,
    (coordinator, address): (&Coordinator, &Endpoint),
    clock: &dyn Clock,
) -> Result<Identity, RenewError> {
    let mut key = folder.pending_key()?;
    if key.public_key() == identity.pair.key().public_key() {
        folder.forget_pending_key()?; // left by a power cut after it had come into use
        key = folder.pending_key()?;
    }
    failpoint!("renew.key-on-disk");
    let request = RenewRequest { csr: key.to_csr()? };
    let given = answer(RENEW_DEADLINE, clock, coordinator.renew(request)).await;
    failpoint!("renew.sent"); // the answer has come, or was lost: not looked at yet
    if given.as_ref().is_err_and(is_about_the_key) {
        folder.forget_pending_key()?; // the next try has another one
    }
    let next = match reply::check_renewal(identity, address, key, given?, clock.now()) {
        Ok(next) => next,
        Err(error) => {
            folder.forget_pending_key()?; // the same key would get the same answer
            return Err(error.into());
        }
    };
    folder.write(&next)?;
    failpoint!("renew.identity-written");
    folder.make_current(next.generation)?;
    failpoint!("renew.identity-swapped");
    folder.forget_pending_key()?;
    Ok(next)
}

/// Whether the same key would get the same answer.
fn is_about_the_key(error: &CallError) -> bool {
    match error {
        CallError::Message(_) => true,
        CallError::Status(status) => {
            matches!(status.code(), Code::PermissionDenied | Code::InvalidArgument)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{leaf, now};

    #[test]
    fn an_identity_is_renewed_at_two_thirds_before_the_coordinator_says_when() {
        const DAY: Duration = Duration::from_secs(86_400);
        let due = |age: u32| {
            let not_before = now().minus(age * DAY);
            is_due(None, &CertificateFacts { not_before, ..leaf(7, (90 - age) * DAY) }, now())
        };
        assert!(!due(55) && due(65));
    }
}
