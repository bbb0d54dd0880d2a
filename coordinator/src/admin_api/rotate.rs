//! `rotate`: asks nodes for new keys and certificates. Notes which serials are to be replaced, and
//! lets the passes do the rest; nothing restarts.
//!
//! Level-triggered: a node renews as long as it holds a serial that is to go, and a serial is never
//! issued twice. How far it is shows [`crate::show::Rotation`].

use std::collections::BTreeSet;

use pilaster_common::name::{ClusterName, NodeName};
use pilaster_common::profile::Profile;
use serde::{Deserialize, Serialize};
use tonic::Code;

use super::dispatch::{Act, Command, Done, Refused};
use super::which;
use crate::coordinator::Coordinator;
use crate::plan::view::NodeView;
use crate::store::Change;
use crate::store::records::WishesRecord;

/// Asks for new keys and certificates.
#[derive(Debug, Serialize, Deserialize)]
pub struct Rotate {
    /// `None` for the only one.
    pub cluster: Option<String>,
    /// None: all that have joined.
    pub nodes: Vec<String>,
    /// None: all of a node's.
    pub profiles: BTreeSet<Profile>,
}

/// What was asked for.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Asked {
    /// The cluster.
    pub cluster: Option<ClusterName>,
    /// What is to be replaced.
    pub certificates: Vec<Certificate>,
    /// Nodes that cannot be asked now, and why.
    pub skipped: Vec<String>,
}

/// A certificate of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Whose it is.
    pub node: NodeName,
    /// Its kind.
    pub profile: Profile,
    /// Hex.
    pub serial: String,
}

impl Command for Rotate {
    const NAME: &'static str = "rotate";
    type Answer = Asked;
}

impl Act for Rotate {
    type Target = ClusterName;

    async fn target(&self, coordinator: &Coordinator) -> Result<ClusterName, Refused> {
        Ok(which::cluster(coordinator, self.cluster.as_deref()).await?.cluster)
    }

    async fn act(&self, cluster: &ClusterName, c: &Coordinator) -> Result<Done<Asked>, Refused> {
        let view = c.observe(cluster).await?;
        let view = view.ok_or_else(|| Refused::missing(format!("{cluster} is gone"), ""))?;
        let joined: Vec<&NodeView> =
            view.nodes.iter().filter(|node| node.identity.is_some()).collect();
        let named = self.named()?;
        let is_known = |name: &NodeName| joined.iter().any(|node| node.id.node == *name);
        if let Some(node) = named.iter().find(|name| !is_known(name)) {
            let cause = format!("{node} is not a member of {cluster} that has joined");
            return Err(Refused::missing(cause, "see who has: coordctl node list"));
        }
        let mut asked = Asked { cluster: Some(cluster.clone()), ..Asked::default() };
        let mut change = Change::default();
        for node in joined {
            let name = &node.id.node;
            if !named.is_empty() && !named.contains(name) {
                continue;
            }
            if node.is_denied() {
                asked.skipped.push(format!("{name} was denied"));
            } else if !node.seen.connected || node.report().is_none() {
                asked.skipped.push(format!("{name} is not connected"));
            } else {
                let mut wishes = node.wishes();
                for (profile, serial) in self.serials(node) {
                    let serial_text = data_encoding::HEXLOWER.encode(&serial);
                    asked.certificates.push(Certificate {
                        node: name.clone(),
                        profile,
                        serial: serial_text,
                    });
                    wishes.replace.insert(profile, serial);
                }
                let revision = node.wishes.as_ref().map(|(_, revision)| *revision);
                change = change.put::<WishesRecord>(&node.id, &wishes, revision);
            }
        }
        c.store.commit(change).await?;
        let after = format!("{} certificates are to be replaced", asked.certificates.len());
        Ok(Done { before: String::new(), after, answer: asked })
    }
}

impl Rotate {
    fn named(&self) -> Result<Vec<NodeName>, Refused> {
        let named = self.nodes.iter().map(|node| node.parse());
        named.collect::<Result<_, _>>().map_err(|error| Refused::new(Code::InvalidArgument, &error))
    }

    /// The serials that a node holds now, of the wanted profiles.
    fn serials(&self, node: &NodeView) -> Vec<(Profile, Vec<u8>)> {
        let leaves = node.report().into_iter().flat_map(|report| &report.certificates);
        let leaves = leaves.map(|held| (held.profile, held.serial.clone()));
        let identity = node.identity.iter();
        let identity = identity.map(|(record, _)| (Profile::Agent, record.current.serial.clone()));
        let wanted =
            |profile: &Profile| self.profiles.is_empty() || self.profiles.contains(profile);
        leaves.chain(identity).filter(|(profile, _)| wanted(profile)).collect()
    }
}
