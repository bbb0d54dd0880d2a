//! Says which node is at the other end, and whether it still may speak: asked with every message (promise 3).

use pilaster_common::certificate;
use pilaster_common::name::{ClusterName, NodeName};
use tonic::{Extensions, Status};

use super::acceptor::PeerInfo;
use crate::coordinator::Coordinator;

/// A node with a verified identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller {
    pub(super) cluster: ClusterName,
    pub(super) node: NodeName,
    serial: Vec<u8>,
    not_after: pilaster_common::clock::Timestamp,
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

/// Whether the caller still may speak: the serial is the recorded one, not ended, and the node is in the spec.
///
/// # Errors
/// The reason, for the node's own log.
pub(super) async fn check(caller: &Caller, coordinator: &Coordinator) -> Result<(), Status> {
    let store = |error: crate::store::StoreError| Status::unavailable(error.to_string());
    let record = coordinator.store.node(&caller.cluster, &caller.node).await.map_err(store)?;
    if record.is_none_or(|(record, _)| record.serial != caller.serial) {
        return Err(Status::permission_denied("this identity is not the node's any more"));
    }
    if coordinator.now() >= caller.not_after {
        return Err(Status::permission_denied("this identity has ended"));
    }
    let spec = coordinator.store.spec(&caller.cluster).await.map_err(store)?;
    if spec.is_none_or(|spec| spec.member(&caller.node).is_none()) {
        return Err(Status::permission_denied("this node is not in the spec any more"));
    }
    Ok(())
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
