//! What is shown of a cluster, built once and where the data lives: plain values that travel over
//! the admin API as they are, and that tables, JSON and YAML read alike.
//!
//! How a cluster is ([`Status`]), its [`Certificates`], its nodes' identities ([`Nodes`]), how far
//! the replacement of certificates is ([`Rotation`]), how it is reached ([`Access`]), and what a
//! spec would change ([`Plan`]). All pure: what a pass saw and decided, and the time, in. Not here:
//! how a table looks (`ctl::text`). What nodes have said is kept as it came; whoever prints it
//! makes it harmless for a terminal.

mod access;
mod certificates;
mod nodes;
mod plan;
mod rotation;
mod status;

pub use access::Access;
pub use certificates::{CertificateShown, Certificates};
pub use nodes::{NodeIdentity, NodeStanding, Nodes};
pub use plan::{FileShown, Known, Outcome, Plan, PlannedNode, SettingShown};
pub use rotation::{Rotating, Rotation};
pub use status::{Formation, NodePhase, NodeStatus, Role, Status};

use pilaster_common::clock::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::plan::view::ClusterView;
use crate::plan::{Pass, Wait};

/// What a cluster is shown from.
#[derive(Debug, Clone, Copy)]
pub struct Sight<'a> {
    /// What is recorded and seen of it.
    pub view: &'a ClusterView,
    /// What follows from that.
    pub pass: &'a Pass,
    /// Why the coordinator could not go on, where it could not.
    pub trouble: Option<&'a Wait>,
    /// Now.
    pub now: Timestamp,
}

/// What can be shown of a cluster, once or again whenever it has changed.
pub trait Shown: Serialize + DeserializeOwned + Send + 'static {
    /// Its name as a command.
    const NAME: &'static str;

    /// From what is seen.
    fn of(sight: &Sight<'_>) -> Self;
}

/// Of every view; rises when a field goes or changes its meaning.
fn api_version() -> String {
    "pilaster/v1".into()
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}
