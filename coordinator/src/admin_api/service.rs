//! The admin service. Each call is a few lines: the work is done where it belongs.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use pilaster_common::certificate;
use pilaster_common::error::{Help, Told};
use pilaster_common::name::{ClusterName, NodeName};
use pilaster_proto::admin::v1 as pb;
use pilaster_proto::admin::v1::admin_server::Admin;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status};

use super::apply::{Applied, ApplyError, apply};
use super::status::status;
use crate::agent_api::told;
use crate::ca::issue;
use crate::coordinator::Coordinator;
use crate::enrollment::invite::{LIFE_DEFAULT, invite};
use crate::store::StoreError;

/// States that wait to be sent to one watcher; the next is made when there is room.
const WATCH_QUEUE: usize = 1;

/// The admin service.
pub struct AdminService {
    coordinator: Arc<Coordinator>,
}

impl AdminService {
    /// On this coordinator.
    pub fn new(coordinator: Arc<Coordinator>) -> Self {
        Self { coordinator }
    }

    /// The named cluster, or the only one.
    async fn cluster(&self, named: &str) -> Result<ClusterName, Status> {
        let clusters = self
            .coordinator
            .store
            .clusters()
            .await
            .map_err(|error| failed("cannot read", &error))?;
        let names: Vec<String> = clusters.iter().map(|(name, _)| name.to_string()).collect();
        let found = match (named, &clusters[..]) {
            ("", [(only, _)]) => Some(only),
            ("", []) => {
                return Err(missing(
                    "there is no cluster yet",
                    "write a spec and apply it: coordctl init NAME …",
                ));
            }
            ("", _) => {
                let help = format!("choose one: -c {}", names.join(", -c "));
                return Err(missing("there is more than one cluster", &help));
            }
            (named, clusters) => {
                clusters.iter().find(|(name, _)| name.as_ref() == named).map(|(name, _)| name)
            }
        };
        let known = if names.is_empty() { "none".into() } else { names.join(", ") };
        let unknown =
            || missing(&format!("there is no cluster {named:?}"), &format!("those known: {known}"));
        found.cloned().ok_or_else(unknown)
    }
}

#[tonic::async_trait]
impl Admin for AdminService {
    async fn apply(
        &self,
        request: Request<pb::ApplyRequest>,
    ) -> Result<Response<pb::ApplyReply>, Status> {
        let pb::ApplyRequest { spec } = request.into_inner();
        let applied = apply(&self.coordinator, spec).await.map_err(Status::from)?;
        let (spec, changed) = match applied {
            Applied::Same(spec) => (spec, false),
            Applied::Changed(spec) => (spec, true),
        };
        let members = spec.members.iter().map(|member| member.name.to_string()).collect();
        Ok(Response::new(pb::ApplyReply { cluster: spec.cluster.to_string(), changed, members }))
    }

    async fn enroll(
        &self,
        request: Request<pb::EnrollRequest>,
    ) -> Result<Response<pb::EnrollReply>, Status> {
        let pb::EnrollRequest { cluster, node, valid_for_seconds } = request.into_inner();
        let cluster = self.cluster(&cluster).await?;
        let what = "cannot make a token";
        let node: NodeName = node.parse().map_err(|error| invalid(what, &error))?;
        let spec =
            self.coordinator.store.spec(&cluster).await.map_err(|error| failed(what, &error))?;
        let spec = spec.ok_or_else(|| Status::internal("the spec has gone"))?;
        if spec.member(&node).is_none() {
            let help =
                format!("add it to the members of the spec, then coordctl apply {cluster}.yml");
            return Err(missing(&format!("{node} is not a member of {cluster}"), &help));
        }
        let valid_for = if valid_for_seconds == 0 {
            LIFE_DEFAULT
        } else {
            Duration::from_secs(valid_for_seconds)
        };
        let coordinator = &self.coordinator;
        let pin = coordinator.control.pin();
        let (token, expires) =
            invite(&coordinator.store, pin, &cluster, &node, valid_for, coordinator.now())
                .await
                .map_err(|error| told(Code::FailedPrecondition, &Told::new(what, &error)))?;
        tracing::info!(%cluster, %node, "a token was made, good until {expires}");
        Ok(Response::new(pb::EnrollReply {
            cluster: cluster.to_string(),
            token: token.reveal().to_string(),
            expires: expires.unix(),
            endpoints: coordinator.endpoints(spec.network),
        }))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<pb::ClusterStatus, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<pb::WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let cluster = self.cluster(&request.into_inner().cluster).await?;
        let (sender, states) = mpsc::channel(WATCH_QUEUE);
        tokio::spawn(watch(Arc::clone(&self.coordinator), cluster, sender));
        Ok(Response::new(Box::pin(ReceiverStream::new(states))))
    }

