//! Mints one-time tokens.

use std::time::Duration;

use pilaster_common::clock::Timestamp;
use pilaster_common::error::Help;
use pilaster_common::name::{ClusterName, NodeName};
use pilaster_common::token::JoinToken;

use crate::store::records::TokenRecord;
use crate::store::{Change, Store, StoreError};

/// Life of a token when nothing is said (IDENTITY.md, Token).
pub const LIFE_DEFAULT: Duration = Duration::from_secs(3600);
/// Longest life of a token.
pub const LIFE_MAX: Duration = Duration::from_secs(24 * 3600);

/// Why no token was minted.
#[derive(Debug, thiserror::Error)]
pub enum InviteError {
    /// Not a life that a token can have.
    #[error("a token cannot be valid for {given} s")]
    Life {
        /// Seconds asked for.
        given: u64,
    },
    /// The node has an identity.
    #[error("{node} has joined {cluster} already")]
    Joined {
        /// The node.
        node: NodeName,
        /// The cluster.
        cluster: ClusterName,
    },
    /// No random bytes.
    #[error("the operating system has no random bytes to give")]
    Random,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Help for InviteError {
    fn help(&self) -> Option<String> {
        match self {
            Self::Life { .. } => Some(format!("give 1s to {}h", LIFE_MAX.as_secs() / 3600)),
            Self::Joined { .. } => Some("see how it is: coordctl status".into()),
            Self::Random => None,
            Self::Store(error) => error.help(),
        }
    }
}

/// Mints a token for one node and keeps what proves it, never the secret.
///
/// # Errors
/// See [`InviteError`].
pub async fn invite(
    store: &Store,
    pin: [u8; 32],
    cluster: &ClusterName,
    node: &NodeName,
    valid_for: Duration,
    now: Timestamp,
) -> Result<(JoinToken, Timestamp), InviteError> {
    if valid_for.is_zero() || valid_for > LIFE_MAX {
        return Err(InviteError::Life { given: valid_for.as_secs() });
    }
    if store.node(cluster, node).await?.is_some() {
        return Err(InviteError::Joined { node: node.clone(), cluster: cluster.clone() });
    }
    let token = JoinToken::generate(pin).map_err(|_| InviteError::Random)?;
    let expires = now.plus(valid_for);
    let record = TokenRecord {
        proof_key: token.proof_key().to_bytes(),
        cluster: cluster.clone(),
        node: node.clone(),
        expires,
        used_by: None,
    };
    store.commit(Change::default().token(&token.id, &record, None)).await?;
    Ok((token, expires))
}
