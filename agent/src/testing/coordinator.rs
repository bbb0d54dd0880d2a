//! A coordinator over real TLS and real gRPC, in memory, that answers as a test says. It checks the
//! proof of a join as the real one does.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pilaster_common::certificate;
use pilaster_common::endpoint::Endpoint;
use pilaster_common::error::Told;
use pilaster_common::etcd_conf::{
    EtcdConf, InitialState, Member, Processor, ServiceManager, Tuning,
};
use pilaster_common::hosts_block::HostEntry;
use pilaster_common::name::NodeId;
use pilaster_common::profile::{LEAVES, Profile};
use pilaster_common::templates::TEMPLATES;
use pilaster_common::token::{EXPORTER_LABEL, Exporter, JoinToken, ProofKey};
use pilaster_proto::agent::v1 as pb;
use pilaster_proto::agent::v1::agent_server::{Agent, AgentServer};
use pilaster_proto::agent::v1::enrollment_server::{Enrollment, EnrollmentServer};
use pilaster_proto::desired::{
    Desired, NodeState, WantedCertificate, WantedIdentity, WantedService,
};
use pilaster_proto::enrollment::{
    GivenIdentity, IssueReply, IssueRequest, JoinReply, JoinRequest, RenewRequest,
};
use pilaster_proto::report::Report;
use pilaster_proto::{names, status, tls};
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::CertificateDer;
use tokio::io::DuplexStream;
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use super::net::TestNet;
use super::pki::{Says, TestCa, now};

const NODE: &str = "m-1";
const HOUR: Duration = Duration::from_secs(3600);
const URI: &str = "spiffe://i-1/cluster/x-k3s/node/m-1";

/// What a test reads and sets.
#[derive(Clone)]
pub(crate) struct FakeCoordinator {
    pub(crate) address: Endpoint,
    pub(crate) control: Arc<TestCa>,
    pub(crate) client: Arc<TestCa>,
    pub(crate) peer: Arc<TestCa>,
    /// Public keys that asked to join; the first `lost` answers are lost.
    pub(crate) joins: Arc<Mutex<Vec<Vec<u8>>>>,
    pub(crate) lost: usize,
    proof_key: Arc<ProofKey>,
    pub(crate) refusal: Option<(String, String)>,
    pub(crate) agents: Arc<Mutex<Agents>>,
    /// Ends the listener and the streams of the coordinator at the first address.
    pub(crate) stop: CancellationToken,
    /// Ends each stream with a refusal.
    pub(crate) expel: CancellationToken,
    pub(crate) desired: watch::Sender<Option<Desired>>,
    pub(crate) reports: mpsc::Sender<Report>,
}

/// What the agents' side of a coordinator knows and does.
#[derive(Default)]
pub(crate) struct Agents {
    /// Serials of the identities that asked to attach, in order.
    pub(crate) attached: Vec<Vec<u8>>,
    /// How many streams stand now, and stood at once.
    pub(crate) open: usize,
    pub(crate) open_max: usize,
    /// Public keys that asked to be renewed; the first `renewals_lost` answers are lost.
    pub(crate) renewals: Vec<Vec<u8>>,
    pub(crate) renewals_lost: usize,
    /// Attach is refused to all, or to all serials but this.
    pub(crate) denied: bool,
    pub(crate) only: Option<Vec<u8>>,
}

/// A token of `control`, and a coordinator for it that is served on `net`.
pub(crate) fn joining(
    net: &TestNet,
    change: impl FnOnce(&mut FakeCoordinator),
) -> (JoinToken, FakeCoordinator, mpsc::Receiver<Report>) {
    let control = TestCa::new("control");
    let token = JoinToken::generate(control.pin()).expect("random bytes");
    let (reports, received) = mpsc::channel(100);
    let mut coordinator = FakeCoordinator {
        address: "192.168.7.2:7443".parse().expect("good"),
        control: Arc::new(control),
        client: Arc::new(TestCa::new("client")),
        peer: Arc::new(TestCa::new("peer")),
        joins: Arc::default(),
        lost: 0,
        proof_key: Arc::new(token.proof_key()),
        refusal: None,
        agents: Arc::default(),
        stop: CancellationToken::new(),
        expel: CancellationToken::new(),
        desired: watch::channel(None).0,
        reports,
    };
    change(&mut coordinator);
    coordinator.clone().serve(net);
    (token, coordinator, received)
}

impl FakeCoordinator {
    /// Serves every connection.
    pub(crate) fn serve(self, net: &TestNet) {
        let acceptor = TlsAcceptor::from(Arc::new(self.config(net)));
        let mut dialled = net.listen(&self.address);
        tokio::spawn(async move {
            while let Some(Some(stream)) = self.stop.run_until_cancelled(dialled.recv()).await {
                tokio::spawn(self.clone().connection(acceptor.clone(), stream));
            }
        });
    }

