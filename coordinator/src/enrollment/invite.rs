//! Mints one-time tokens.

use std::time::Duration;

use pilaster_common::clock::Timestamp;
use pilaster_common::error::Help;
use pilaster_common::name::NodeId;
use pilaster_common::token::JoinToken;

use crate::store::records::{
    FormationRecord, IdentityRecord, Phase, Purpose, TokenRecord, WishesRecord,
};
use crate::store::{Change, Store, StoreError};

/// Longest life of a token.
pub(crate) const LIFE_MAX: Duration = Duration::from_secs(24 * 3600);

/// Why no token was minted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InviteError {
    /// Not a life that a token can have.
    #[error("a token cannot be valid for {given} s")]
    Life { given: u64 },
    /// The node has an identity.
    #[error("{} has joined {} already", .0.node, .0.cluster)]
    Joined(NodeId),
    /// A person said no.
    #[error("{} was denied", .0.node)]
    Denied(NodeId),
    /// The member would have to be replaced, not only its identity.
    #[error("{} has formed: a new card for {} is a new member of etcd", .0.cluster, .0.node)]
    Formed(NodeId),
    /// No random bytes.
    #[error("the operating system has no random bytes to give")]
    Random,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Help for InviteError {
    fn help(&self) -> Option<String> {
        match self {
            Self::Life { .. } => Some(format!("give 1s to {}h", LIFE_MAX.as_secs() / 3600)),
            Self::Joined(NodeId { node, .. }) => Some(format!(
                "if its card was lost or written anew: coordctl enroll {node} --replace"
            )),
            Self::Denied(_) => Some("give the host another name, and that one to the spec".into()),
            Self::Formed(_) => {
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
pub(crate) async fn invite(
    store: &Store,
    pin: [u8; 32],
    node: &NodeId,
    purpose: Purpose,
    valid_for: Duration,
    now: Timestamp,
) -> Result<(JoinToken, Timestamp), InviteError> {
    if valid_for.is_zero() || valid_for > LIFE_MAX {
        return Err(InviteError::Life { given: valid_for.as_secs() });
    }
    let wishes = store.read::<WishesRecord>(node).await?;
    if wishes.is_some_and(|(wishes, _)| wishes.denied.is_some()) {
        return Err(InviteError::Denied(node.clone()));
    }
    if purpose == Purpose::New && store.read::<IdentityRecord>(node).await?.is_some() {
        return Err(InviteError::Joined(node.clone()));
    }
    if purpose == Purpose::Replace {
        let formation = store.read::<FormationRecord>(&node.cluster).await?;
        if formation.is_none_or(|(record, _)| record.phase != Phase::Gathering) {
            return Err(InviteError::Formed(node.clone()));
        }
    }
    let token = JoinToken::generate(pin).map_err(|_| InviteError::Random)?;
    let expires = now.plus(valid_for);
    let record = TokenRecord {
        proof_key: token.proof_key().to_bytes(),
        node: node.clone(),
        purpose,
        expires,
        used_by: None,
    };
    store.commit(Change::default().put(&token.id, &record, None)).await?;
    Ok((token, expires))
}
