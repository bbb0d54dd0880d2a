//! Dials by hand: a stream ([`Dial`]), TLS 1.3, then exactly that stream under gRPC.
//!
//! tonic's own TLS hides the exporter to which a join's proof is bound, and its channel may redial
//! behind our back; here a channel has one connection and ends with it. Called by `join` and by
//! [`super::keeper`].

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use pilaster_common::clock::Clock;
use pilaster_common::endpoint::Endpoint;
use pilaster_common::error::Help;
use pilaster_common::pem::Pair;
use pilaster_common::token::{EXPORTER_LABEL, Exporter};
use pilaster_proto::client::{Coordinator, KeepAlive, channel_over};
use pilaster_proto::{names, tls};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::verifier::{NO_PIN_FITS, PinVerifier};
use crate::node::Pins;
use crate::node::tls::over;

/// A TCP connection on a home network stands within milliseconds, over a slow mobile link within
/// seconds.
const CONNECT_DEADLINE: Duration = Duration::from_secs(5);
/// The server drops a handshake after the same time (docs/PROTOCOL.md, One verified connection).
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(10);
/// A dead link is noticed within 50 s.
const KEEP_ALIVE: KeepAlive =
    KeepAlive { interval: Duration::from_secs(30), deadline: Duration::from_secs(20) };
/// A desired state has about 10 kB; this bounds what a bad coordinator can make the agent hold.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// What a connection is for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose<'a> {
    /// Join: no certificate yet.
    Join,
    /// Everything else, with this identity.
    Attach(&'a Pair),
}

