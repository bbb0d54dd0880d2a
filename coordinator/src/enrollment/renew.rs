//! Renews an agent's identity with two slots (docs/PROTOCOL.md, Staying): the new one is *pending*
//! until its first use, which makes it the *current* one and ends the one before. A lost reply is
//! harmless, and an old copy is cut off.
//!
//! Names are made anew from the spec, never copied from the old certificate (promise 2).

use pilaster_common::certificate::{self, BadCertificate};
use pilaster_common::clock::Timestamp;
use pilaster_common::error::Help;
use pilaster_common::failpoint;
use pilaster_common::name::NodeId;
use rustls_pki_types::CertificateDer;

use super::join::issued;
use crate::ca::issue;
use crate::ca::sign::{Authority, SignError};
use crate::store::records::{IdentityRecord, KeyRecord, WishesRecord};
use crate::store::{Change, Revised, Store, StoreError};

/// Why no identity was renewed.
#[derive(Debug, thiserror::Error)]
pub enum RenewError {
    /// The node has gone from the spec or from the store.
    #[error("{} is not a node of {} any more", .0.node, .0.cluster)]
    Gone(NodeId),
    /// The key has been used before.
    #[error("the key is known already: each identity has a key of its own")]
    KnownKey,
    #[error(transparent)]
    Request(#[from] BadCertificate),
    #[error(transparent)]
    Sign(#[from] SignError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Help for RenewError {}

/// Which slot a certificate is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    /// It is in use.
    Current,
    /// This is its first use.
    Pending,
    /// It is in none: an old copy, or another node's.
    None,
}

/// The slot of the certificate with this serial.
pub(crate) fn slot_of(record: &IdentityRecord, serial: &[u8]) -> Slot {
    if record.current.serial == serial {
        Slot::Current
    } else if record.pending.as_ref().is_some_and(|pending| pending.serial == serial) {
        Slot::Pending
    } else {
        Slot::None
    }
}

/// `record` after the first use of its pending identity.
fn promoted(record: IdentityRecord) -> IdentityRecord {
    match record.pending {
        Some(current) => {
            let sequence = record.sequence + 1;
            IdentityRecord { current, pending: None, sequence, ..record }
        }
        None => record,
    }
}

/// Notes the first use of a node's pending identity, which makes it the current one. Whoever was
/// faster has noted it, or has changed the record in another way: then the next message is checked
/// again.
///
/// # Errors
/// The store failed.
pub(crate) async fn promote(
    store: &Store,
    node: &NodeId,
    (record, revision): Revised<IdentityRecord>,
) -> Result<(), StoreError> {
    match store.commit(Change::default().put(node, &promoted(record), Some(revision))).await {
        Ok(()) => {
            failpoint!("renew.promoted");
            tracing::info!(%node, "uses its new identity");
            Ok(())
        }
        Err(error) if error.is_conflict() => Ok(()),
        Err(error) => Err(error),
    }
}

/// Signs a new key of a node whose identity the handshake has verified. The same key again gets the
/// same answer.
///
/// # Errors
/// See [`RenewError`].
pub(crate) async fn renew(
    store: &Store,
    control: &Authority,
    node: &NodeId,
    csr: &[u8],
    now: Timestamp,
) -> Result<CertificateDer<'static>, RenewError> {
    let gone = || RenewError::Gone(node.clone());
    let key = certificate::read_request(csr)?;
    let key_hash = certificate::key_hash(&key);
    let (record, revision) = store.read::<IdentityRecord>(node).await?.ok_or_else(gone)?;
    if let Some(pending) = record.pending.as_ref().filter(|pending| pending.key_hash == key_hash) {
        return Ok(pending.certificate.clone().into());
    }
    let (wishes, of_wishes) = store.wishes(node).await?;
    if wishes.denied.is_some() {
        return Err(gone());
    }
    if store.read::<KeyRecord>(&key_hash).await?.is_some() {
        return Err(RenewError::KnownKey);
    }
    let spec = store.spec(&node.cluster).await?;
    let spec = spec.filter(|spec| spec.member(&node.node).is_some()).ok_or_else(gone)?;
    let leaf = issue::identity(&store.installation().id, &spec, &node.node, now);
    let certificate = control.sign(&leaf, &key)?;
    let pending = Some(issued(certificate.clone(), key_hash)?);
    let change = Change::default()
        .put(node, &IdentityRecord { pending, ..record }, Some(revision))
        .put(&key_hash, &KeyRecord { node: node.clone() }, None)
        .expect::<WishesRecord>(node, of_wishes);
    failpoint!("renew.decided");
    store.commit(change).await?;
    failpoint!("renew.committed");
    Ok(certificate)
}
