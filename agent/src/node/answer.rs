//! A question to the coordinator with a deadline, and what is told where no error has a type.

use std::future::Future;
use std::time::Duration;

use pilaster_common::clock::Clock;
use pilaster_common::error::Told;
use pilaster_proto::client::CallError;
use tonic::Status;

/// What the coordinator answers within `limit`.
pub(crate) async fn answer<T>(
    limit: Duration,
    clock: &dyn Clock,
    question: impl Future<Output = Result<T, CallError>>,
) -> Result<T, CallError> {
    let silence = || Status::deadline_exceeded(format!("no answer within {} s", limit.as_secs()));
    clock.within(limit, question).await.unwrap_or_else(|| Err(silence().into()))
}

/// What is told of something that is no error of a type of its own.
pub(crate) fn told(
    what: impl Into<String>,
    cause: impl Into<String>,
    help: impl Into<String>,
) -> Told {
    Told { what: what.into(), cause: cause.into(), help: help.into(), ..Told::default() }
}
