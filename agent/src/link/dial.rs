//! Dials by hand: TCP, TLS 1.3, then exactly that stream under gRPC.
//!
//! tonic's own TLS hides the exporter to which a join's proof is bound, and its channel may redial behind our back; here a channel has
//! one connection and ends with it. Called by `identity::join`, `link::attach` and, for etcd on loopback, `etcd::member`.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use pilaster_common::error::Help;
use pilaster_common::pem::Pair;
use pilaster_common::token::{EXPORTER_LABEL, Exporter};
use pilaster_proto::client::{Coordinator, KeepAlive, channel_over};
use pilaster_proto::{names, tls};
use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::Channel;

use super::verifier::{NO_PIN_FITS, Pins, by_pins};
use crate::config::{
    CONNECT_DEADLINE, HANDSHAKE_DEADLINE, MESSAGE_BYTES_MAX, PING_DEADLINE, PING_INTERVAL,
};

/// A dead link is noticed within 50 s.
const KEEP_ALIVE: KeepAlive = KeepAlive { interval: PING_INTERVAL, deadline: PING_DEADLINE };

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

/// Connects to the coordinator at `address` and verifies it by `pins`. Nothing is sent before that holds.
pub(crate) async fn dial(
    address: &str,
    pins: Pins,
    purpose: Purpose<'_>,
) -> Result<Connection, DialError> {
    let config = config(pins, purpose)?;
    let name = match purpose {
        Purpose::Join => names::JOIN,
        Purpose::Attach(_) => names::COORDINATOR,
    };
    let stream =
        handshake(address, config, ServerName::try_from(name).expect("a DNS name")).await?;
    let exporter = stream
        .get_ref()
        .1
        .export_keying_material(Exporter::default(), EXPORTER_LABEL, None)
        .map_err(DialError::Config)?;
    #[cfg(feature = "tap")]
    let stream = super::tap::Tap::new(stream);
    let channel = channel_over(stream, Some(KEEP_ALIVE)).await.map_err(DialError::Channel)?;
    Ok(Connection { coordinator: Coordinator::over(channel, MESSAGE_BYTES_MAX), exporter })
}

/// Connects to `address` with a configuration of the caller's and answers gRPC over it.
pub(crate) async fn over_tls(
    address: &str,
    config: ClientConfig,
    name: ServerName<'static>,
) -> Result<Channel, DialError> {
    let stream = handshake(address, config, name).await?;
    channel_over(stream, Some(KEEP_ALIVE)).await.map_err(DialError::Channel)
}

fn config(pins: Pins, purpose: Purpose<'_>) -> Result<ClientConfig, DialError> {
    let builder = tls::client_config()
        .dangerous() // the verifier is ours: by pins
        .with_custom_certificate_verifier(by_pins(pins));
    match purpose {
        Purpose::Join => Ok(builder.with_no_client_auth()),
        Purpose::Attach(pair) => builder
            .with_client_auth_cert(pair.chain().to_vec(), pair.key().to_der())
            .map_err(DialError::Config),
    }
}

async fn handshake(
    address: &str,
    mut config: ClientConfig,
    name: ServerName<'static>,
) -> Result<TlsStream<TcpStream>, DialError> {
    config.alpn_protocols = vec![tls::ALPN.to_vec()];
    config.resumption = Resumption::disabled(); // a resumed session skips the verifier of the other end
    let tcp = timeout(CONNECT_DEADLINE, TcpStream::connect(address))
        .await
        .map_err(|_| DialError::Deadline(CONNECT_DEADLINE))?
        .map_err(DialError::Connect)?;
    tcp.set_nodelay(true).map_err(DialError::Connect)?;
    timeout(HANDSHAKE_DEADLINE, TlsConnector::from(Arc::new(config)).connect(name, tcp))
        .await
        .map_err(|_| DialError::Deadline(HANDSHAKE_DEADLINE))?
        .map_err(|error| handshake_error(address, error))
}

fn handshake_error(address: &str, error: io::Error) -> DialError {
    let address = address.to_owned();
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
    use crate::testing::{Says, TestCa};
    use pilaster_common::profile::Profile;
    use pilaster_proto::names::COORDINATOR;
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    /// A server with a leaf of `ca` that presents `roots` besides, and how many bytes of ours it could read.
    async fn server(
        ca: &TestCa,
        name: &str,
        roots: &[&TestCa],
    ) -> (String, tokio::task::JoinHandle<usize>) {
        let pair = ca.leaf(Profile::Peer, &Says { names: &[name], ..Says::default() });
        let mut presented = pair.chain().to_vec();
        presented.extend(roots.iter().map(|ca| ca.root.clone()));
        let mut config = tls::server_config()
            .with_no_client_auth()
            .with_single_cert(presented, pair.key().to_der())
            .expect("a pair");
        config.alpn_protocols = vec![b"h2".to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("bound").to_string();
        let task = tokio::spawn(async move {
            let (tcp, _) = listener.accept().await.expect("accepts");
            let Ok(mut stream) = TlsAcceptor::from(Arc::new(config)).accept(tcp).await else {
                return 0;
            };
            stream.read(&mut [0; 4096]).await.unwrap_or(0)
        });
        (address, task)
    }

    /// What became of a dial, and how many bytes the other end could read.
    async fn dialled(
        ca: &TestCa,
        name: &str,
        roots: &[&TestCa],
        pins: Pins,
    ) -> (Option<DialError>, usize) {
        let (address, read) = server(ca, name, roots).await;
        let error = dial(&address, pins, Purpose::Join).await.err();
        (error, read.await.expect("ends"))
    }

    #[tokio::test]
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
        let address = listener.local_addr().expect("bound").to_string();
        drop(listener);
        let error = dial(&address, Pins::one([0; 32]), Purpose::Join).await.expect_err("nobody");
        assert!(error.may_pass() && error.to_string().contains("refused"), "{error}");
    }
}
