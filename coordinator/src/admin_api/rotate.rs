//! Asks nodes for new keys and certificates: notes which serials are to be replaced, and lets the passes do the rest.
//!
//! Level-triggered: a node renews as long as it holds a serial that is to go, and a serial is never issued twice.

use std::collections::BTreeSet;

use pilaster_common::error::Help;
use pilaster_common::name::{ClusterName, NodeName};
use pilaster_common::profile::Profile;

use crate::coordinator::Coordinator;
use crate::plan::view::Report;
use crate::store::records::NodeRecord;
use crate::store::{Change, StoreError};

/// Why nothing was asked for.
#[derive(Debug, thiserror::Error)]
pub(super) enum RotateError {
    /// Not a member.
    #[error("{node} is not a member of {cluster} that has joined")]
    Unknown {
        /// The node.
        node: NodeName,
        /// The cluster.
        cluster: ClusterName,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Help for RotateError {
    fn help(&self) -> Option<String> {
        match self {
            Self::Unknown { .. } => Some("see who has: coordctl node list".into()),
            Self::Store(error) => error.help(),
        }
    }
}

/// What was asked for.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// Node, profile and the serial that goes.
    pub(super) rotating: Vec<(NodeName, Profile, Vec<u8>)>,
    /// Nodes that cannot be asked now, and why.
    pub(super) skipped: Vec<String>,
}

/// Asks `nodes` (none: all that have joined) for new certificates of `profiles` (none: all).
///
/// # Errors
/// See [`RotateError`]; then nothing was asked for.
pub(super) async fn rotate(
    coordinator: &Coordinator,
    cluster: &ClusterName,
    nodes: &[NodeName],
    profiles: &BTreeSet<Profile>,
) -> Result<Asked, RotateError> {
    let records = coordinator.store.nodes(cluster).await?;
    if let Some(node) = nodes.iter().find(|node| !records.iter().any(|(name, _)| name == *node)) {
        return Err(RotateError::Unknown { node: node.clone(), cluster: cluster.clone() });
    }
    let mut asked = Asked::default();
    let mut change = Change::default();
    for (node, (record, revision)) in
        records.iter().filter(|(name, _)| nodes.is_empty() || nodes.contains(name))
    {
        let seen = coordinator.fleet.seen(cluster, node);
        let report = seen.report.map(|(report, _)| report).filter(|_| seen.connected);
        match (record.denied, report) {
            (Some(_), _) => asked.skipped.push(format!("{node} was denied")),
            (None, None) => asked.skipped.push(format!("{node} is not connected")),
            (None, Some(report)) => {
                let goes = serials(record, &report, profiles);
                let replace =
                    record.replace.clone().into_iter().chain(goes.iter().cloned()).collect();
                asked.rotating.extend(
                    goes.into_iter().map(|(profile, serial)| (node.clone(), profile, serial)),
                );
                change = change.node(
                    cluster,
                    node,
                    &NodeRecord { replace, ..record.clone() },
                    Some(*revision),
                );
            }
        }
    }
    coordinator.store.commit(change).await?;
    coordinator.wake.cluster(cluster);
    Ok(asked)
}

/// The serials that a node holds now, of the wanted profiles.
fn serials(
    record: &NodeRecord,
    report: &Report,
    profiles: &BTreeSet<Profile>,
) -> Vec<(Profile, Vec<u8>)> {
    let wanted = |profile: &Profile| profiles.is_empty() || profiles.contains(profile);
    let leaves = report.certificates.iter().map(|held| (held.profile, held.serial.clone()));
    let identity = (Profile::Agent, record.current.serial.clone());
    leaves.chain([identity]).filter(|(profile, _)| wanted(profile)).collect()
}
