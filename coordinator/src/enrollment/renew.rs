//! Renews an agent's identity with two slots (docs/PROTOCOL.md, Staying): the new one is *pending* until its first use, which makes it the
//! *current* one and ends the one before. A lost reply is harmless, and an old copy is cut off.
//!
//! Names are made anew from the spec, never copied from the old certificate (promise 2).

use pilaster_common::certificate::{self, BadCertificate};
use pilaster_common::clock::Timestamp;
use pilaster_common::error::Help;
use pilaster_common::failpoint;
use pilaster_common::name::{ClusterName, NodeName};
use rustls_pki_types::CertificateDer;

use super::join::identity_record;
use crate::ca::issue;
use crate::ca::sign::{Authority, SignError};
use crate::store::records::{KeyRecord, NodeRecord};
use crate::store::{Change, Store, StoreError};

/// Why no identity was renewed.
#[derive(Debug, thiserror::Error)]
pub enum RenewError {
    /// The node has gone from the spec or from the store.
    #[error("{node} is not a node of {cluster} any more")]
    Gone {
        /// The node.
        node: NodeName,
        /// The cluster.
        cluster: ClusterName,
    },
    /// The key has been used before.
    #[error("the key is known already: each identity has a key of its own")]
    KnownKey,
    /// The CSR.
    #[error(transparent)]
    Request(#[from] BadCertificate),
    /// Signing.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Help for RenewError {}

/// Which slot a certificate is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot {
    /// It is in use.
    Current,
    /// This is its first use.
    Pending,
    /// It is in none: an old copy, or another node's.
    None,
}

/// The slot of the certificate with this serial.
pub fn slot_of(record: &NodeRecord, serial: &[u8]) -> Slot {
    if record.current.serial == serial {
        Slot::Current
    } else if record.pending.as_ref().is_some_and(|pending| pending.serial == serial) {
        Slot::Pending
    } else {
        Slot::None
    }
}

/// `record` after the first use of its pending identity.
pub fn promoted(record: NodeRecord) -> NodeRecord {
    match record.pending {
        Some(pending) => {
            NodeRecord { current: pending, pending: None, sequence: record.sequence + 1, ..record }
        }
        None => record,
    }
}

/// Signs a new key of a node whose identity the handshake has verified. The same key again gets the same answer.
///
/// # Errors
/// See [`RenewError`].
pub async fn renew(
    store: &Store,
    control: &Authority,
    installation: &str,
    (cluster, node): (&ClusterName, &NodeName),
    csr: &[u8],
    now: Timestamp,
) -> Result<CertificateDer<'static>, RenewError> {
    let gone = || RenewError::Gone { node: node.clone(), cluster: cluster.clone() };
    let key = certificate::read_request(csr)?;
    let key_hash = certificate::key_hash(&key);
    let (record, revision) = store.node(cluster, node).await?.ok_or_else(gone)?;
    if let Some(pending) = record.pending.as_ref().filter(|pending| pending.key_hash == key_hash) {
        return Ok(pending.certificate.clone().into());
    }
    if store.public_key(&key_hash).await?.is_some() {
        return Err(RenewError::KnownKey);
    }
    let spec =
        store.spec(cluster).await?.filter(|spec| spec.member(node).is_some()).ok_or_else(gone)?;
    let certificate = control.sign(&issue::identity(installation, &spec, node, now), &key)?;
    let pending = Some(identity_record(certificate.clone(), key_hash)?);
    let owner = KeyRecord { cluster: cluster.clone(), node: node.clone() };
    let change = Change::default()
        .node(cluster, node, &NodeRecord { pending, ..record }, Some(revision))
        .public_key(&key_hash, &owner);
    failpoint!("renew.decided");
    store.commit(change).await?;
    failpoint!("renew.committed");
    Ok(certificate)
}
