//! The load: nodes without hosts, which dial, join, attach and hold their stream.

use std::net::SocketAddr;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use pilaster_common::certificate;
use pilaster_common::pem::Pair;
use pilaster_common::secret::PrivateKey;
use pilaster_common::token::{EXPORTER_LABEL, JoinToken};
use pilaster_proto::agent::v1 as pb;
use pilaster_proto::agent::v1::agent_client::AgentClient;
use pilaster_proto::agent::v1::enrollment_client::EnrollmentClient;
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::client::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::{Channel, Endpoint};

use crate::error::LabError;

/// Anything that goes wrong in the load, as text: it ends the run.
pub(super) fn failed(what: &'static str) -> impl Fn(&dyn std::error::Error) -> LabError {
    move |error| LabError::NotYet(format!("{what}: {}", pilaster_common::error::causes(error)))
}

/// A TLS 1.3 connection without resumption, to the name that picks the server's configuration.
pub(super) async fn tls(
    address: SocketAddr,
    name: &'static str,
    identity: Option<&Pair>,
) -> Result<TlsStream<TcpStream>, LabError> {
    let stream = TcpStream::connect(address).await.map_err(|error| failed("connect")(&error))?;
    stream.set_nodelay(true).map_err(|error| failed("connect")(&error))?;
    let builder =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("ring has TLS 1.3")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anyone));
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(pair) => builder
            .with_client_auth_cert(pair.chain().to_vec(), pair.key().to_der())
            .map_err(|error| failed("identity")(&error))?,
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.resumption = Resumption::disabled();
    let name = ServerName::try_from(name).expect("a DNS name");
    let connecting = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream);
    connecting.await.map_err(|error| failed("handshake")(&error))
}

async fn channel(stream: TlsStream<TcpStream>) -> Result<Channel, LabError> {
    let mut once = Some(TokioIo::new(stream));
    let connector = tower::service_fn(move |_: tonic::codegen::http::Uri| {
        let stream = once.take().ok_or_else(|| std::io::Error::other("one connection only"));
        async move { stream }
    });
    let endpoint = Endpoint::from_static("http://coordinator.pilaster.internal");
    endpoint.connect_with_connector(connector).await.map_err(|error| failed("HTTP/2")(&error))
}

/// Joins: a new key, one connection, one question. Answers the identity.
pub(super) async fn join(address: SocketAddr, node: &str, token: &str) -> Result<Pair, LabError> {
    let token: JoinToken = token.parse().map_err(|error| failed("token")(&error))?;
    let key = PrivateKey::generate().map_err(|error| failed("key")(&error))?;
    let csr = key.to_csr().map_err(|error| failed("CSR")(&error))?;
    let stream = tls(address, "join.pilaster.internal", None).await?;
    let exporter = stream
        .get_ref()
        .1
        .export_keying_material([0; 32], EXPORTER_LABEL, None)
        .map_err(|error| failed("exporter")(&error))?;
    let request = pb::JoinRequest {
        token_id: token.id.to_vec(),
        node: node.into(),
        mac: token.proof_key().prove(&exporter, &csr, node),
        csr,
        facts: Some(facts(node)),
        boot_id: "boot".into(),
        nonce: vec![7; 16],
    };
    let reply = EnrollmentClient::new(channel(stream).await?).join(request).await;
    let reply = reply.map_err(|status| failed("join")(&status))?.into_inner();
    let chain = reply.chain.into_iter().map(CertificateDer::from).collect();
    Pair::new(chain, key).map_err(|error| failed("identity")(&error))
}

/// A stream that stands and is idle; dropping it ends it.
pub(super) struct Idle {
    _up: mpsc::Sender<pb::Report>,
    _down: Streaming<pb::Desired>,
}

/// Attaches, reports once and holds the stream.
pub(super) async fn attach(
    address: SocketAddr,
    node: &str,
    identity: &Pair,
) -> Result<Idle, LabError> {
    let stream = tls(address, "coordinator.pilaster.internal", Some(identity)).await?;
    let (up, reports) = mpsc::channel(1);
    let report = pb::Report { facts: Some(facts(node)), ..pb::Report::default() };
    up.send(report).await.map_err(|error| failed("report")(&error))?;
    let down = AgentClient::new(channel(stream).await?).attach(ReceiverStream::new(reports)).await;
    let down = down.map_err(|status| failed("attach")(&status))?.into_inner();
    Ok(Idle { _up: up, _down: down })
}

/// As a Pi reports them; without etcd, so that no files are rendered for a node that has no disk.
fn facts(node: &str) -> pb::Facts {
    pb::Facts {
        hostname: node.into(),
        eth0: vec![format!("{}/8", address_of(node))],
        architecture: "aarch64".into(),
        memory_bytes: 1 << 30,
        kernel: "6.12.34-0-rpi".into(),
        agent_version: env!("CARGO_PKG_VERSION").into(),
        template_versions: vec![1],
        ..pb::Facts::default()
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

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.3 only".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &rustls::DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        rustls::crypto::ring::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
