//! Attach, Issue and Renew, over a connection whose client certificate the handshake has verified.

use std::pin::Pin;
use std::sync::Arc;

use pilaster_common::certificate;
use pilaster_common::error::causes;
use pilaster_common::profile::Profile;
use pilaster_proto::agent::v1 as pb;
use pilaster_proto::agent::v1::agent_server::Agent;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status, Streaming};

use super::auth::{self, Caller};
use super::wire;
use crate::audit::Entry;
use crate::ca::issue;
use crate::coordinator::Coordinator;
use crate::enrollment::renew::{RenewError, renew};
use crate::rollout::fleet::DesiredWatch;

/// Desired states that wait to be sent; each replaces the one before, so one is enough.
const DOWN_QUEUE: usize = 1;

/// Boxed: a channel sets room for 32 of them aside, and a desired state has some hundred bytes even when it is empty.
type Down = Result<Box<pb::Desired>, Status>;

/// The service of the agents.
pub struct AgentService {
    coordinator: Arc<Coordinator>,
}

impl AgentService {
    /// On this coordinator.
    pub fn new(coordinator: Arc<Coordinator>) -> Self {
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
            ReceiverStream::new(down).map(|desired| desired.map(|boxed| *boxed)),
        )))
    }

    async fn issue(
        &self,
        request: Request<pb::IssueRequest>,
    ) -> Result<Response<pb::IssueReply>, Status> {
        let caller = auth::caller(request.extensions(), &self.coordinator)?;
        auth::check(&caller, &self.coordinator).await?;
        let pb::IssueRequest { generation: _, csrs } = request.into_inner();
        if csrs.len() > pilaster_common::profile::LEAVES.len() {
            return Err(Status::invalid_argument("more requests than profiles"));
        }
        let mut issued = Vec::new();
        for pb::Csr { profile, der } in csrs {
            issued.push(
                issue_one(&self.coordinator, &caller, wire::leaf_profile(profile)?, &der).await?,
            );
        }
        Ok(Response::new(pb::IssueReply { issued }))
    }

    async fn renew(
        &self,
        request: Request<pb::RenewRequest>,
    ) -> Result<Response<pb::RenewReply>, Status> {
        let coordinator = &*self.coordinator;
        let caller = auth::caller(request.extensions(), coordinator)?;
        auth::check(&caller, coordinator).await?;
        let Caller { cluster, node, .. } = &caller;
        let pb::RenewRequest { csr } = request.into_inner();
        let (store, id) = (&coordinator.store, &coordinator.installation.id);
        let now = coordinator.now();
        let renewed = renew(store, &coordinator.control, id, (cluster, node), &csr, now).await?;
        tracing::info!(%node, %cluster, "a new identity was issued");
        let entry = Entry::new(now, format!("node {node}"), "renew", format!("{cluster}/{node}"));
        coordinator.audit.note(entry).await;
        let network = store.spec(cluster).await.ok().flatten().and_then(|spec| spec.network);
        Ok(Response::new(pb::RenewReply {
            chain: vec![renewed.to_vec()],
            roots: vec![coordinator.control.root().to_vec()],
            endpoints: coordinator.endpoints(network),
            server_time: now.unix(),
        }))
    }
}

impl From<RenewError> for Status {
    fn from(error: RenewError) -> Self {
        let code = match &error {
            RenewError::Gone { .. } | RenewError::KnownKey => Code::PermissionDenied,
            RenewError::Request(_) => Code::InvalidArgument,
            RenewError::Sign(_) | RenewError::Store(_) => Code::Unavailable,
        };
        Self::new(code, causes(&error))
    }
}

/// Signs one key of a node for etcd, with the names that the node has: those of the spec and its record.
async fn issue_one(
    coordinator: &Coordinator,
    caller: &Caller,
    profile: Profile,
    csr: &[u8],
) -> Result<pb::Issued, Status> {
    let unavailable = |why: String| Status::unavailable(why);
    let public_key = certificate::read_request(csr)
        .map_err(|error| Status::invalid_argument(error.to_string()))?;
    let spec = coordinator
        .store
        .spec(&caller.cluster)
        .await
        .map_err(|error| unavailable(causes(&error)))?;
    let record = coordinator.store.node(&caller.cluster, &caller.node).await;
    let record = record.map_err(|error| unavailable(causes(&error)))?;
    let (Some(spec), Some((record, _))) = (spec, record) else {
        return Err(Status::permission_denied("this node is not in the spec any more"));
    };
    let authorities =
        coordinator.authorities(&caller.cluster).map_err(|error| unavailable(causes(&error)))?;
    let ca = match profile {
        Profile::Peer => &authorities.peer,
        _ => &authorities.client,
    };
    let leaf = issue::node_leaf(profile, &spec, &caller.node, record.address, coordinator.now());
    let certificate = ca.sign(&leaf, &public_key).map_err(|error| unavailable(causes(&error)))?;
    tracing::info!(node = %caller.node, %profile, "issued, valid until {}", leaf.not_after.date());
    Ok(pb::Issued { profile: wire::profile(profile).into(), chain: vec![certificate.to_vec()] })
}

/// One node's stream: reports up, desired states down, until either end closes or the node may not speak any more.
async fn serve(
    coordinator: Arc<Coordinator>,
    caller: Caller,
    mut up: Streaming<pb::Report>,
    down: mpsc::Sender<Down>,
) {
    let Caller { cluster, node, .. } = &caller;
    let (number, desired) = coordinator.fleet.attach(cluster, node);
    tracing::info!(%node, %cluster, "attached");
    let ended = talk(&coordinator, &caller, &mut up, &down, desired).await;
    coordinator.fleet.detach(cluster, node, number);
    coordinator.wake.cluster(cluster);
    match ended {
        Ok(()) => tracing::info!(%node, %cluster, "detached"),
        Err(status) => {
            tracing::info!(%node, %cluster, "detached: {}", status.message());
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
    let left = caller.not_after.since(coordinator.now());
    let end = tokio::time::sleep(left);
    tokio::pin!(end);
    loop {
        tokio::select! {
            report = up.message() => { // cancel-safe: a message half received stays in the stream's buffer
                let Some(report) = report? else { return Ok(()) };
                auth::check(caller, coordinator).await?;
                let typed = wire::report(report.clone()).map_err(Status::from)?;
                let now = coordinator.now();
                coordinator.fleet.report(&caller.cluster, &caller.node, typed, report, now);
                coordinator.wake.cluster(&caller.cluster);
            }
            changed = desired.changed() => { // cancel-safe: tokio docs
                if changed.is_err() {
                    auth::check(caller, coordinator).await?; // a denial closes the watch too: then this says so
                    return Err(Status::aborted("a newer stream of this node stands"));
                }
                let latest = desired.borrow_and_update().clone();
                if let Some(latest) = latest
                    && down.send(Ok(Box::new(pb::Desired::clone(&latest)))).await.is_err()
                {
                    return Ok(());
                }
            }
            () = &mut end => return Err(Status::permission_denied("this identity has ended")), // cancel-safe: pinned
        }
    }
}
