//! The admin service. Each call is a few lines: the work is done where it belongs.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use pilaster_common::certificate;
use pilaster_common::error::{Help, Told};
use pilaster_common::name::{ClusterName, NodeName};
use pilaster_common::profile::Profile;
use pilaster_proto::admin::v1 as pb;
use pilaster_proto::admin::v1::admin_server::Admin;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status};

use super::apply::{Applied, ApplyError, apply, plan};
use super::plan::to_wire;
use super::rotate::{RotateError, rotate};
use super::socket::peer;
use super::status::status;
use crate::agent_api::{told, wire};
use crate::audit::Entry;
use crate::ca::issue;
use crate::coordinator::Coordinator;
use crate::enrollment::deny::deny;
use crate::enrollment::invite::{LIFE_DEFAULT, invite};
use crate::spec::{ClusterSpec, MemberSpec};
use crate::store::records::{ApprovalRecord, Purpose, Risk};
use crate::store::{Change, StoreError};

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

    /// Writes an act and its result to the audit log, before it is answered.
    async fn audited<T>(
        &self,
        who: &str,
        did: &'static str,
        what: String,
        act: Act,
        result: Result<T, Status>,
    ) -> Result<T, Status> {
        let Act { before, after } = act;
        let entry = Entry::new(self.coordinator.now(), who, did, what);
        let entry = match &result {
            Ok(_) => Entry { before, after, ..entry },
            Err(status) => Entry { result: status.message().into(), ..entry },
        };
        self.coordinator.audit.write(entry).await;
        result
    }

    async fn spec(&self, cluster: &ClusterName) -> Result<ClusterSpec, Status> {
        let spec = self
            .coordinator
            .store
            .spec(cluster)
            .await
            .map_err(|error| failed("cannot read", &error))?;
        spec.ok_or_else(|| Status::internal("the recorded spec is not taken any more: apply one"))
    }

    /// A cluster and one of the members of its spec.
    async fn member(
        &self,
        what: &str,
        cluster: &str,
        node: &str,
    ) -> Result<(ClusterName, NodeName), Status> {
        let cluster = self.cluster(cluster).await?;
        let node: NodeName = node.parse().map_err(|error| invalid(what, &error))?;
        if self.spec(&cluster).await?.member(&node).is_none() {
            let help =
                format!("add it to the members of the spec, then coordctl apply {cluster}.yml");
            return Err(missing(&format!("{node} is not a member of {cluster}"), &help));
        }
        Ok((cluster, node))
    }

    /// The one address that a node was refused for.
    fn refused_address(&self, cluster: &ClusterName, node: &NodeName) -> Result<Ipv4Addr, Status> {
        let refusal = self.coordinator.fleet.seen(cluster, node).refusal;
        match refusal.as_ref().map(|refusal| &refusal.eth0[..]) {
            Some([only]) => Ok(*only),
            Some(several @ [_, _, ..]) => {
                let listed: Vec<String> = several.iter().map(Ipv4Addr::to_string).collect();
                let help = format!("say which one: --address {}", listed.join(" or --address "));
                Err(missing(&format!("{node} has more than one address"), &help))
            }
            Some([]) | None => {
                let help = "let it try to join first, or say the address: --address ADDRESS";
                Err(missing(&format!("{node} was not refused for an address"), help))
            }
        }
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
        let who = who(&request);
        let pb::ApplyRequest { spec, accepted } = request.into_inner();
        let accepted: BTreeSet<Risk> = accepted.into_iter().map(risk).collect::<Result<_, _>>()?;
        let act = match accepted.contains(&Risk::KnownBadEtcd) {
            true => Act { after: "accepted: known-bad-etcd".into(), ..Act::default() },
            false => Act::default(),
        };
        let applied = apply(&self.coordinator, spec, accepted).await.map_err(Status::from);
        let cluster = match &applied {
            Ok(applied) => applied.wanted.spec.cluster.to_string(),
            Err(_) => "a spec".into(),
        };
        let Applied { wanted, change, formed } =
            self.audited(&who, "apply", cluster, act, applied).await?;
        let spec = wanted.spec;
        Ok(Response::new(pb::ApplyReply {
            cluster: spec.cluster.to_string(),
            changed: change.is_some(),
            members: spec.members.iter().map(|member| member.name.to_string()).collect(),
            plan: change.map(|change| to_wire(&spec.cluster, &change, formed)),
        }))
    }

    async fn plan(
        &self,
        request: Request<pb::PlanRequest>,
    ) -> Result<Response<pb::PlanReply>, Status> {
        let pb::PlanRequest { spec } = request.into_inner();
        let (spec, change, formed) = plan(&self.coordinator, &spec).await.map_err(Status::from)?;
        Ok(Response::new(to_wire(&spec.cluster, &change, formed)))
    }

    async fn enroll(
        &self,
        request: Request<pb::EnrollRequest>,
    ) -> Result<Response<pb::EnrollReply>, Status> {
        let who = who(&request);
        let pb::EnrollRequest { cluster, node, valid_for_seconds, replace } = request.into_inner();
        let purpose = if replace { Purpose::Replace } else { Purpose::New };
        let what = "cannot make a token";
        let (cluster, node) = self.member(what, &cluster, &node).await?;
        let spec = self.spec(&cluster).await?;
        let valid_for = if valid_for_seconds == 0 {
            LIFE_DEFAULT
        } else {
            Duration::from_secs(valid_for_seconds)
        };
        let coordinator = &self.coordinator;
        let pin = coordinator.control.pin();
        let whom = (&cluster, &node);
        let invited = invite(&coordinator.store, pin, whom, purpose, valid_for, coordinator.now())
            .await
            .map_err(|error| told(Code::FailedPrecondition, &Told::new(what, &error)));
        let after = invited.as_ref().map(|(_, expires)| format!("a token until {expires}"));
        let act = Act { after: after.unwrap_or_default(), ..Act::default() };
        let (token, expires) =
            self.audited(&who, "enroll", format!("{cluster}/{node}"), act, invited).await?;
        let endpoints = coordinator.endpoints(spec.network);
        let repository = coordinator.repository(&endpoints);
        let interface = spec.member(&node).and_then(MemberSpec::own_interface);
        let interface = interface.map(ToString::to_string).unwrap_or_default();
        Ok(Response::new(pb::EnrollReply {
            cluster: cluster.to_string(),
            token: token.reveal().to_string(),
            expires: expires.unix(),
            endpoints,
            repository,
            interface,
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
        let who = who(&request);
        let pb::IssueClientRequest { cluster, name, csr } = request.into_inner();
        let cluster = self.cluster(&cluster).await?;
        if !is_user(&name) {
            let help = "use letters, digits and . _ @ - only, 1 to 64 of them";
            return Err(missing(&format!("{name:?} cannot be the name of a client"), help));
        }
        let public_key = certificate::read_request(&csr).map_err(|error| invalid(what, &error))?;
        let authorities =
            self.coordinator.authorities(&cluster).map_err(|error| failed(what, &error))?;
        let spec = self.spec(&cluster).await?;
        let leaf = issue::client(&name, spec.certificates.leaf, self.coordinator.now());
        let signed =
            authorities.client.sign(&leaf, &public_key).map_err(|error| failed(what, &error));
        let act = Act { after: format!("valid until {}", leaf.not_after.date()), ..Act::default() };
        let certificate =
            self.audited(&who, "issue client", format!("{cluster}/{name}"), act, signed).await?;
        Ok(Response::new(pb::IssueClientReply {
            cluster: cluster.to_string(),
            chain: vec![certificate.to_vec()],
            client_ca: pilaster_common::pem::encode_certificates([authorities.client.root()])
                .into_bytes(),
        }))
    }

    async fn approve(
        &self,
        request: Request<pb::ApproveRequest>,
    ) -> Result<Response<pb::ApproveReply>, Status> {
        let what = "cannot approve an address";
        let who = who(&request);
        let pb::ApproveRequest { cluster, node, address } = request.into_inner();
        let (cluster, node) = self.member(what, &cluster, &node).await?;
        let store = &self.coordinator.store;
        if store.node(&cluster, &node).await.map_err(|error| failed(what, &error))?.is_some() {
            let help = "an address that changes later needs a change of the cluster's membership";
            return Err(missing(&format!("{node} has joined already"), help));
        }
        let address = if address.is_empty() {
            self.refused_address(&cluster, &node)?
        } else {
            let help = "give an IPv4 address, such as 192.168.7.11";
            address
                .parse()
                .map_err(|_| missing(&format!("{address:?} is no IPv4 address"), help))?
        };
        let before = store.approval(&cluster, &node).await.map_err(|error| failed(what, &error))?;
        let change = Change::default().approval(&cluster, &node, &ApprovalRecord { address });
        let approved = store.commit(change).await.map_err(|error| failed(what, &error));
        let before = before.map(|record| record.address.to_string()).unwrap_or_default();
        let act = Act { before, after: address.to_string() };
        self.audited(&who, "approve", format!("{cluster}/{node}"), act, approved).await?;
        Ok(Response::new(pb::ApproveReply {
            cluster: cluster.to_string(),
            address: address.to_string(),
        }))
    }

    async fn deny(
        &self,
        request: Request<pb::DenyRequest>,
    ) -> Result<Response<pb::DenyReply>, Status> {
        let what = "cannot deny";
        let who = who(&request);
        let pb::DenyRequest { cluster, node } = request.into_inner();
        let cluster = self.cluster(&cluster).await?;
        let node: NodeName = node.parse().map_err(|error| invalid(what, &error))?;
        let coordinator = &self.coordinator;
        let denied = deny(&coordinator.store, &cluster, &node, coordinator.now())
            .await
            .map_err(|error| told(Code::NotFound, &Told::new(what, &error)));
        let act = Act { before: "let in".into(), after: "denied".into() };
        self.audited(&who, "deny", format!("{cluster}/{node}"), act, denied).await?;
        let connected = coordinator.fleet.end_stream(&cluster, &node);
        coordinator.wake.cluster(&cluster);
        Ok(Response::new(pb::DenyReply { cluster: cluster.to_string(), connected }))
    }

    async fn rotate(
        &self,
        request: Request<pb::RotateRequest>,
    ) -> Result<Response<pb::RotateReply>, Status> {
        let what = "cannot rotate certificates";
        let who = who(&request);
        let pb::RotateRequest { cluster, nodes, profiles } = request.into_inner();
        let cluster = self.cluster(&cluster).await?;
        let nodes: Vec<NodeName> = nodes
            .iter()
            .map(|node| node.parse().map_err(|error| invalid(what, &error)))
            .collect::<Result<_, _>>()?;
        let profiles: BTreeSet<Profile> =
            profiles.into_iter().map(wire::any_profile).collect::<Result<_, _>>()?;
        let asked = loop {
            match rotate(&self.coordinator, &cluster, &nodes, &profiles).await {
                Err(RotateError::Store(StoreError::Conflict)) => {} // a node's record changed in between: look again
                asked => {
                    break asked.map_err(|error| told(Code::NotFound, &Told::new(what, &error)));
                }
            }
        };
        let what = asked.as_ref().map_or(0, |asked| asked.rotating.len());
        let act =
            Act { after: format!("{what} certificates are to be replaced"), ..Act::default() };
        let asked = self.audited(&who, "rotate", cluster.to_string(), act, asked).await?;
        let rotating = asked.rotating.into_iter().map(|(node, profile, serial)| pb::Rotating {
            node: node.to_string(),
            profile: wire::profile(profile).into(),
            serial,
        });
        Ok(Response::new(pb::RotateReply {
            cluster: cluster.to_string(),
            rotating: rotating.collect(),
            skipped: asked.skipped,
        }))
    }
}

fn risk(risk: i32) -> Result<Risk, Status> {
    match pb::Risk::try_from(risk) {
        Ok(pb::Risk::KnownBadEtcd) => Ok(Risk::KnownBadEtcd),
        Ok(pb::Risk::Unspecified) | Err(_) => {
            Err(Status::invalid_argument("a risk that this coordinator does not know"))
        }
    }
}

/// How something was and how it is.
#[derive(Default)]
struct Act {
    before: String,
    after: String,
}

fn who<T>(request: &Request<T>) -> String {
    peer(request.extensions()).map_or_else(|| "unknown".into(), |peer| peer.to_string())
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
            ApplyError::ServiceTaken { .. }
            | ApplyError::AddressTaken { .. }
            | ApplyError::Minors(_)
            | ApplyError::Refused { .. } => Code::FailedPrecondition,
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