    async fn connection(self, acceptor: TlsAcceptor, stream: DuplexStream) {
        let Ok(mut stream) = acceptor.accept(stream).await else { return };
        let tls = stream.get_ref().1;
        let exporter = tls.export_keying_material(Exporter::default(), EXPORTER_LABEL, None);
        let client = tls.peer_certificates().and_then(|chain| chain.first());
        let serial = client.map(|leaf| certificate::read(leaf).expect("verified").serial);
        let served = Served {
            coordinator: self,
            exporter: exporter.expect("after the handshake"),
            serial: serial.unwrap_or_default(),
        };
        let (mut inner, plain) = tokio::io::duplex(1 << 16); // tonic knows this kind of stream
        let copied = tokio::io::copy_bidirectional(&mut stream, &mut inner);
        let served = tonic::transport::Server::builder()
            .add_service(EnrollmentServer::new(served.clone()))
            .add_service(AgentServer::new(served))
            .serve_with_incoming(tokio_stream::once(Ok::<_, io::Error>(plain)));
        drop(tokio::join!(copied, served));
    }

    /// The same coordinator at another address.
    pub(crate) fn moved_to(&self, address: &Endpoint) -> Self {
        Self { address: address.clone(), stop: CancellationToken::new(), ..self.clone() }
    }

    fn config(&self, net: &TestNet) -> ServerConfig {
        let says = Says { names: &[names::COORDINATOR], ..Says::default() };
        let pair = self.control.leaf(Profile::Server, &says);
        let chain = vec![pair.leaf().clone(), self.control.root.clone()];
        let roots = tls::anchors([&self.control.root]).expect("a CA");
        let clients = WebPkiClientVerifier::builder_with_provider(roots, tls::provider())
            .allow_unauthenticated()
            .build()
            .expect("a root");
        let mut config = tls::server_config()
            .with_client_cert_verifier(clients)
            .with_single_cert(chain, pair.key().to_der())
            .expect("a pair");
        config.alpn_protocols = vec![tls::ALPN.to_vec()];
        config.time_provider = Arc::new(tls::ByClock(Arc::clone(&net.clock)));
        config
    }

    fn given(&self, leaf: CertificateDer<'static>) -> GivenIdentity {
        GivenIdentity {
            chain: vec![leaf],
            roots: vec![self.control.root.clone()],
            endpoints: vec![self.address.clone()],
            server_time: now(),
        }
    }

    /// An identity as a join would have given it.
    pub(crate) fn identity(&self) -> crate::identity::Identity {
        crate::identity::Identity {
            generation: 1,
            installation: "i-1".into(),
            node: node_id("x-k3s", NODE),
            address: [192, 168, 7, 11].into(),
            endpoints: vec![self.address.clone()],
            token_id: [0; 8],
            pair: self.control.leaf(Profile::Agent, &Says { uri: Some(URI), ..Says::default() }),
            roots: vec![self.control.root.clone()],
        }
    }
}

/// What the node should be, with the real renderings.
pub(crate) fn desired(coordinator: &FakeCoordinator, service: WantedService) -> Desired {
    let conf = conf();
    let ca_of = |profile| match profile {
        Profile::Peer => &coordinator.peer,
        _ => &coordinator.client,
    };
    let wanted = |profile| WantedCertificate {
        profile,
        names: vec![conf.host()],
        addresses: vec![[127, 0, 0, 1].into()],
        common_name: NODE.into(),
        issuer_key_id: certificate::read(&ca_of(profile).root).expect("own").key_id,
        renew_before: HOUR,
        replace_serial: None,
        gateway: false,
    };
    let state = NodeState {
        template_version: TEMPLATES.newest(),
        files: TEMPLATES.render(TEMPLATES.newest(), &conf).expect("it is one of ours"),
        hosts: vec![HostEntry {
            address: conf.address.into(),
            names: vec![conf.host(), NODE.into()],
        }],
        hosts_domain: conf.domain.clone(),
        certificates: LEAVES.map(wanted).to_vec(),
        client_ca: vec![coordinator.client.root.clone()],
        peer_ca: vec![coordinator.peer.root.clone()],
        service,
        endpoints: vec![coordinator.address.clone()],
        identity: WantedIdentity { renew_before: HOUR, replace_serial: None },
        etcd: conf,
    };
    Desired { epoch: 1, generation: 1, state }
}

pub(crate) fn conf() -> EtcdConf {
    EtcdConf {
        version: "3.5.16".parse().expect("known"),
        cluster: "x-k3s".parse().expect("good"),
        domain: "edge.example.net".parse().expect("good"),
        node: NODE.parse().expect("good"),
        address: [192, 168, 7, 11].into(),
        members: vec![Member {
            name: NODE.parse().expect("good"),
            host: format!("{NODE}.edge.example.net"),
        }],
        token: "x-k3s-1".into(),
        initial_state: InitialState::New,
        heartbeat_ms: 500,
        election_ms: 5000,
        snapshot_count: 10_000,
        quota_bytes: 1 << 29,
        compaction_retention_seconds: 3600,
        processor: Processor::Amd64,
        service_manager: ServiceManager::OpenRc,
        memory_limit_bytes: None,
        tuning: Tuning::default(),
    }
}

