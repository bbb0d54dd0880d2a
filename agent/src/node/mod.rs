//! Words that all rooms use: how long to be patient ([`Patience`]), whether a chain holds
//! ([`check_chain`]) and has served ([`has_served`]), whom to trust ([`Pins`]), and TLS over a
//! stream of our own ([`tls`]).
//!
//! Imports no other room.

mod chain;
mod due;
mod patience;
mod pins;
pub(crate) mod tls;

pub(crate) use chain::{BadChain, check_chain};
pub(crate) use due::has_served;
pub(crate) use patience::Patience;
pub(crate) use pins::Pins;

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
