//! The load: nodes without hosts, which dial, join, attach and hold their stream.

use std::net::SocketAddr;
use std::sync::Arc;

use pilaster_common::certificate;
use pilaster_common::pem::Pair;
use pilaster_common::secret::PrivateKey;
use pilaster_common::token::{EXPORTER_LABEL, JoinToken};
use pilaster_proto::client::{CallError, Coordinator, DesiredStates, channel_over};
use pilaster_proto::enrollment::{IssueRequest, JoinReply, JoinRequest, RenewRequest};
use pilaster_proto::facts::Facts;
use pilaster_proto::report::Report;
use pilaster_proto::{names, tls as both};
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::client::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use crate::error::LabError;

/// Anything that goes wrong in the load, as text: it ends the run.
pub(super) fn failed(what: &'static str) -> impl Fn(&dyn std::error::Error) -> LabError {
    move |error| LabError::NotYet(format!("{what}: {}", pilaster_common::error::causes(error)))
}

/// A TLS 1.3 connection without resumption, to the name that picks the server's configuration. It
/// does not ask whom it speaks to.
///
/// # Errors
/// There is no connection.
pub async fn tls(
    address: SocketAddr,
    name: &'static str,
    identity: Option<&Pair>,
) -> Result<TlsStream<TcpStream>, LabError> {
    tls_with(address, name, Arc::new(config(identity, Resumption::disabled())?)).await
}

async fn tls_with(
    address: SocketAddr,
    name: &'static str,
    config: Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>, LabError> {
    let stream = TcpStream::connect(address).await.map_err(|error| failed("connect")(&error))?;
    stream.set_nodelay(true).map_err(|error| failed("connect")(&error))?;
    let name = ServerName::try_from(name).expect("a DNS name");
    let connecting = tokio_rustls::TlsConnector::from(config).connect(name, stream);
    connecting.await.map_err(|error| failed("handshake")(&error))
}

fn config(identity: Option<&Pair>, resumption: Resumption) -> Result<ClientConfig, LabError> {
    let builder =
        both::client_config().dangerous().with_custom_certificate_verifier(Arc::new(Anyone));
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(pair) => builder
            .with_client_auth_cert(pair.chain().to_vec(), pair.key().to_der())
            .map_err(|error| failed("identity")(&error))?,
    };
    config.alpn_protocols = vec![both::ALPN.to_vec()];
    config.resumption = resumption;
    Ok(config)
}

/// A report or an answer has some hundred KiB at most.
const MESSAGE_MAX: usize = 1024 * 1024;

async fn over(stream: TlsStream<TcpStream>) -> Result<Coordinator, LabError> {
    let channel = channel_over(stream, None).await.map_err(|error| failed("HTTP/2")(&error))?;
    Ok(Coordinator::over(channel, MESSAGE_MAX))
}

/// A connection for Join, and what a proof is bound to.
pub struct JoinConnection {
    coordinator: Coordinator,
    exporter: [u8; 32],
}

impl JoinConnection {
    /// Dials without a certificate.
    ///
    /// # Errors
    /// There is no connection.
    pub async fn open(address: SocketAddr) -> Result<Self, LabError> {
        let stream = tls(address, names::JOIN, None).await?;
        let exported = stream.get_ref().1.export_keying_material([0; 32], EXPORTER_LABEL, None);
        let exporter = exported.map_err(|error| failed("exporter")(&error))?;
        Ok(Self { coordinator: over(stream).await?, exporter })
    }

    /// The question for an identity, proved for this connection and this CSR.
    pub fn request(&self, token: &JoinToken, node: &str, csr: Vec<u8>) -> JoinRequest {
        JoinRequest {
            token_id: token.id,
            node: node.parse().expect("a good name"),
            mac: token.proof_key().prove(&self.exporter, &csr, node),
            csr,
            facts: facts(node),
            boot_id: "boot".into(),
            nonce: [7; 16],
        }
    }

    /// Asks, whatever connection the question was made for.
    ///
    /// # Errors
    /// The coordinator's refusal.
    pub async fn send(&self, request: JoinRequest) -> Result<JoinReply, CallError> {
        self.coordinator.join(request).await
    }
}

/// Joins: a new key, one connection, one question. Answers the identity.
///
/// # Errors
/// The coordinator did not let it in.
pub async fn join(address: SocketAddr, node: &str, token: &str) -> Result<Pair, LabError> {
    let token: JoinToken = token.parse().map_err(|error| failed("token")(&error))?;
    let key = PrivateKey::generate().map_err(|error| failed("key")(&error))?;
    let csr = key.to_csr().map_err(|error| failed("CSR")(&error))?;
    let connection = JoinConnection::open(address).await?;
    let reply = connection.send(connection.request(&token, node, csr)).await;
    let identity = reply.map_err(|error| failed("join")(&error))?.identity;
    Pair::new(identity.chain, key).map_err(|error| failed("identity")(&error))
}

