//! What the member says of itself, over its own client port with the client certificate on this node.

use std::io;
use std::time::Duration;

use pilaster_common::certificate::key_hash;
use pilaster_common::pem::{self, BadPair, Pair};
use pilaster_common::profile::Profile;
use pilaster_proto::etcd_state::{EtcdMember, EtcdState};
use pilaster_proto::status::reason;
use pilaster_proto::tls;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::time::timeout;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic_prost::ProstCodec;

use super::messages::{
    Member, MemberListRequest, MemberListResponse, StatusRequest, StatusResponse,
};
use crate::apply::{Host, ManagedFile, System};
use crate::config::ETCD_CALL_DEADLINE;
use crate::link::{DialError, over_tls};

const ADDRESS: &str = "127.0.0.1:2379";
const STATUS: &str = "/etcdserverpb.Maintenance/Status";
const MEMBER_LIST: &str = "/etcdserverpb.Cluster/MemberList";

/// Why the member did not answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    #[error("cannot read {path}")]
    Read { path: String, source: io::Error },
    #[error("{path} is not there yet")]
    Absent { path: String },
    #[error(transparent)]
    Pair(#[from] BadPair),
    #[error(transparent)]
    Tls(#[from] rustls::Error),
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("etcd says: {}", reason(.0))]
    Refused(tonic::Status),
    #[error("no answer within {} s", .0.as_secs())]
    Deadline(Duration),
}

impl AskError {
    /// Whether nobody answered at all.
    pub(super) fn is_unreachable(&self) -> bool {
        match self {
            Self::Dial(error) => matches!(error, DialError::Connect(_) | DialError::Deadline(_)),
            Self::Deadline(_) => true,
            _ => false,
        }
    }
}

/// Asks the member, over one channel as long as that and the files it was made from last.
pub(super) struct Asker {
    system: System,
    open: Option<(Channel, [u8; 32])>,
}

impl Asker {
    /// Reads the certificates through `system`.
    pub(super) fn new(system: System) -> Self {
        Self { system, open: None }
    }

    /// The member's state; its health is asked elsewhere.
    pub(super) async fn ask(&mut self) -> Result<EtcdState, AskError> {
        let open = self.channel().await?;
        let answer = timeout(ETCD_CALL_DEADLINE, questions(&open.0))
            .await
            .map_err(|_| AskError::Deadline(ETCD_CALL_DEADLINE))
            .flatten();
        // A client built from older files is dropped once the new one has answered. After a failure
        // it is dialled again: the process may be another one.
        self.open = answer.is_ok().then_some(open);
        answer
    }

    async fn channel(&mut self) -> Result<(Channel, [u8; 32]), AskError> {
        let ca = self.read(ManagedFile::ClientCa)?;
        let leaf = self.read(ManagedFile::Leaf(Profile::Client))?;
        let made_from = key_hash(&[&ca[..], pem_public(&leaf)].concat());
        match &self.open {
            Some(open) if open.1 == made_from => Ok(open.clone()),
            _ => Ok((connect(&ca, &Pair::from_pem(&leaf)?).await?, made_from)),
        }
    }

    fn read(&self, file: ManagedFile) -> Result<zeroize::Zeroizing<Vec<u8>>, AskError> {
        let path = || self.system.path(file).display().to_string();
        match self.system.read(file) {
            Ok(Some(present)) => Ok(present.content),
            Ok(None) => Err(AskError::Absent { path: path() }),
            Err(source) => Err(AskError::Read { path: path(), source }),
        }
    }
}

/// A new connection to the member's client port.
pub(super) async fn connect(ca: &[u8], pair: &Pair) -> Result<Channel, AskError> {
    let name = ServerName::try_from("127.0.0.1").expect("an IP address");
    Ok(over_tls(ADDRESS, config(ca, pair)?, name).await?)
}

/// Only the certificates are hashed (promise 1).
fn pem_public(leaf: &[u8]) -> &[u8] {
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
