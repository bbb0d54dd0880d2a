//! `enroll`: mints a one-time token for one node of one cluster.

use std::time::Duration;

use pilaster_common::clock::Timestamp;
use pilaster_common::endpoint::Endpoint;
use pilaster_common::name::{ClusterName, InterfaceName, NodeId};
use serde::{Deserialize, Serialize};
use tonic::Code;

use super::dispatch::{Act, Command, Done, Refused};
use super::which;
use crate::coordinator::Coordinator;
use crate::enrollment::invite::{InviteError, invite};
use crate::repository::PackageSource;
use crate::spec::MemberSpec;
use crate::store::records::Purpose;

/// Lets a node in.
#[derive(Debug, Serialize, Deserialize)]
pub struct Enroll {
    /// `None` for the only one.
    pub cluster: Option<String>,
    /// A member of the spec.
    pub node: String,
    /// How long the token is good.
    pub valid_for: Duration,
    /// Its card was lost or written anew: the new identity takes the old one's place.
    pub replace: bool,
}

/// What a node needs to get in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Invitation {
    /// Its cluster.
    pub cluster: ClusterName,
    /// Shown once, kept nowhere.
    pub token: String,
    /// When the token ends.
    pub expires: Timestamp,
    /// What the agent may dial, best first.
    pub endpoints: Vec<Endpoint>,
    /// Where there are packages.
    pub packages: Option<PackageSource>,
    /// The node's in the spec, where it is not the agent's default.
    pub interface: Option<InterfaceName>,
}

impl Command for Enroll {
    const NAME: &'static str = "enroll";
    type Answer = Invitation;
}

impl Act for Enroll {
    type Target = NodeId;

    async fn target(&self, coordinator: &Coordinator) -> Result<NodeId, Refused> {
        which::member(coordinator, self.cluster.as_deref(), &self.node).await
    }

    async fn act(&self, node: &NodeId, c: &Coordinator) -> Result<Done<Invitation>, Refused> {
        let spec = which::cluster(c, Some(node.cluster.as_ref())).await?;
        let purpose = if self.replace { Purpose::Replace } else { Purpose::New };
        let pin = c.control.pin();
        let (token, expires) =
            invite(&c.store, pin, node, purpose, self.valid_for, c.now()).await?;
        let endpoints = c.endpoints.for_network(spec.network);
        let packages = c.offer.as_ref().and_then(|offer| offer.to_source(&endpoints));
        let interface = spec.member(&node.node).and_then(MemberSpec::own_interface).cloned();
        let (cluster, token) = (node.cluster.clone(), token.reveal().to_string());
        let answer = Invitation { cluster, token, expires, endpoints, packages, interface };
        let after = format!("a token until {expires}");
        Ok(Done { before: String::new(), after, answer })
    }
}

impl From<InviteError> for Refused {
    fn from(error: InviteError) -> Self {
        match error {
            InviteError::Store(error) => error.into(),
            error => Self::new(Code::FailedPrecondition, &error),
        }
    }
}
