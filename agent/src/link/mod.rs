//! The connection to the coordinator: whom to take for it ([`verifier`]), how it is dialled
//! ([`dial()`]), one stream of reports and desired states ([`stream`]), and which identity and
//! which endpoint it stands on ([`keeper`]).
//!
//! Not here: what is done with a desired state (`reconcile`).

mod dial;
mod error;
mod keeper;
mod stream;
#[cfg(feature = "tap")]
mod tap;
mod verifier;

pub use dial::{BoxedStream, Dial, Stream};
pub(crate) use dial::{Purpose, Tcp, dial};
pub(crate) use keeper::{Link, LinkWires};
pub(crate) use stream::Latest;
