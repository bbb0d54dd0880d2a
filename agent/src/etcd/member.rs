//! What the member says of itself, over its own client port with the client certificate on this
//! node.

use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pilaster_common::certificate::key_hash;
use pilaster_common::clock::Clock;
use pilaster_common::error::causes;
use pilaster_common::pem::{self, BadPair, Pair};
use pilaster_common::ports;
use pilaster_common::profile::Profile;
use pilaster_proto::client::{KeepAlive, channel_over};
use pilaster_proto::etcd_state::{EtcdMember, EtcdState};
use pilaster_proto::status::reason;
use pilaster_proto::tls;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic_prost::ProstCodec;
use zeroize::Zeroizing;

use super::messages::{
    Member, MemberListRequest, MemberListResponse, StatusRequest, StatusResponse,
};
use super::served::{self, Served};
use super::{AskEtcd, health::is_healthy};
use crate::host::{File, System};
use crate::node::tls::over;

/// On this host; a Pi under load may take a second for a handshake.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
/// Status is answered from memory, and so is the list of members.
const CALL_DEADLINE: Duration = Duration::from_secs(2);
/// A process that hangs is noticed within 50 s.
const KEEP_ALIVE: KeepAlive =
    KeepAlive { interval: Duration::from_secs(30), deadline: Duration::from_secs(20) };
const POISONED: &str = "nothing panics while it holds this";
const STATUS: &str = "/etcdserverpb.Maintenance/Status";
const MEMBER_LIST: &str = "/etcdserverpb.Cluster/MemberList";

