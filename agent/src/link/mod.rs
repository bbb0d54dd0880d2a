//! The connection to the coordinator: whom to trust ([`verifier`]), how it is dialled ([`dial()`]), when again ([`backoff`]), the stream
//! of reports and desired states ([`attach`]).

pub(crate) mod attach;
mod backoff;
mod dial;
#[cfg(feature = "tap")]
mod tap;
mod verifier;

pub(crate) use backoff::Backoff;
pub(crate) use dial::{DialError, Purpose, dial, over_tls};
pub(crate) use verifier::{Pins, any_certificate};
