//! Join, over a connection without a client certificate.

use std::sync::Arc;

use ipnet::Ipv4Net;
use pilaster_common::error::{Told, causes};
use pilaster_proto::agent::v1 as pb;
use pilaster_proto::agent::v1::enrollment_server::Enrollment;
use tonic::{Code, Request, Response, Status};

use super::acceptor::PeerInfo;
use super::wire;
use crate::audit::Entry;
use crate::coordinator::Coordinator;
use crate::enrollment::attempts::Attempts;
use crate::enrollment::join::{JoinClaim, JoinRefusal, Joined, join};
use crate::rollout::fleet::Refusal;

/// The service that is reached without a client certificate.
pub struct EnrollmentService {
    coordinator: Arc<Coordinator>,
    attempts: Attempts,
}

impl EnrollmentService {
    /// On this coordinator.
    pub fn new(coordinator: Arc<Coordinator>) -> Self {
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
        let request = request.into_inner();
        let nonce = request.nonce.clone();
        let claim = wire::join_claim(request, exporter).map_err(Status::from)?;
        let (store, control) = (&coordinator.store, &coordinator.control);
        let id = &coordinator.installation.id;
        if !self.attempts.may_try(from.ip(), coordinator.now()) {
            let why = "too many wrong proofs from this address: try again in a minute";
            return Err(Status::resource_exhausted(why));
        }
        let Joined { cluster, certificate, address } =
            match join(store, control, id, &claim, coordinator.now()).await {
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
        tracing::info!(node = %claim.node, %cluster, %from, %address, "joined");
        let entry = Entry::new(
            coordinator.now(),
            format!("node {}", claim.node),
            "join",
            format!("{cluster}/{}", claim.node),
        );
        coordinator.audit.note(Entry { after: address.to_string(), ..entry }).await;
        coordinator.wake.cluster(&cluster);
        let network =
            coordinator.store.spec(&cluster).await.ok().flatten().and_then(|spec| spec.network);
        let root = coordinator.control.root();
        Ok(Response::new(pb::JoinReply {
            chain: vec![certificate.to_vec()],
            roots: vec![root.to_vec()],
            endpoints: coordinator.endpoints(network),
            server_time: coordinator.now().unix(),
            nonce,
            address: address.to_string(),
        }))
    }
}

impl EnrollmentService {
    /// Shows a refusal to the person who waits for the node; one who proved nothing shows nothing.
    async fn show(&self, refusal: &JoinRefusal, claim: &JoinClaim) {
        if matches!(refusal, JoinRefusal::NotProven) {
            return;
        }
        let Ok(Some((token, _))) = self.coordinator.store.token(&claim.token_id).await else {
            return;
        };
        let eth0 = claim.eth0.iter().map(Ipv4Net::addr).collect();
        let refusal = Refusal { why: causes(refusal), eth0 };
        self.coordinator.fleet.refuse(&token.cluster, &token.node, refusal);
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
        told(code, &Told::new("cannot join", &refusal))
    }
}

/// A status whose message is the cause and whose details are the help.
pub(crate) fn told(code: Code, told: &Told) -> Status {
    Status::with_details(code, told.cause.clone(), told.help.clone().into_bytes().into())
}
