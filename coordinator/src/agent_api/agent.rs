//! Attach, Issue and Renew, over a connection whose client certificate the handshake has verified.

use std::pin::Pin;
use std::sync::Arc;

use pilaster_common::certificate;
use pilaster_common::error::causes;
use pilaster_common::profile::Profile;
use pilaster_proto::agent::v1 as pb;
use pilaster_proto::agent::v1::agent_server::Agent;
use pilaster_proto::desired::Desired;
use pilaster_proto::enrollment::{IssueReply, IssueRequest, RenewRequest};
use pilaster_proto::report::Report;
use rustls_pki_types::CertificateDer;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status, Streaming};

use super::auth::{self, Caller};
use super::given;
use crate::audit::Entry;
use crate::ca::issue;
use crate::coordinator::Coordinator;
use crate::enrollment::renew::{RenewError, renew};
use crate::rollout::fleet::DesiredWatch;
use crate::store::records::{IdentityRecord, StateRecord};

/// Desired states that wait to be sent; each replaces the one before, so one is enough.
const DOWN_QUEUE: usize = 1;

/// Shared: a channel sets room for 32 of them aside, and a desired state has some hundred bytes
/// even when it is empty.
type Down = Result<Arc<Desired>, Status>;

/// The service of the agents.
pub(crate) struct AgentService {
    coordinator: Arc<Coordinator>,
}

impl AgentService {
    pub(crate) fn new(coordinator: Arc<Coordinator>) -> Self {
        Self { coordinator }
    }
}

#[tonic::async_trait]
impl Agent for AgentService {
    type AttachStream = Pin<Box<dyn Stream<Item = Result<pb::Desired, Status>> + Send>>;

    async fn attach(
        &self,
        request: Request<Streaming<pb::Report>>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        let caller = auth::caller(request.extensions(), &self.coordinator)?;
        auth::check(&caller, &self.coordinator).await?;
        let (sender, down) = mpsc::channel(DOWN_QUEUE);
        tokio::spawn(serve(Arc::clone(&self.coordinator), caller, request.into_inner(), sender));
        Ok(Response::new(Box::pin(
            ReceiverStream::new(down).map(|down| down.map(|d| Desired::clone(&d).into())),
        )))
    }

    async fn issue(
        &self,
        request: Request<pb::IssueRequest>,
    ) -> Result<Response<pb::IssueReply>, Status> {
        let caller = auth::caller(request.extensions(), &self.coordinator)?;
        auth::check(&caller, &self.coordinator).await?;
        let IssueRequest { generation: _, csrs } = request.into_inner().try_into()?;
        let mut issued = Vec::new();
        for (profile, csr) in csrs {
            let leaf = issue_one(&self.coordinator, &caller, profile, &csr).await?;
            issued.push((profile, vec![leaf]));
        }
        Ok(Response::new(IssueReply { issued }.into()))
    }

    async fn renew(
        &self,
        request: Request<pb::RenewRequest>,
    ) -> Result<Response<pb::GivenIdentity>, Status> {
        let coordinator = &*self.coordinator;
        let caller = auth::caller(request.extensions(), coordinator)?;
        auth::check(&caller, coordinator).await?;
        let node = &caller.node;
        let RenewRequest { csr } = request.into_inner().into();
        let now = coordinator.now();
        let renewed = renew(&coordinator.store, &coordinator.control, node, &csr, now).await?;
        tracing::info!(%node, "a new identity was issued");
        let who = format!("node {}", node.node);
        coordinator.audit.note(Entry::new(now, who, "renew", node.to_string())).await;
        Ok(Response::new(given(coordinator, &node.cluster, renewed).await.into()))
    }
}

impl From<RenewError> for Status {
    fn from(error: RenewError) -> Self {
        let code = match &error {
            RenewError::Gone(_) | RenewError::KnownKey => Code::PermissionDenied,
            RenewError::Request(_) => Code::InvalidArgument,
            RenewError::Sign(_) | RenewError::Store(_) => Code::Unavailable,
        };
        Self::new(code, causes(&error))
    }
}