/// A stream that stands and is idle; dropping it ends it.
pub(super) struct Idle {
    _up: mpsc::Sender<Report>,
    _down: DesiredStates,
}

/// Attaches, reports once and holds the stream.
pub(super) async fn attach(
    address: SocketAddr,
    node: &str,
    identity: &Pair,
) -> Result<Idle, LabError> {
    let stream = tls(address, names::COORDINATOR, Some(identity)).await?;
    let (up, reports) = mpsc::channel(1);
    let report = Report { facts: facts(node), ..Report::default() };
    up.send(report).await.map_err(|error| failed("report")(&error))?;
    let down = over(stream).await?.attach(ReceiverStream::new(reports)).await;
    let down = down.map_err(|status| failed("attach")(&status))?;
    Ok(Idle { _up: up, _down: down })
}

/// Every RPC of the agents, called with one credential after another.
#[derive(Debug, Clone, Copy)]
pub struct Calls {
    address: SocketAddr,
}

/// A call's status: `None` where it was served; `Err` where there was no connection to call over.
pub type Called = Result<Option<Code>, ()>;

impl Calls {
    /// To this coordinator.
    pub fn to(address: SocketAddr) -> Self {
        Self { address }
    }

    /// Calls each RPC over a connection of its own.
    pub async fn with(&self, identity: Option<&Pair>) -> Vec<(&'static str, Called)> {
        let mut called = Vec::new();
        for call in ["Attach", "Issue", "Renew"] {
            called.push((call, self.one(call, identity).await));
        }
        called
    }

    async fn one(&self, call: &str, identity: Option<&Pair>) -> Called {
        let stream = tls(self.address, names::COORDINATOR, identity).await.map_err(drop)?;
        let coordinator = over(stream).await.map_err(drop)?;
        let answer = match call {
            "Attach" => {
                let report = Report { facts: facts("n-1"), ..Report::default() };
                let attached = coordinator.attach(tokio_stream::iter([report])).await;
                attached.map(drop).map_err(CallError::Status)
            }
            "Issue" => {
                let none = IssueRequest { generation: 0, csrs: vec![] };
                coordinator.issue(none).await.map(drop)
            }
            _ => {
                let csr = PrivateKey::generate().and_then(|key| key.to_csr()).map_err(drop)?;
                coordinator.renew(RenewRequest { csr }).await.map(drop)
            }
        };
        let answer = match answer {
            Err(CallError::Status(status)) => Err(status),
            Ok(()) | Err(CallError::Message(_)) => Ok(()), // it was served
        };
        match answer {
            Ok(()) => Ok(None),
            // in TLS 1.3 the server's refusal of a certificate comes after the client believes the
            // handshake done
            Err(status)
                if matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Cancelled) =>
            {
                Err(())
            }
            Err(status) => Ok(Some(status.code())),
        }
    }
}

/// Whether a second handshake resumes the session of the first.
///
/// # Errors
/// There is no connection.
pub async fn resumes(address: SocketAddr, identity: &Pair) -> Result<bool, LabError> {
    let config = Arc::new(config(Some(identity), Resumption::in_memory_sessions(16))?);
    let mut last = false;
    for _ in 0..2 {
        let mut stream = tls_with(address, names::COORDINATOR, Arc::clone(&config)).await?;
        // tickets come with the first bytes that the server sends after the handshake
        stream
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
            .await
            .map_err(|error| failed("write")(&error))?;
        let mut first = [0; 9];
        stream.read_exact(&mut first).await.map_err(|error| failed("read")(&error))?;
        last = stream.get_ref().1.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
    }
    Ok(last)
}

/// As a Pi reports them; without etcd, so that no files are rendered for a node that has no disk.
fn facts(node: &str) -> Facts {
    Facts {
        hostname: node.into(),
        addresses: vec![format!("{}/8", address_of(node)).parse().expect("a network")],
        architecture: "aarch64".into(),
        memory_bytes: 1 << 30,
        kernel: "6.12.34-0-rpi".into(),
        agent_version: env!("CARGO_PKG_VERSION").into(),
        template_versions: vec![1],
        ..Facts::default()
    }
}

/// An address for each node of a bench: `n-258` has 10.0.1.2.
fn address_of(node: &str) -> std::net::Ipv4Addr {
    let number: u32 = node.trim_start_matches("n-").parse().unwrap_or(1);
    std::net::Ipv4Addr::from(0x0a00_0000 + number)
}

/// Serial of the identity, for the bare server's answer.
pub(super) fn is_certificate(der: &[u8]) -> bool {
    certificate::read(&CertificateDer::from(der.to_vec())).is_ok()
}

/// The load does not ask whom it speaks to: both servers are this run's own.
#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    pilaster_proto::tls13_signatures!();
}
