//! What agents reach: one listener, TLS 1.3 only, two TLS configurations with routes bound to each (promise 3).
//!
//! [`acceptor`] takes connections from those whom [`trust`] lets through, [`auth`] says who is at the other end, [`wire`] turns messages into our types and back;
//! [`enrollment`] and [`agent`] are the two services.

pub mod acceptor;
mod agent;
mod auth;
mod enrollment;
pub mod trust;
pub mod wire;

pub use agent::AgentService;
pub use enrollment::EnrollmentService;
pub(crate) use enrollment::told;
