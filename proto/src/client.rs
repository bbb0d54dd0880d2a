//! What a client calls: typed questions over one connection, and typed answers.

use std::io;
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_stream::{Stream, StreamExt};
use tonic::transport::{Channel, Endpoint};
use tonic::{Status, Streaming};

use crate::admin::v1 as admin;
use crate::admin::v1::admin_client::AdminClient;
use crate::agent::v1 as pb;
use crate::agent::v1::agent_client::AgentClient;
use crate::agent::v1::enrollment_client::EnrollmentClient;
use crate::checked::BadMessage;
use crate::desired::Desired;
use crate::enrollment::{
    GivenIdentity, IssueReply, IssueRequest, JoinReply, JoinRequest, RenewRequest,
};
use crate::report::Report;

/// How a dead link is noticed.
#[derive(Debug, Clone, Copy)]
pub struct KeepAlive {
    /// A ping after so much silence.
    pub interval: Duration,
    /// How long it may stay unanswered.
    pub deadline: Duration,
}

/// gRPC over exactly this stream, which TLS or the kernel has secured already: the connector
/// answers once, so the channel ends with it and never dials behind anybody's back.
///
/// # Errors
/// The stream ended at once.
pub async fn channel_over<S>(
    stream: S,
    keep_alive: Option<KeepAlive>,
) -> Result<Channel, tonic::transport::Error>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut once = Some(TokioIo::new(stream));
    let connector = tower::service_fn(move |_| {
        let stream = once.take().ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected));
        async move { stream }
    });
    let mut endpoint = Endpoint::from_static("http://coordinator.pilaster.internal");
    if let Some(KeepAlive { interval, deadline }) = keep_alive {
        endpoint = endpoint
            .http2_keep_alive_interval(interval)
            .keep_alive_timeout(deadline)
            .keep_alive_while_idle(true);
    }
    endpoint.connect_with_connector(connector).await
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The other side says so, or the connection broke.
    #[error("{}", crate::status::reason(.0))]
    Status(Box<Status>),
    /// It cannot be understood.
    #[error(transparent)]
    Message(#[from] BadMessage),
}

impl From<Status> for CallError {
    fn from(status: Status) -> Self {
        Self::Status(Box::new(status))
    }
}

/// The coordinator's admin API, over one connection: commands and answers are JSON.
#[derive(Debug, Clone)]
pub struct Admin(AdminClient<Channel>);

impl Admin {
    /// Over this connection; a longer answer than `answer_bytes_max` is not taken.
    pub fn over(channel: Channel, answer_bytes_max: usize) -> Self {
        Self(AdminClient::new(channel).max_decoding_message_size(answer_bytes_max))
    }

    /// Has a command done.
    ///
    /// # Errors
    /// What the coordinator says, or that the connection broke.
    pub async fn call(&mut self, name: &str, json: Vec<u8>) -> Result<Vec<u8>, Box<Status>> {
        let command = admin::Command { name: name.into(), json };
        Ok(self.0.call(command).await?.into_inner().json)
    }

    /// Is told something, and again each time that it may have changed.
    ///
    /// # Errors
    /// What the coordinator says, or that the connection broke.
    pub async fn watch(&mut self, name: &str, json: Vec<u8>) -> Result<Answers, Box<Status>> {
        let command = admin::Command { name: name.into(), json };
        Ok(Answers(self.0.watch(command).await?.into_inner()))
    }
}

/// What is told again and again.
#[derive(Debug)]
pub struct Answers(Streaming<admin::Answer>);

impl Answers {
    /// The next one; `None` at the end.
    ///
    /// # Errors
    /// What the coordinator says, or that the connection broke.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Box<Status>> {
        Ok(self.0.message().await?.map(|answer| answer.json))
    }
}

/// The coordinator, over one connection.
#[derive(Debug, Clone)]
pub struct Coordinator {
    channel: Channel,
    message_bytes_max: usize,
}

impl Coordinator {
    /// Over this connection; a longer message than `message_bytes_max` is not taken.
    pub fn over(channel: Channel, message_bytes_max: usize) -> Self {
        Self { channel, message_bytes_max }
    }

    /// Trades the proof of a token for an identity.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn join(&self, request: JoinRequest) -> Result<JoinReply, CallError> {
        let mut client = EnrollmentClient::new(self.channel.clone())
            .max_decoding_message_size(self.message_bytes_max);
        let request = pb::JoinRequest::from(request);
        Ok(client.join(request).await?.into_inner().try_into()?)
    }

    /// Opens the stream: reports go up, desired states come down.
    ///
    /// # Errors
    /// The coordinator does not let this node speak, or the connection broke.
    pub async fn attach(
        &self,
        reports: impl Stream<Item = Report> + Send + 'static,
    ) -> Result<DesiredStates, Box<Status>> {
        let stream = self.agent().attach(reports.map(pb::Report::from)).await?.into_inner();
        Ok(DesiredStates(stream))
    }

    /// Has keys for etcd certified.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn issue(&self, request: IssueRequest) -> Result<IssueReply, CallError> {
        let request = pb::IssueRequest::from(request);
        Ok(self.agent().issue(request).await?.into_inner().try_into()?)
    }

    /// Has a new key of the agent's own certified.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn renew(&self, request: RenewRequest) -> Result<GivenIdentity, CallError> {
        let request = pb::RenewRequest::from(request);
        Ok(self.agent().renew(request).await?.into_inner().try_into()?)
    }

    fn agent(&self) -> AgentClient<Channel> {
        AgentClient::new(self.channel.clone()).max_decoding_message_size(self.message_bytes_max)
    }
}

/// What comes down a stream.
#[derive(Debug)]
pub struct DesiredStates(Streaming<pb::Desired>);

impl DesiredStates {
    /// The next desired state, or why it cannot be understood, with the generation that it says it
    /// has; `None` once the coordinator has ended the stream. Cancel-safe: a message half received
    /// stays in the stream.
    ///
    /// # Errors
    /// Why the stream ended.
    pub async fn next(
        &mut self,
    ) -> Result<Option<Result<Desired, (u64, BadMessage)>>, Box<Status>> {
        let Some(desired) = self.0.message().await? else { return Ok(None) };
        let generation = desired.generation;
        Ok(Some(Desired::try_from(desired).map_err(|error| (generation, error))))
    }
}
