//! An error between the programs: its message is the cause, its details are all of it.

use std::error::Error;

use pilaster_common::error::{Told, causes};
use prost::Message;
use tonic::{Code, Status};

use crate::agent::v1 as pb;
use crate::checked::BadMessage;

/// As a status.
pub fn to_status(code: Code, told: Told) -> Status {
    let cause = told.cause.clone();
    Status::with_details(code, cause, pb::Problem::from(told).encode_to_vec().into())
}

/// What a status tells, as the cause of `what`; without help where the other side gave none.
pub fn told(what: impl Into<String>, status: &Status) -> Told {
    let details =
        pb::Problem::decode(status.details()).ok().filter(|_| !status.details().is_empty());
    let Told { code, help, .. } = details.map(Told::from).unwrap_or_default();
    Told { code, what: what.into(), cause: reason(status), help }
}

/// What a status says, and what lies below it, without gRPC's own words for its code.
pub fn reason(status: &Status) -> String {
    match status.source() {
        Some(below) => format!("{}: {}", status.message(), causes(below)),
        None => status.message().to_owned(),
    }
}

impl From<BadMessage> for Status {
    fn from(error: BadMessage) -> Self {
        to_status(Code::InvalidArgument, Told::new("cannot understand the message", &error))
    }
}

#[cfg(test)]
mod tests {
    use pilaster_common::error::code;

    use super::*;

    #[test]
    fn an_error_travels_with_its_help_and_its_code() {
        let sent = Told {
            code: code::NOT_JOINED,
            what: "there".into(),
            cause: "because".into(),
            help: "do this".into(),
        };
        let status = to_status(Code::NotFound, sent.clone());
        assert_eq!(status.message(), "because");
        assert_eq!(told("here", &status), Told { what: "here".into(), ..sent });
        let plain = told("here", &Status::internal("why"));
        assert_eq!((plain.cause.as_str(), plain.help.as_str()), ("why", ""));
    }
}
