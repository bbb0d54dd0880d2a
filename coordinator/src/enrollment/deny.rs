//! Ends a node's identity: from this moment it may not speak, and its keys never get another one.
//!
//! Closing the streams that stand is the caller's: the store comes first, so that a crash in
//! between ends them at their next message.

use pilaster_common::clock::Timestamp;
use pilaster_common::error::Help;
use pilaster_common::name::NodeId;

use crate::store::records::{IdentityRecord, WishesRecord};
use crate::store::{Change, Store, StoreError};

/// Why a node was not denied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DenyError {
    /// It has no identity.
    #[error("{node} has not joined: there is nothing to deny")]
    Unknown { node: NodeId },
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
pub(crate) async fn deny(store: &Store, node: &NodeId, now: Timestamp) -> Result<(), DenyError> {
    let identity = store.read::<IdentityRecord>(node).await?;
    let (_, revision) = identity.ok_or_else(|| DenyError::Unknown { node: node.clone() })?;
    let (wishes, of_wishes) = store.wishes(node).await?;
    if wishes.denied.is_some() {
        return Ok(());
    }
    let denied = WishesRecord { denied: Some(now), ..wishes };
    // of the identity that is seen here: one that takes its place meanwhile is another one to deny
    let change = Change::default()
        .expect::<IdentityRecord>(node, Some(revision))
        .put(node, &denied, of_wishes);
    Ok(store.commit(change).await?)
}
