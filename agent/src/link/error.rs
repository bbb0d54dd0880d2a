//! Why there is no stream.

use std::time::Duration;

use pilaster_common::error::{Code as ErrorCode, Help, code};
use pilaster_proto::status::reason;
use tonic::{Code, Status};

use super::dial::DialError;
use crate::identity::{IdentityError, RenewError};

/// Why a stream ended or did not begin.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("the coordinator says: {}", reason(.0))]
    Refused(Box<Status>),
    #[error("the coordinator did not answer within {} s", .0.as_secs())]
    Deadline(Duration),
    #[error("the stream ended")]
    Ended,
    #[error("the daemon is ending")]
    Stopping,
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error(transparent)]
    Renew(#[from] RenewError),
}

impl LinkError {
    /// Whether the coordinator wants nothing to do with this identity, now and the next time.
    pub(super) fn is_refusal(&self) -> bool {
        let code = if let Self::Refused(status) = self { status.code() } else { Code::Ok };
        matches!(code, Code::PermissionDenied | Code::Unauthenticated)
    }
}

impl Help for LinkError {
    fn help(&self) -> Option<String> {
        Some("ask there how this node stands: coordctl node list; a new token lets it in again: coordctl enroll NODE".into())
    }

    fn code(&self) -> ErrorCode {
        if self.is_refusal() { code::REFUSED } else { code::IDENTITY_ENDED }
    }
}