/// Why the member did not answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    #[error("{path} cannot be read, or is not there yet", path = .path.display())]
    Absent { path: PathBuf },
    #[error(transparent)]
    Pair(#[from] BadPair),
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    #[error("cannot connect")]
    Connect(#[source] io::Error),
    #[error("the TLS handshake failed")]
    Handshake(#[source] io::Error),
    #[error("the connection ended at once")]
    Channel(#[source] tonic::transport::Error),
    #[error("etcd says: {}", reason(.0))]
    Refused(tonic::Status),
    #[error("no answer within {} s", .0.as_secs())]
    Deadline(Duration),
}

impl AskError {
    /// Whether nobody answered at all.
    pub(super) fn is_unreachable(&self) -> bool {
        matches!(self, Self::Connect(_) | Self::Deadline(_))
    }
}

/// The member on this host, over one channel as long as that and the files it was made from last.
#[derive(Debug)]
pub(crate) struct Loopback {
    system: Arc<System>,
    clock: Arc<dyn Clock>,
    open: Mutex<Option<Open>>,
}

/// A channel, and a hash of the files that it was made from.
type Open = (Channel, [u8; 32]);

#[tonic::async_trait]
impl AskEtcd for Loopback {
    /// `/health` is asked only where there is a leader, since etcd logs two warnings each time that
    /// it has to say no.
    async fn state(&self) -> Option<EtcdState> {
        let answer = self.ask().await;
        let mut state = answer
            .inspect_err(|error| tracing::debug!("etcd did not answer: {}", causes(error)))
            .ok()?;
        state.healthy = state.leader_id != 0 && is_healthy(&*self.clock).await;
        Some(state)
    }

    async fn served(&self, profile: Profile, address: Ipv4Addr) -> Served {
        let (own, port) = match profile {
            Profile::Peer => (Profile::Peer, ports::PEER),
            _ => (Profile::Client, ports::CLIENT),
        };
        let (Ok(ca), Ok(leaf)) = (self.read(File::ClientCa), self.read(File::Leaf(own))) else {
            return Served::Unreachable;
        };
        match (profile, Pair::from_pem(&leaf)) {
            (_, Err(error)) => Served::Refused(error.to_string()),
            (Profile::Client, Ok(pair)) => served::ask(&ca, &pair, &self.clock).await,
            (_, Ok(pair)) => served::look(address, port, &pair, &self.clock).await,
        }
    }
}

impl Loopback {
    /// Reads the certificates through `system`.
    pub(crate) fn new(system: Arc<System>, clock: Arc<dyn Clock>) -> Self {
        Self { system, clock, open: Mutex::default() }
    }

    /// The member's state; its health is asked elsewhere.
    async fn ask(&self) -> Result<EtcdState, AskError> {
        let open = self.channel().await?;
        let answer = self.clock.within(CALL_DEADLINE, questions(&open.0)).await;
        let answer = answer.unwrap_or(Err(AskError::Deadline(CALL_DEADLINE)));
        // A channel made from older files is dropped once the new one has answered. After a failure
        // it is dialled again: the process may be another one.
        *self.open.lock().expect(POISONED) = answer.is_ok().then_some(open);
        answer
    }

    async fn channel(&self) -> Result<Open, AskError> {
        let (ca, leaf) = (self.read(File::ClientCa)?, self.read(File::Leaf(Profile::Client))?);
        let made_from = key_hash(&[&ca[..], public(&leaf)].concat());
        let open = self.open.lock().expect(POISONED).clone();
        match open {
            Some(open) if open.1 == made_from => Ok(open),
            _ => Ok((connect(&ca, &Pair::from_pem(&leaf)?, &self.clock).await?, made_from)),
        }
    }

    fn read(&self, file: File) -> Result<Zeroizing<Vec<u8>>, AskError> {
        let content = self.system.read(file).ok().flatten();
        content.ok_or_else(|| AskError::Absent { path: self.system.path(file) })
    }
}

/// A new connection to the member's client port.
pub(super) async fn connect(
    ca: &[u8],
    pair: &Pair,
    clock: &Arc<dyn Clock>,
) -> Result<Channel, AskError> {
    let mut config = config(ca, pair)?;
    config.alpn_protocols = vec![tls::ALPN.to_vec()];
    let name = ServerName::IpAddress(Ipv4Addr::LOCALHOST.into());
    let connected = async {
        let tcp = TcpStream::connect((Ipv4Addr::LOCALHOST, ports::CLIENT)).await;
        let tcp = tcp.and_then(|tcp| tcp.set_nodelay(true).map(|()| tcp));
        let tcp = tcp.map_err(AskError::Connect)?;
        let stream = over(tcp, config, name, clock).await.map_err(AskError::Handshake)?;
        channel_over(stream, Some(KEEP_ALIVE)).await.map_err(AskError::Channel)
    };
    let connected = clock.within(CONNECT_DEADLINE, connected).await;
    connected.unwrap_or(Err(AskError::Deadline(CONNECT_DEADLINE)))
}

/// Only the certificates are hashed (promise 1).
fn public(leaf: &[u8]) -> &[u8] {
    std::str::from_utf8(leaf).map_or(&[], |text| pem::public_part(text).as_bytes())
}

fn config(ca: &[u8], pair: &Pair) -> Result<ClientConfig, AskError> {
    let roots = tls::anchors(&pem::certificates(ca)?)?;
    Ok(tls::client_config()
        .with_root_certificates(roots)
        .with_client_auth_cert(pair.chain().to_vec(), pair.key().to_der())?)
}

async fn questions(channel: &Channel) -> Result<EtcdState, AskError> {
    let status = status(channel).await?;
    let request = MemberListRequest { linearizable: false };
    let list: MemberListResponse = unary(channel, MEMBER_LIST, request).await?;
    Ok(state(status, list))
}

pub(super) async fn status(channel: &Channel) -> Result<StatusResponse, AskError> {
    unary(channel, STATUS, StatusRequest {}).await
}

async fn unary<Q, A>(channel: &Channel, path: &'static str, question: Q) -> Result<A, AskError>
where
    Q: prost::Message + 'static,
    A: prost::Message + Default + 'static,
{
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready()
        .await
        .map_err(|error| AskError::Refused(tonic::Status::from_error(error.into())))?;
    let codec = ProstCodec::<Q, A>::default();
    grpc.unary(tonic::Request::new(question), PathAndQuery::from_static(path), codec)
        .await
        .map(tonic::Response::into_inner)
        .map_err(AskError::Refused)
}

/// As the member says; whether it is healthy is asked elsewhere.
fn state(status: StatusResponse, list: MemberListResponse) -> EtcdState {
    let header = status.header.unwrap_or_default();
    EtcdState {
        healthy: false,
        member_id: header.member_id,
        cluster_id: header.cluster_id,
        leader_id: status.leader,
        raft_term: status.raft_term,
        raft_index: status.raft_index,
        raft_applied_index: status.raft_applied_index,
        db_size_bytes: status.db_size.try_into().unwrap_or(0),
        db_size_in_use_bytes: status.db_size_in_use.try_into().unwrap_or(0),
        is_learner: status.is_learner,
        version: status.version,
        errors: status.errors,
        members: list.members.into_iter().map(member).collect(),
    }
}

fn member(Member { id, name, peer_urls, client_urls, is_learner }: Member) -> EtcdMember {
    EtcdMember { id, name, peer_urls, client_urls, is_learner }
}