    async fn issue_client(
        &self,
        request: Request<pb::IssueClientRequest>,
    ) -> Result<Response<pb::IssueClientReply>, Status> {
        let what = "cannot make a client certificate";
        let pb::IssueClientRequest { cluster, name, csr } = request.into_inner();
        let cluster = self.cluster(&cluster).await?;
        if !is_user(&name) {
            let help = "use letters, digits and . _ @ - only, 1 to 64 of them";
            return Err(missing(&format!("{name:?} cannot be the name of a client"), help));
        }
        let public_key = certificate::read_request(&csr).map_err(|error| invalid(what, &error))?;
        let authorities =
            self.coordinator.authorities(&cluster).map_err(|error| failed(what, &error))?;
        let leaf = issue::client(&name, self.coordinator.now());
        let certificate =
            authorities.client.sign(&leaf, &public_key).map_err(|error| failed(what, &error))?;
        tracing::info!(%cluster, client = %name, "issued, valid until {}", leaf.not_after.date());
        Ok(Response::new(pb::IssueClientReply {
            cluster: cluster.to_string(),
            chain: vec![certificate.to_vec()],
            client_ca: pilaster_common::pem::encode_certificates([authorities.client.root()])
                .into_bytes(),
        }))
    }
}

/// The state now, and again each time that something changed, until the watcher goes.
async fn watch(
    coordinator: Arc<Coordinator>,
    cluster: ClusterName,
    sender: mpsc::Sender<Result<pb::ClusterStatus, Status>>,
) {
    let mut changes = coordinator.fleet.changes(&cluster);
    loop {
        changes.mark_unchanged();
        let state = match status(&coordinator, &cluster).await {
            Ok(Some(state)) => Ok(state),
            Ok(None) => Err(Status::not_found("the cluster is gone")),
            Err(error) => Err(failed("cannot tell the state", &error)),
        };
        let last = state.is_err();
        if sender.send(state).await.is_err() || last {
            return;
        }
        tokio::select! {
            () = sender.closed() => return, // cancel-safe: holds nothing
            changed = changes.changed() => if changed.is_err() { return }, // cancel-safe: tokio docs
        }
    }
}

/// A common name has at most 64 characters (RFC 5280, A.1); rcgen does not check.
fn is_user(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '@' | '-');
    (1..=64).contains(&name.len()) && name.chars().all(allowed)
}

impl From<ApplyError> for Status {
    fn from(error: ApplyError) -> Self {
        let code = match &error {
            ApplyError::Spec(_) => Code::InvalidArgument,
            ApplyError::ServiceTaken { .. } | ApplyError::NeedsRollout { .. } => {
                Code::FailedPrecondition
            }
            ApplyError::Store(StoreError::Conflict) => Code::Aborted,
            ApplyError::Store(_) | ApplyError::Vault(_) | ApplyError::Random => Code::Internal,
        };
        told(code, &Told::new("cannot apply the spec", &error))
    }
}

fn failed(what: &str, error: &impl Help) -> Status {
    told(Code::Internal, &Told::new(what, error))
}

fn invalid(what: &str, error: &impl Help) -> Status {
    told(Code::InvalidArgument, &Told::new(what, error))
}

fn missing(cause: &str, help: &str) -> Status {
    told(Code::NotFound, &Told { what: String::new(), cause: cause.into(), help: help.into() })
}
