//! Ends a node's identity: from this moment it may not speak, and its keys never get another one.
//!
//! Closing the streams that stand is the caller's: the store comes first, so that a crash in between ends them at their next message.

use pilaster_common::clock::Timestamp;
use pilaster_common::error::Help;
use pilaster_common::name::{ClusterName, NodeName};

use crate::store::records::NodeRecord;
use crate::store::{Change, Store, StoreError};

/// Why a node was not denied.
#[derive(Debug, thiserror::Error)]
pub enum DenyError {
    /// It has no identity.
    #[error("{node} has not joined {cluster}: there is nothing to deny")]
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

impl Help for DenyError {
    fn help(&self) -> Option<String> {
        match self {
            Self::Unknown { .. } => Some("see who has: coordctl node list".into()),
            Self::Store(error) => error.help(),
        }
    }
}

/// Denies a node; one that was denied stays so.
///
/// # Errors
/// See [`DenyError`].
pub async fn deny(
    store: &Store,
    cluster: &ClusterName,
    node: &NodeName,
    now: Timestamp,
) -> Result<(), DenyError> {
    let unknown = || DenyError::Unknown { node: node.clone(), cluster: cluster.clone() };
    let (record, revision) = store.node(cluster, node).await?.ok_or_else(unknown)?;
    if record.denied.is_some() {
        return Ok(());
    }
    let record = NodeRecord { denied: Some(now), pending: None, ..record };
    Ok(store.commit(Change::default().node(cluster, node, &record, Some(revision))).await?)
}
