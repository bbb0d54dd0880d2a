//! What `coordctl` reaches: a unix socket that only the coordinator's own user may open.
//!
//! [`socket`] makes it, [`service`] answers, [`apply`] takes a spec over, [`status`] tells how a cluster is.

mod apply;
mod service;
mod socket;
mod status;

pub use service::AdminService;
pub use socket::{SocketError, listen};