pub(crate) fn node_id(cluster: &str, node: &str) -> NodeId {
    NodeId { cluster: cluster.parse().expect("good"), node: node.parse().expect("good") }
}

/// One connection's services.
#[derive(Clone)]
struct Served {
    coordinator: FakeCoordinator,
    exporter: Exporter,
    /// Of the identity at the other end.
    serial: Vec<u8>,
}

#[tonic::async_trait]
impl Enrollment for Served {
    async fn join(
        &self,
        request: Request<pb::JoinRequest>,
    ) -> Result<Response<pb::JoinReply>, Status> {
        let request = JoinRequest::try_from(request.into_inner())?;
        let coordinator = &self.coordinator;
        if !coordinator.proof_key.verify(&self.exporter, &request.csr, NODE, &request.mac) {
            return Err(Status::permission_denied("the proof does not hold"));
        }
        if let Some((message, help)) = &coordinator.refusal {
            let told = Told { cause: message.clone(), help: help.clone(), ..Told::default() };
            return Err(status::to_status(tonic::Code::PermissionDenied, told));
        }
        let key = certificate::read_request(&request.csr).expect("a CSR");
        let leaf = coordinator.control.sign(
            Profile::Agent,
            &key,
            &Says { uri: Some(URI), ..Says::default() },
        );
        let mut joins = coordinator.joins.lock().expect("no panic");
        joins.push(key);
        if joins.len() <= coordinator.lost {
            return Err(Status::unavailable("lost on the way"));
        }
        let reply = JoinReply {
            identity: coordinator.given(leaf),
            nonce: request.nonce,
            address: [192, 168, 7, 11].into(),
        };
        Ok(Response::new(reply.into()))
    }
}

#[tonic::async_trait]
impl Agent for Served {
    type AttachStream = ReceiverStream<Result<pb::Desired, Status>>;

    async fn attach(
        &self,
        request: Request<Streaming<pb::Report>>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        let mut up = request.into_inner();
        let reports = self.coordinator.reports.clone();
        let agents = Arc::clone(&self.coordinator.agents);
        {
            let mut agents = agents.lock().expect("no panic");
            agents.attached.push(self.serial.clone());
            let other = agents.only.as_ref().is_some_and(|only| *only != self.serial);
            if agents.denied || other {
                return Err(Status::permission_denied("this node was denied"));
            }
            agents.open += 1;
            agents.open_max = agents.open_max.max(agents.open);
        }
        tokio::spawn(async move {
            while let Ok(Some(report)) = up.message().await {
                let report = Report::try_from(report).expect("as agreed");
                reports.send(report).await.ok();
            }
            agents.lock().expect("no panic").open -= 1;
        });
        let (down, stream) = mpsc::channel(1);
        let mut desired = self.coordinator.desired.subscribe();
        let (stop, expel) = (self.coordinator.stop.clone(), self.coordinator.expel.clone());
        tokio::spawn(async move {
            loop {
                let latest = desired.borrow_and_update().clone();
                if let Some(latest) = latest
                    && down.send(Ok(latest.into())).await.is_err()
                {
                    return;
                }
                tokio::select! {
                    changed = desired.changed() => if changed.is_err() { return },
                    () = stop.cancelled() => return,
                    () = expel.cancelled() => {
                        let denied = Status::permission_denied("this node was denied");
                        return drop(down.send(Err(denied)).await);
                    }
                }
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }

    async fn renew(
        &self,
        request: Request<pb::RenewRequest>,
    ) -> Result<Response<pb::GivenIdentity>, Status> {
        let coordinator = &self.coordinator;
        let request = RenewRequest::from(request.into_inner());
        let key = certificate::read_request(&request.csr).expect("a CSR");
        let says = Says { uri: Some(URI), ..Says::default() };
        let leaf = coordinator.control.sign(Profile::Agent, &key, &says);
        let mut agents = coordinator.agents.lock().expect("no panic");
        agents.renewals.push(key);
        if agents.renewals.len() <= agents.renewals_lost {
            return Err(Status::unavailable("lost on the way"));
        }
        Ok(Response::new(coordinator.given(leaf).into()))
    }

    async fn issue(
        &self,
        request: Request<pb::IssueRequest>,
    ) -> Result<Response<pb::IssueReply>, Status> {
        let coordinator = &self.coordinator;
        let host = conf().host();
        let says = Says {
            common_name: NODE,
            names: &[&host],
            addresses: &[[127, 0, 0, 1].into()],
            uri: None,
        };
        let request = IssueRequest::try_from(request.into_inner())?;
        let issue = |(profile, csr): (Profile, Vec<u8>)| {
            let key = certificate::read_request(&csr).expect("a CSR");
            let ca = match profile {
                Profile::Peer => &coordinator.peer,
                _ => &coordinator.client,
            };
            (profile, vec![ca.sign(profile, &key, &says)])
        };
        let issued = request.csrs.into_iter().map(issue).collect();
        Ok(Response::new(IssueReply { issued }.into()))
    }
}
