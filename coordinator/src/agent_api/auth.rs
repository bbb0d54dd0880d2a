//! Says which node is at the other end, and whether it still may speak: asked with every message (promise 3).

use pilaster_common::certificate;
use pilaster_common::clock::Timestamp;
use pilaster_common::error::causes;
use pilaster_common::failpoint;
use pilaster_common::name::{ClusterName, NodeName};
use tonic::{Extensions, Status};

use super::acceptor::PeerInfo;
use crate::coordinator::Coordinator;
use crate::enrollment::renew::{Slot, promoted, slot_of};
use crate::store::{Change, StoreError};

/// A node with a verified identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) cluster: ClusterName,
    pub(super) node: NodeName,
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
    let (cluster, node) = parse_uri(uri, &coordinator.installation.id).ok_or_else(nobody)?;
    Ok(Caller { cluster, node, serial: facts.serial, not_after: facts.not_after })
}

/// Whether the caller still may speak: its serial is the current or the pending one, not ended, it was not denied, and the node is
/// in the spec. The first use of a pending identity makes it the current one.
///
/// # Errors
/// The reason, for the node's own log.
pub(super) async fn check(caller: &Caller, coordinator: &Coordinator) -> Result<(), Status> {
    let Caller { cluster, node, serial, not_after } = caller;
    let store = |error: StoreError| Status::unavailable(causes(&error));
    let no = |why: &str| Err(Status::permission_denied(why));
    let Some((record, revision)) = coordinator.store.node(cluster, node).await.map_err(store)?
    else {
        return no("this node has no identity here");
    };
    if record.denied.is_some() {
        return no("this node was denied");
    }
    if coordinator.now() >= *not_after {
        return no("this identity has ended");
    }
    let spec = coordinator.store.spec(cluster).await.map_err(store)?;
    if spec.is_none_or(|spec| spec.member(node).is_none()) {
        return no("this node is not in the spec any more");
    }
    match slot_of(&record, serial) {
        Slot::Current => Ok(()),
        Slot::None => no("this identity is not the node's any more"),
        Slot::Pending => {
            let change = Change::default().node(cluster, node, &promoted(record), Some(revision));
            match coordinator.store.commit(change).await {
                Ok(()) => {
                    failpoint!("renew.promoted");
                    tracing::info!(%node, %cluster, "uses its new identity");
                }
                // changed in between: this message still came under a good identity, the next one is checked again
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(store(error)),
            }
            Ok(())
        }
    }
}

fn parse_uri(uri: &str, installation: &str) -> Option<(ClusterName, NodeName)> {
    let path =
        uri.strip_prefix("spiffe://")?.strip_prefix(installation)?.strip_prefix("/cluster/")?;
    let (cluster, node) = path.split_once("/node/")?;
    Some((cluster.parse().ok()?, node.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::parse_uri;

    #[test]
    fn only_an_identity_of_this_installation_is_one() {
        assert!(parse_uri("spiffe://i1/cluster/c/node/m-1", "i1").is_some());
        for other in [
            "spiffe://i2/cluster/c/node/m-1",
            "spiffe://i1/cluster/c/node/m-1/x",
            "spiffe://i1/cluster/c",
            "spiffe://i1x/cluster/c/node/m-1",
            "https://i1/cluster/c/node/m-1",
        ] {
            assert!(parse_uri(other, "i1").is_none(), "{other}");
        }
    }
}
