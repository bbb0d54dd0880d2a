//! The nodes of a cluster: who has an identity, and until when.

use pilaster_common::name::{ClusterName, NodeName};
use serde::{Deserialize, Serialize};

use super::{Shown, Sight, api_version};
use crate::plan::view::NodeView;

/// A cluster's nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Nodes {
    /// `pilaster/v1`.
    pub api_version: String,
    /// Its name.
    pub cluster: ClusterName,
    /// In the spec's order.
    pub nodes: Vec<NodeIdentity>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeIdentity {
    /// Its name.
    pub name: NodeName,
    /// By which it is known.
    pub address: Option<String>,
    /// How it stands.
    pub state: NodeStanding,
    /// When it joined, as a date.
    pub joined: Option<String>,
    /// When its identity ends, as a date.
    pub identity_ends: Option<String>,
    /// Whether a newer identity was issued and not used yet.
    pub renewing: bool,
}

/// How a node stands with the coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum NodeStanding {
    Denied,
    Connected,
    NotConnected,
    Refused,
    NotJoined,
}

impl Shown for Nodes {
    const NAME: &'static str = "nodes";

    fn of(&Sight { view, .. }: &Sight<'_>) -> Self {
        let cluster = view.cluster.0.spec.cluster.clone();
        let nodes = view.nodes.iter().map(NodeIdentity::new).collect();
        Self { api_version: api_version(), cluster, nodes }
    }
}

impl NodeIdentity {
    fn new(node: &NodeView) -> Self {
        let identity = node.identity.as_ref().map(|(record, _)| record);
        let seen = &node.seen;
        let state = match (node.is_denied(), identity.is_some()) {
            (true, _) => NodeStanding::Denied,
            (false, true) if seen.connected => NodeStanding::Connected,
            (false, true) => NodeStanding::NotConnected,
            (false, false) if seen.refusal.is_some() => NodeStanding::Refused,
            (false, false) => NodeStanding::NotJoined,
        };
        Self {
            name: node.id.node.clone(),
            address: node.address().map(|address| address.to_string()),
            state,
            joined: identity.map(|identity| identity.joined.date()),
            identity_ends: identity.map(|identity| identity.current.not_after.date()),
            renewing: identity.is_some_and(|identity| identity.pending.is_some()),
        }
    }
}
