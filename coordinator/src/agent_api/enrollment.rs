//! Join, over a connection without a client certificate.

use std::sync::Arc;

use ipnet::Ipv4Net;
use pilaster_common::error::{Told, causes};
use pilaster_proto::agent::v1 as pb;
use pilaster_proto::agent::v1::enrollment_server::Enrollment;
use pilaster_proto::enrollment::{JoinReply, JoinRequest};
use pilaster_proto::status::to_status;
use tonic::{Code, Request, Response, Status};

use super::acceptor::PeerInfo;
use super::given;
use crate::audit::Entry;
use crate::coordinator::Coordinator;
use crate::enrollment::attempts::Attempts;
use crate::enrollment::join::{JoinClaim, JoinRefusal, Joined, join};
use crate::plan::view::Refusal;
use crate::store::records::TokenRecord;

/// The service that is reached without a client certificate.
pub(crate) struct EnrollmentService {
    coordinator: Arc<Coordinator>,
    attempts: Attempts,
}

impl EnrollmentService {
    pub(crate) fn new(coordinator: Arc<Coordinator>) -> Self {
        Self { coordinator, attempts: Attempts::default() }
    }
}

#[tonic::async_trait]
impl Enrollment for EnrollmentService {
    async fn join(
        &self,
        request: Request<pb::JoinRequest>,
    ) -> Result<Response<pb::JoinReply>, Status> {
        let coordinator = &*self.coordinator;
        let peer = request.extensions().get::<PeerInfo>().cloned();
        let PeerInfo { exporter, address: from, .. } =
            peer.ok_or_else(|| Status::internal("no connection"))?;
        let JoinRequest { token_id, node, csr, facts, boot_id: _, nonce, mac } =
            request.into_inner().try_into()?;
        let eth0 = facts.addresses;
        let claim = JoinClaim { token_id, node, csr, mac, exporter, eth0 };
        if !self.attempts.may_try(from.ip(), coordinator.now()) {
            let why = "too many wrong proofs from this address: try again in a minute";
            return Err(Status::resource_exhausted(why));
        }
        let joined =
            join(&coordinator.store, &coordinator.control, &claim, coordinator.now()).await;
        let Joined { node, certificate, address } = match joined {
            Ok(joined) => joined,
            Err(refusal) => {
                if matches!(refusal, JoinRefusal::NotProven) {
                    self.attempts.note_wrong(from.ip(), coordinator.now());
                }
                tracing::warn!(node = %claim.node, %from, "not let in: {}", causes(&refusal));
                self.show(&refusal, &claim).await;
                return Err(refusal.into());
            }
        };
        coordinator.fleet.admit(&node);
        coordinator.wake.cluster(&node.cluster);
        tracing::info!(%node, %from, %address, "joined");
        let who = format!("node {}", node.node);
        let entry = Entry::new(coordinator.now(), who, "join", node.to_string());
        coordinator.audit.note(Entry { after: address.to_string(), ..entry }).await;
        let identity = given(coordinator, &node.cluster, certificate).await;
        Ok(Response::new(JoinReply { identity, nonce, address }.into()))
    }
}

impl EnrollmentService {
    /// Shows a refusal to the person who waits for the node; one who proved nothing shows nothing.
    async fn show(&self, refusal: &JoinRefusal, claim: &JoinClaim) {
        if matches!(refusal, JoinRefusal::NotProven) {
            return;
        }
        let coordinator = &self.coordinator;
        let Ok(Some((token, _))) = coordinator.store.read::<TokenRecord>(&claim.token_id).await
        else {
            return;
        };
        let eth0 = claim.eth0.iter().map(Ipv4Net::addr).collect();
        coordinator.fleet.refuse(&token.node, Refusal { why: causes(refusal), eth0 });
        coordinator.wake.cluster(&token.node.cluster);
    }
}

impl From<JoinRefusal> for Status {
    fn from(refusal: JoinRefusal) -> Self {
        let code = match &refusal {
            JoinRefusal::NotProven => Code::Unauthenticated,
            JoinRefusal::Sign(_) | JoinRefusal::Store(_) => Code::Unavailable,
            JoinRefusal::Request(_) => Code::InvalidArgument,
            _ => Code::PermissionDenied,
        };
        to_status(code, Told::new("cannot join", &refusal))
    }
}
