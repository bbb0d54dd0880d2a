//! Says which node is at the other end, and whether it still may speak: asked with every message
//! (promise 3).

use pilaster_common::certificate;
use pilaster_common::clock::Timestamp;
use pilaster_common::error::causes;
use pilaster_common::name::NodeId;
use pilaster_proto::node_uri::NodeUri;
use tonic::{Extensions, Status};

use super::acceptor::PeerInfo;
use crate::coordinator::Coordinator;
use crate::enrollment::renew::{Slot, promote, slot_of};
use crate::store::StoreError;
use crate::store::records::{IdentityRecord, WishesRecord};

/// A node with a verified identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) node: NodeId,
    serial: Vec<u8>,
    pub(super) not_after: Timestamp,
}

/// Who calls, by the certificate that the handshake verified.
///
/// # Errors
/// A status without details where there is no certificate of a node of this installation.
pub(super) fn caller(extensions: &Extensions, coordinator: &Coordinator) -> Result<Caller, Status> {
    let nobody = || Status::unauthenticated("not a node of this installation");
    let peer = extensions.get::<PeerInfo>().ok_or_else(nobody)?;
    let facts =
        certificate::read(peer.certificate.as_ref().ok_or_else(nobody)?).map_err(|_| nobody())?;
    let [uri] = &facts.uris[..] else { return Err(nobody()) };
    let NodeUri { installation, node } = uri.parse().map_err(|_| nobody())?;
    if installation != coordinator.store.installation().id {
        return Err(nobody());
    }
    Ok(Caller { node, serial: facts.serial, not_after: facts.not_after })
}

/// Whether the caller still may speak: its serial is the current or the pending one, not ended, it
/// was not denied, and the node is in the spec. The first use of a pending identity makes it the
/// current one.
///
/// # Errors
/// The reason, for the node's own log.
pub(super) async fn check(caller: &Caller, coordinator: &Coordinator) -> Result<(), Status> {
    let Caller { node, serial, not_after } = caller;
    let failed = |error: StoreError| Status::unavailable(causes(&error));
    let no = |why: &str| Err(Status::permission_denied(why));
    let store = &coordinator.store;
    let Some(identity) = store.read::<IdentityRecord>(node).await.map_err(failed)? else {
        return no("this node has no identity here");
    };
    let wishes = store.read::<WishesRecord>(node).await.map_err(failed)?;
    if wishes.is_some_and(|(wishes, _)| wishes.denied.is_some()) {
        return no("this node was denied");
    }
    if coordinator.now() >= *not_after {
        return no("this identity has ended");
    }
    let spec = store.spec(&node.cluster).await.map_err(failed)?;
    if spec.is_none_or(|spec| spec.member(&node.node).is_none()) {
        return no("this node is not in the spec any more");
    }
    match slot_of(&identity.0, serial) {
        Slot::Current => Ok(()),
        Slot::None => no("this identity is not the node's any more"),
        Slot::Pending => promote(store, node, identity).await.map_err(failed),
    }
}