/// One verified connection.
#[derive(Debug)]
pub(crate) struct Connection {
    /// Who answers over it.
    pub(crate) coordinator: Coordinator,
    /// What only its two ends know.
    pub(crate) exporter: Exporter,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    #[error("{0}")]
    Connect(#[source] io::Error),
    #[error("no answer within {} s", .0.as_secs())]
    Deadline(Duration),
    #[error("the coordinator at {address} is not the one that made this token")]
    OtherCoordinator { address: String },
    #[error("the certificate of the coordinator at {address} does not hold")]
    Certificate { address: String, source: rustls::Error },
    #[error("the TLS handshake failed")]
    Handshake(#[source] io::Error),
    #[error("cannot use the key for TLS")]
    Config(#[source] rustls::Error),
    #[error("the connection ended at once")]
    Channel(#[source] tonic::transport::Error),
}

impl DialError {
    /// Whether the same try may work later, with nothing changed by a person.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Connect(_) | Self::Deadline(_) | Self::Handshake(_) | Self::Channel(_) => true,
            Self::OtherCoordinator { .. } | Self::Certificate { .. } | Self::Config(_) => false,
        }
    }
}

impl Help for DialError {
    fn help(&self) -> Option<String> {
        Some(match self {
            Self::OtherCoordinator { .. } => {
                "check the address; if it is right, make a new token there: coordctl enroll NODE"
                    .into()
            }
            Self::Certificate { .. } => {
                "check the clock of this host and of the coordinator: date -u".into()
            }
            _ => {
                "check that pilaster-coordinator runs there and that the address and port are right"
                    .into()
            }
        })
    }
}

/// A connection to where a coordinator is dialled, before anybody is verified.
#[tonic::async_trait]
pub trait Dial: fmt::Debug + Send + Sync {
    /// Connects. The caller has a deadline.
    async fn connect(&self, endpoint: &Endpoint) -> io::Result<BoxedStream>;
}

/// Bytes in both directions.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Any of them.
pub type BoxedStream = Box<dyn Stream>;

/// The real one.
#[derive(Debug)]
pub(crate) struct Tcp;

#[tonic::async_trait]
impl Dial for Tcp {
    async fn connect(&self, endpoint: &Endpoint) -> io::Result<BoxedStream> {
        let tcp = TcpStream::connect(endpoint.as_ref()).await?;
        tcp.set_nodelay(true)?;
        Ok(Box::new(tcp))
    }
}

/// Connects to the coordinator at `endpoint` and verifies it by `pins`. Nothing is sent before that
/// holds.
pub(crate) async fn dial(
    by: &dyn Dial,
    endpoint: &Endpoint,
    pins: Pins,
    purpose: Purpose<'_>,
    clock: &Arc<dyn Clock>,
) -> Result<Connection, DialError> {
    let config = config(pins, purpose)?;
    let name = match purpose {
        Purpose::Join => names::JOIN,
        Purpose::Attach(_) => names::COORDINATOR,
    };
    let name = ServerName::try_from(name).expect("a DNS name");
    let stream = clock.within(CONNECT_DEADLINE, by.connect(endpoint)).await;
    let stream =
        stream.ok_or(DialError::Deadline(CONNECT_DEADLINE))?.map_err(DialError::Connect)?;
    let stream = clock.within(HANDSHAKE_DEADLINE, over(stream, config, name, clock)).await;
    let stream = stream
        .ok_or(DialError::Deadline(HANDSHAKE_DEADLINE))?
        .map_err(|error| handshake_error(endpoint, error))?;
    let exporter = stream
        .get_ref()
        .1
        .export_keying_material(Exporter::default(), EXPORTER_LABEL, None)
        .map_err(DialError::Config)?;
    #[cfg(feature = "tap")]
    let stream = super::tap::tap(stream, super::tap::place());
    let channel = channel_over(stream, Some(KEEP_ALIVE)).await.map_err(DialError::Channel)?;
    Ok(Connection { coordinator: Coordinator::over(channel, MESSAGE_BYTES_MAX), exporter })
}

fn config(pins: Pins, purpose: Purpose<'_>) -> Result<ClientConfig, DialError> {
    let builder = tls::client_config()
        .dangerous() // the verifier is ours: by pins
        .with_custom_certificate_verifier(Arc::new(PinVerifier { pins }));
    let mut config = match purpose {
        Purpose::Join => builder.with_no_client_auth(),
        Purpose::Attach(pair) => builder
            .with_client_auth_cert(pair.chain().to_vec(), pair.key().to_der())
            .map_err(DialError::Config)?,
    };
    config.alpn_protocols = vec![tls::ALPN.to_vec()];
    Ok(config)
}

fn handshake_error(endpoint: &Endpoint, error: io::Error) -> DialError {
    let address = endpoint.to_string();
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(found)) if *found == NO_PIN_FITS => {
            DialError::OtherCoordinator { address }
        }
        Some(source @ rustls::Error::InvalidCertificate(_)) => {
            DialError::Certificate { address, source: source.clone() }
        }
        _ => DialError::Handshake(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Says, TestCa, TestNet, test_clock};
    use pilaster_common::profile::Profile;
    use pilaster_proto::names::COORDINATOR;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    /// What became of a dial to a server with a leaf of `ca` that presents `roots` besides, and how
    /// many bytes of ours it could read.
    async fn dialled(
        ca: &TestCa,
        name: &str,
        roots: &[&TestCa],
        pins: Pins,
    ) -> (Option<DialError>, usize) {
        let pair = ca.leaf(Profile::Peer, &Says { names: &[name], ..Says::default() });
        let mut presented = pair.chain().to_vec();
        presented.extend(roots.iter().map(|ca| ca.root.clone()));
        let mut config = tls::server_config()
            .with_no_client_auth()
            .with_single_cert(presented, pair.key().to_der())
            .expect("a pair");
        config.alpn_protocols = vec![tls::ALPN.to_vec()];
        let (net, clock) = (TestNet::default(), test_clock());
        let endpoint = "192.168.7.2:7443".parse().expect("good");
        let mut accepted = net.listen(&endpoint);
        let read = tokio::spawn(async move {
            let stream = accepted.recv().await.expect("is dialled");
            match TlsAcceptor::from(Arc::new(config)).accept(stream).await {
                Ok(mut stream) => stream.read(&mut [0; 4096]).await.unwrap_or(0),
                Err(_) => 0,
            }
        });
        let error = dial(&net, &endpoint, pins, Purpose::Join, &clock).await.err();
        (error, read.await.expect("ends"))
    }

    #[tokio::test(start_paused = true)]
    async fn agent_sends_nothing_before_pin_holds() {
        let (ca, other) = (TestCa::new("control"), TestCa::new("other"));
        let (mine, foreign) = (Pins::one(ca.pin()), Pins::one([7; 32]));

        let (error, read) = dialled(&ca, COORDINATOR, &[&ca], mine.clone()).await;
        assert!(error.is_none() && read > 0, "the right one hears us: {error:?}");

        let (error, read) = dialled(&ca, COORDINATOR, &[&ca], foreign).await;
        assert!(matches!(error, Some(DialError::OtherCoordinator { .. })), "{error:?}");
        assert_eq!(read, 0, "no pin fits");

        let (error, read) = dialled(&other, COORDINATOR, &[&ca, &other], mine.clone()).await;
        assert!(matches!(error, Some(DialError::Certificate { .. })), "{error:?}");
        assert_eq!(read, 0, "the pinned root is shown, and signed nothing");

        let (error, read) = dialled(&ca, "m-1.edge.example", &[&ca], mine.clone()).await;
        assert!(matches!(error, Some(DialError::Certificate { .. })), "{error:?}");
        assert_eq!(read, 0, "signed by the right root, and another name");

        let (error, read) = dialled(&ca, COORDINATOR, &[], mine).await;
        assert!(matches!(error, Some(DialError::OtherCoordinator { .. })), "{error:?}");
        assert_eq!(read, 0, "no root is shown");
    }

    #[tokio::test]
    async fn an_address_where_nobody_listens_may_be_tried_again() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let endpoint = listener.local_addr().expect("bound").to_string().parse().expect("good");
        drop(listener);
        let (pins, clock) = (Pins::one([0; 32]), test_clock());
        let error = dial(&Tcp, &endpoint, pins, Purpose::Join, &clock).await.expect_err("nobody");
        assert!(error.may_pass() && error.to_string().contains("refused"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_coordinator_that_accepts_and_says_nothing_is_given_up_after_a_while() {
        let (net, clock) = (TestNet::default(), test_clock());
        let endpoint = "192.168.7.2:7443".parse().expect("good");
        let _accepted = net.listen(&endpoint);
        let error = dial(&net, &endpoint, Pins::one([0; 32]), Purpose::Join, &clock).await;
        assert!(matches!(error, Err(DialError::Deadline(HANDSHAKE_DEADLINE))), "{error:?}");
    }
}
