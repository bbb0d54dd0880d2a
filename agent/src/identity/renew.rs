//! The next identity: a new key, certified over the stream that stands, and installed as the next generation (docs/PROTOCOL.md, Staying).
//!
//! Called by `link::attach`, which then dials with it; the generation before stays on disk until the new stream stands. A power cut
//! anywhere is harmless: the coordinator takes both until the new one is used, and a pending key asked for again gets its answer again.

use std::time::Duration;

use pilaster_common::clock::Timestamp;
use pilaster_common::error::Help;
use pilaster_common::failpoint;
use pilaster_common::secret::KeyError;
use pilaster_proto::agent::v1 as pb;
use pilaster_proto::agent::v1::agent_client::AgentClient;
use tokio::time::timeout;
use tonic::Code;
use tonic::transport::Channel;

use super::files::{Folder, Identity, IdentityError};
use super::reply::{self, BadReply};
use crate::config::{MESSAGE_BYTES_MAX, RENEW_DEADLINE};
use crate::link::reason;

/// Why there is no new identity.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RenewError {
    #[error(transparent)]
    Folder(#[from] IdentityError),
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("the coordinator did not sign within {} s", .0.as_secs())]
    Deadline(Duration),
    #[error("the coordinator refused to sign: {}", reason(.0))]
    Refused(tonic::Status),
    #[error("the coordinator's answer is refused")]
    Reply(#[from] BadReply),
}

impl Help for RenewError {}

/// Gets the identity that follows `identity` from the coordinator at `address`, over `channel`, and makes it the current one.
pub(crate) async fn renew(
    folder: &Folder,
    identity: &Identity,
    (channel, address): (Channel, &str),
    now: Timestamp,
) -> Result<Identity, RenewError> {
    let mut key = folder.pending_key()?;
    if key.public_key() == identity.pair.key().public_key() {
        folder.forget_pending_key()?; // left by a power cut after it had come into use
        key = folder.pending_key()?;
    }
    failpoint!("renew.key-on-disk");
    let request = pb::RenewRequest { csr: key.to_csr()? };
    let mut client = AgentClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let reply = timeout(RENEW_DEADLINE, client.renew(request)).await;
    failpoint!("renew.sent"); // the answer has come, or was lost: not looked at yet
    let reply = match reply.map_err(|_| RenewError::Deadline(RENEW_DEADLINE))? {
        Ok(reply) => reply.into_inner(),
        Err(status) => {
            if matches!(status.code(), Code::PermissionDenied | Code::InvalidArgument) {
                folder.forget_pending_key()?; // the next try has another one
            }
            return Err(RenewError::Refused(status));
        }
    };
    let next = match reply::check_renewal(identity, address, key, reply, now) {
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
