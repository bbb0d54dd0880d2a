//! Mints one-time tokens.

use std::time::Duration;

use pilaster_common::clock::Timestamp;
use pilaster_common::error::Help;
use pilaster_common::name::{ClusterName, NodeName};
use pilaster_common::token::JoinToken;

use crate::store::records::{Phase, Purpose, TokenRecord};
use crate::store::{Change, Store, StoreError};

/// Life of a token when nothing is said (docs/PROTOCOL.md, Token).
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
    /// A person said no.
    #[error("{node} was denied")]
    Denied {
        /// The node.
        node: NodeName,
    },
    /// The member would have to be replaced, not only its identity.
    #[error("{cluster} has formed: a new card for {node} is a new member of etcd")]
    Formed {
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
            Self::Joined { node, .. } => Some(format!(
                "if its card was lost or written anew: coordctl enroll {node} --replace"
            )),
            Self::Denied { .. } => {
                Some("give the host another name, and that one to the spec".into())
            }
            Self::Formed { .. } => {
                Some("replacing a member of a formed cluster comes later; the others go on".into())
            }
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
    (cluster, node): (&ClusterName, &NodeName),
    purpose: Purpose,
    valid_for: Duration,
    now: Timestamp,
) -> Result<(JoinToken, Timestamp), InviteError> {
    if valid_for.is_zero() || valid_for > LIFE_MAX {
        return Err(InviteError::Life { given: valid_for.as_secs() });
    }
    let joined = store.node(cluster, node).await?;
    let (node_name, cluster_name) = (node.clone(), cluster.clone());
    if joined.as_ref().is_some_and(|(record, _)| record.denied.is_some()) {
        return Err(InviteError::Denied { node: node_name });
    }
    if joined.is_some() && purpose == Purpose::New {
        return Err(InviteError::Joined { node: node_name, cluster: cluster_name });
    }
    if purpose == Purpose::Replace {
        let gathering =
            store.formation(cluster).await?.is_some_and(|(f, _)| f.phase == Phase::Gathering);
        if !gathering {
            return Err(InviteError::Formed { node: node_name, cluster: cluster_name });
        }
    }
    let token = JoinToken::generate(pin).map_err(|_| InviteError::Random)?;
    let expires = now.plus(valid_for);
    let record = TokenRecord {
        proof_key: token.proof_key().to_bytes(),
        cluster: cluster.clone(),
        node: node.clone(),
        purpose,
        expires,
        used_by: None,
    };
    store.commit(Change::default().token(&token.id, &record, None)).await?;
    Ok((token, expires))
}
