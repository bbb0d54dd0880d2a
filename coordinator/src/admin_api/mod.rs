//! What `coordctl` reaches: a unix socket for root and the group `pilaster`.
//!
//! [`socket`] makes it and says who is there; [`dispatch`] finds the command and writes the audit
//! log, by the command's type: one file each. What is shown of a cluster is made in
//! [`crate::show`]; [`client`] is the other end.

mod apply;
mod approve;
mod client;
mod deny;
mod dispatch;
mod enroll;
mod issue_client;
mod plan;
mod rotate;
mod show;
mod socket;
mod which;

pub use apply::{Applied, Apply};
pub use approve::{Approve, Approved};
pub use client::{Admin, Answers};
pub use deny::{Denied, Deny};
pub use dispatch::{AdminService, Command};
pub use enroll::{Enroll, Invitation};
pub use issue_client::{ClientIdentity, IssueClient};
pub use plan::PlanSpec;
pub use rotate::{Asked, Certificate, Rotate};
pub use show::Show;
pub use socket::{SocketError, check_peer, listen};
