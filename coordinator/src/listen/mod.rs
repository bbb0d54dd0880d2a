//! Listening, once for every port: whoever listens says what it does with a connection, and this
//! room bounds how many there are, for how long a stranger may keep one, and what an address may
//! have.
//!
//! [`bounded`] is the accept loop, [`by_address`] counts, [`tls`] the coordinator's own certificate
//! and TLS as a server does it.

pub mod bounded;
mod by_address;
pub(crate) mod tls;

pub(crate) use bounded::{Bounds, Connection, accept};
pub use bounded::{Incoming, Socket};
pub(crate) use by_address::Place;
