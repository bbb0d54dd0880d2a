//! `node deny`: ends a node's identity for good. Its streams close within a second, and it cannot
//! come back with that key.

use pilaster_common::name::{ClusterName, NodeId};
use serde::{Deserialize, Serialize};
use tonic::Code;

use super::dispatch::{Act, Command, Done, Refused};
use super::which;
use crate::coordinator::Coordinator;
use crate::enrollment::deny::{DenyError, deny};

/// Denies a node.
#[derive(Debug, Serialize, Deserialize)]
pub struct Deny {
    /// `None` for the only one.
    pub cluster: Option<String>,
    /// The node; it may have left the spec.
    pub node: String,
}

/// A node was denied.
#[derive(Debug, Serialize, Deserialize)]
pub struct Denied {
    /// Its cluster.
    pub cluster: ClusterName,
    /// A stream stood, and was closed.
    pub connected: bool,
}

impl Command for Deny {
    const NAME: &'static str = "deny";
    type Answer = Denied;
}

impl Act for Deny {
    type Target = NodeId;

    async fn target(&self, coordinator: &Coordinator) -> Result<NodeId, Refused> {
        Ok(which::node(coordinator, self.cluster.as_deref(), &self.node).await?.0)
    }

    async fn act(&self, node: &NodeId, c: &Coordinator) -> Result<Done<Denied>, Refused> {
        deny(&c.store, node, c.now()).await?;
        let connected = c.fleet.end_stream(node);
        let answer = Denied { cluster: node.cluster.clone(), connected };
        Ok(Done { before: "let in".into(), after: "denied".into(), answer })
    }
}

impl From<DenyError> for Refused {
    fn from(error: DenyError) -> Self {
        match error {
            DenyError::Store(error) => error.into(),
            DenyError::Unknown { .. } => Self::new(Code::NotFound, &error),
        }
    }
}
