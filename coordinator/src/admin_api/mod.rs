//! What `coordctl` reaches: a unix socket for root and the group `pilaster`. Every act is written to the audit log.
//!
//! [`socket`] makes it and says who is there, [`service`] answers, [`apply`] takes a spec over or plans it ([`plan`], with [`unified`] diffs), [`rotate`] asks for new certificates,
//! [`status`] tells how a cluster is.

mod apply;
pub(crate) mod plan;
mod rotate;
mod service;
mod socket;
mod status;
mod unified;

pub use service::AdminService;
pub use socket::{SocketError, check_peer, listen};
