//! `approve`: lets a node in by an address that the spec does not give it.

use std::net::Ipv4Addr;

use pilaster_common::name::{ClusterName, NodeId};
use serde::{Deserialize, Serialize};

use super::dispatch::{Act, Command, Done, Refused};
use super::which;
use crate::coordinator::Coordinator;
use crate::store::Change;
use crate::store::records::{IdentityRecord, WishesRecord};

/// Approves an address.
#[derive(Debug, Serialize, Deserialize)]
pub struct Approve {
    /// `None` for the only one.
    pub cluster: Option<String>,
    /// A member of the spec.
    pub node: String,
    /// `None`: the one that the node was refused for.
    pub address: Option<Ipv4Addr>,
}

/// An address was approved.
#[derive(Debug, Serialize, Deserialize)]
pub struct Approved {
    /// The cluster.
    pub cluster: ClusterName,
    /// Which address.
    pub address: Ipv4Addr,
}

impl Command for Approve {
    const NAME: &'static str = "approve";
    type Answer = Approved;
}

impl Act for Approve {
    type Target = NodeId;

    async fn target(&self, coordinator: &Coordinator) -> Result<NodeId, Refused> {
        which::member(coordinator, self.cluster.as_deref(), &self.node).await
    }

    async fn act(&self, node: &NodeId, c: &Coordinator) -> Result<Done<Approved>, Refused> {
        if c.store.read::<IdentityRecord>(node).await?.is_some() {
            let help = "an address that changes later needs a change of the cluster's membership";
            return Err(Refused::missing(format!("{} has joined already", node.node), help));
        }
        let address = match self.address {
            Some(address) => address,
            None => refused_address(c, node)?,
        };
        let (present, revision) = c.store.wishes(node).await?;
        let approved = WishesRecord { approved: Some(address), ..present.clone() };
        let change =
            Change::default().expect::<IdentityRecord>(node, None).put(node, &approved, revision);
        c.store.commit(change).await?;
        let before = present.approved.map(|address| address.to_string()).unwrap_or_default();
        let answer = Approved { cluster: node.cluster.clone(), address };
        Ok(Done { before, after: address.to_string(), answer })
    }
}

/// The one address that a node was refused for.
fn refused_address(coordinator: &Coordinator, id: &NodeId) -> Result<Ipv4Addr, Refused> {
    let (refusal, node) = (coordinator.fleet.seen(id).refusal, &id.node);
    match refusal.as_ref().map(|refusal| &refusal.eth0[..]) {
        Some([only]) => Ok(*only),
        Some(several @ [_, _, ..]) => {
            let listed: Vec<String> = several.iter().map(Ipv4Addr::to_string).collect();
            let help = format!("say which one: --address {}", listed.join(" or --address "));
            Err(Refused::missing(format!("{node} has more than one address"), help))
        }
        Some([]) | None => {
            let help = "let it try to join first, or say the address: --address ADDRESS";
            Err(Refused::missing(format!("{node} was not refused for an address"), help))
        }
    }
}
