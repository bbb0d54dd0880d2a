//! What a pass is made from: every record of a cluster with its revision, and its nodes as seen
//! now.
//!
//! Made whole by [`crate::rollout::observe()`]; nothing in here changes while a pass looks at it.

use std::net::Ipv4Addr;
use std::sync::Arc;

use pilaster_common::clock::Timestamp;
use pilaster_common::endpoint::Endpoint;
use pilaster_common::name::{NodeId, NodeName};
use pilaster_proto::report::Report;

use super::REPORT_AGE_MAX;
use super::wait::Wait;
use crate::ca::vault::Roots;
use crate::store::Revised;
use crate::store::records::{
    ClusterRecord, Configured, FormationRecord, IdentityRecord, StateRecord, WishesRecord,
};

/// A cluster.
#[derive(Debug, Clone)]
pub struct ClusterView {
    /// What a person wants.
    pub cluster: Revised<ClusterRecord>,
    /// How far its formation is.
    pub formation: Revised<FormationRecord>,
    /// One for each member of the spec, in its order.
    pub nodes: Vec<NodeView>,
    /// Nodes with an identity that are not in the spec any more.
    pub gone: Vec<NodeView>,
    /// Its CAs.
    pub roots: Roots,
    /// Where its agents find this coordinator, best first.
    pub endpoints: Vec<Endpoint>,
    /// Of this leadership.
    pub epoch: u64,
    /// What the pass before waited for.
    pub waits: Vec<Wait>,
}

/// A node, as recorded and as seen.
#[derive(Debug, Clone)]
pub struct NodeView {
    /// Which.
    pub id: NodeId,
    /// Who it is; `None` until it has joined.
    pub identity: Option<Revised<IdentityRecord>>,
    /// What it was sent last.
    pub state: Option<Revised<StateRecord>>,
    /// What people want of it.
    pub wishes: Option<Revised<WishesRecord>>,
    /// As it is seen.
    pub seen: Seen,
}

/// A node as it is seen now: since this coordinator started, and no record.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The last report, and when it came.
    pub report: Option<(Arc<Report>, Timestamp)>,
    /// Whether its stream stands.
    pub connected: bool,
    /// Why its last try to join was refused.
    pub refusal: Option<Refusal>,
}

/// Why a node's last try to join was refused, and which addresses it came with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The cause, as the node was told.
    pub why: String,
    /// Global addresses of its eth0: what a person may approve.
    pub eth0: Vec<Ipv4Addr>,
}

impl ClusterView {
    /// The member of this name.
    pub fn node(&self, name: &NodeName) -> Option<&NodeView> {
        self.nodes.iter().find(|node| node.id.node == *name)
    }

    /// The members that have joined, with the address that each is known by, in the spec's order.
    pub fn joined(&self) -> impl Iterator<Item = (&NodeName, Ipv4Addr)> {
        self.nodes.iter().filter_map(|node| Some((&node.id.node, node.address()?)))
    }
}

impl NodeView {
    /// The address that it is known by: what it was sent last, else what it joined with.
    pub fn address(&self) -> Option<Ipv4Addr> {
        let (identity, _) = self.identity.as_ref()?;
        Some(identity.address(self.state.as_ref().map(|(state, _)| state)))
    }

    /// The last report of the card that has joined, and when it came: what another one said before
    /// is not of this node.
    fn heard(&self) -> Option<(&Report, Timestamp)> {
        let (identity, _) = self.identity.as_ref()?;
        let (report, at) = self.seen.report.as_ref()?;
        (*at >= identity.joined).then_some((report, *at))
    }

    /// The last report.
    pub fn report(&self) -> Option<&Report> {
        self.heard().map(|(report, _)| report)
    }

    /// When it came.
    pub fn reported(&self) -> Option<Timestamp> {
        self.heard().map(|(_, at)| at)
    }

    /// The last report, while its stream stands and it is not too old to count.
    pub fn live_report(&self, now: Timestamp) -> Option<&Report> {
        let (report, at) = self.heard()?;
        (self.seen.connected && now.since(at) <= REPORT_AGE_MAX).then_some(report)
    }

    /// What its files say, where it has been told to start.
    pub fn configured(&self) -> Option<&Configured> {
        self.state.as_ref().and_then(|(state, _)| state.configured.as_ref())
    }

    /// What people want of it.
    pub fn wishes(&self) -> WishesRecord {
        self.wishes.as_ref().map(|(wishes, _)| wishes.clone()).unwrap_or_default()
    }

    /// Whether a person denied it.
    pub fn is_denied(&self) -> bool {
        self.wishes.as_ref().is_some_and(|(wishes, _)| wishes.denied.is_some())
    }
}