/// Signs one key of a node for etcd, with the names that the node has: those of the spec and its
/// record.
async fn issue_one(
    coordinator: &Coordinator,
    caller: &Caller,
    profile: Profile,
    csr: &[u8],
) -> Result<CertificateDer<'static>, Status> {
    let node = &caller.node;
    let unavailable = |error: &dyn std::error::Error| Status::unavailable(causes(error));
    let public_key = certificate::read_request(csr)
        .map_err(|error| Status::invalid_argument(error.to_string()))?;
    let store = &coordinator.store;
    let spec = store.spec(&node.cluster).await.map_err(|error| unavailable(&error))?;
    let identity = store.read::<IdentityRecord>(node).await.map_err(|error| unavailable(&error))?;
    let state = store.read::<StateRecord>(node).await.map_err(|error| unavailable(&error))?;
    let (Some(spec), Some((identity, _))) = (spec, identity) else {
        return Err(Status::permission_denied("this node is not in the spec any more"));
    };
    let address = identity.address(state.as_ref().map(|(state, _)| state));
    let authorities =
        coordinator.authorities.of(&node.cluster).map_err(|error| unavailable(&error))?;
    let ca = match profile {
        Profile::Peer => &authorities.peer,
        Profile::Server | Profile::Client | Profile::Agent => &authorities.client,
    };
    let leaf = issue::node_leaf(profile, &spec, &node.node, address, coordinator.now());
    let certificate = ca.sign(&leaf, &public_key).map_err(|error| unavailable(&error))?;
    tracing::info!(%node, %profile, "issued, valid until {}", leaf.not_after.date());
    Ok(certificate)
}

/// One node's stream: reports up, desired states down, until either end closes or the node may not
/// speak any more.
async fn serve(
    coordinator: Arc<Coordinator>,
    caller: Caller,
    mut up: Streaming<pb::Report>,
    down: mpsc::Sender<Down>,
) {
    let node = &caller.node;
    let (number, desired) = coordinator.fleet.attach(node);
    tracing::info!(%node, "attached");
    let ended = talk(&coordinator, &caller, &mut up, &down, desired).await;
    coordinator.fleet.detach(node, number);
    coordinator.wake.cluster(&node.cluster);
    match ended {
        Ok(()) => tracing::info!(%node, "detached"),
        Err(status) => {
            tracing::info!(%node, "detached: {}", status.message());
            drop(down.send(Err(status)).await); // it may be gone already
        }
    }
}

async fn talk(
    coordinator: &Coordinator,
    caller: &Caller,
    up: &mut Streaming<pb::Report>,
    down: &mpsc::Sender<Down>,
    mut desired: DesiredWatch,
) -> Result<(), Status> {
    auth::check(caller, coordinator).await?; // a denial before the stream was known did not end it
    let mut end = coordinator.clock.sleep(caller.not_after.since(coordinator.now()));
    loop {
        tokio::select! {
            report = up.message() => { // cancel-safe: a message half received stays in the stream's buffer
                let Some(report) = report? else { return Ok(()) };
                auth::check(caller, coordinator).await?;
                coordinator.fleet.report(&caller.node, Report::try_from(report)?, coordinator.now());
                coordinator.wake.cluster(&caller.node.cluster);
            }
            changed = desired.changed() => { // cancel-safe: tokio docs
                if changed.is_err() {
                    auth::check(caller, coordinator).await?; // a denial closes the watch too: then this says so
                    return Err(Status::aborted("a newer stream of this node stands"));
                }
                let latest = desired.borrow_and_update().clone();
                if let Some(latest) = latest
                    && down.send(Ok(latest)).await.is_err()
                {
                    return Ok(());
                }
            }
            () = &mut end => return Err(Status::permission_denied("this identity has ended")), // cancel-safe: pinned
        }
    }
}
