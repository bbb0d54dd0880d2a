//! Takes connections: TLS 1.3 only, a deadline on the handshake, a bound on handshakes at once, no resumption.
//!
//! The client's SNI picks the TLS configuration: one asks for no client certificate and leads to Join alone; the other demands one *in the
//! handshake* and leads to everything else. The client chooses the SNI, so the routes are bound to the configuration: each kind
//! of connection goes into a server of its own (promise 3).

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use pilaster_common::clock::Timestamp;
use pilaster_common::error::causes;
use pilaster_common::secret::PrivateKey;
use pilaster_common::token::{EXPORTER_LABEL, Exporter};
use pilaster_proto::names;
use rustls::crypto::ring as provider;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::Connected;

use super::trust::ControlTrust;
use crate::by_address::{ByAddress, Place};
use crate::ca::issue;
use crate::ca::sign::SignError;
use crate::coordinator::Coordinator;

/// A handshake takes some milliseconds; a Pi that is busy starting gets a thousand times that.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// Handshakes at once: bounds memory and work under a flood.
const HANDSHAKES_MAX: usize = 256;
/// Handshakes at once from one address: three hundred nodes behind one router come back within a second of it, an attacker who holds
/// its handshakes open leaves half to the others.
const HANDSHAKES_AN_ADDRESS: usize = 128;
/// Pause after a failed accept, such as when descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);
/// Accepted connections that wait for the server to take them.
const ACCEPTED_QUEUE: usize = 64;
/// The coordinator's own leaf is renewed when less than this is left: 90 d, renewed at 60.
const RENEW_BEFORE: Duration = Duration::from_secs(30 * 86_400);

/// A connection after its handshake.
#[derive(Debug)]
pub struct Accepted {
    stream: TlsStream<TcpStream>,
    peer: PeerInfo,
    /// One without a certificate keeps its share of its address as long as it stands: such connections are bounded.
    place: Option<Place>,
}

/// Who is at the other end, as far as TLS knows.
#[derive(Debug, Clone)]
pub struct PeerInfo {
    /// Where it comes from: evidence to show, not proof.
    pub address: SocketAddr,
    /// Binds a proof to this connection.
    pub exporter: Exporter,
    /// Its certificate, verified; none on a connection for Join.
    pub certificate: Option<CertificateDer<'static>>,
}

/// Connections by kind.
pub struct Connections {
    /// Without a client certificate: Join and nothing else.
    pub join: mpsc::Receiver<io::Result<Accepted>>,
    /// With a verified client certificate.
    pub agents: mpsc::Receiver<io::Result<Accepted>>,
    /// Whom the listener trusts; may be swapped at any time.
    pub trust: Arc<ControlTrust>,
}

/// Starts to accept on `listener`, until `shutdown`.
///
/// # Errors
/// When the coordinator's own certificate cannot be made.
pub fn accept(
    coordinator: &Arc<Coordinator>,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> Result<Connections, SignError> {
    let own = Arc::new(OwnLeaf::new(Arc::clone(coordinator))?);
    let trust = Arc::new(ControlTrust::new(&[coordinator.control.root().clone()]));
    let configs = Arc::new(Configs {
        join: Arc::new(config(&own, None)),
        agents: Arc::new(config(&own, Some(&trust))),
    });
    let (join_sender, join) = mpsc::channel(ACCEPTED_QUEUE);
    let (agents_sender, agents) = mpsc::channel(ACCEPTED_QUEUE);
    let senders = Senders { join: join_sender, agents: agents_sender };
    tokio::spawn(accept_loop(listener, configs, senders, shutdown));
    Ok(Connections { join, agents, trust })
}

struct Configs {
    join: Arc<rustls::ServerConfig>,
    agents: Arc<rustls::ServerConfig>,
}

#[derive(Clone)]
struct Senders {
    join: mpsc::Sender<io::Result<Accepted>>,
    agents: mpsc::Sender<io::Result<Accepted>>,
}

async fn accept_loop(
    listener: TcpListener,
    configs: Arc<Configs>,
    senders: Senders,
    shutdown: CancellationToken,
) {
    let handshakes = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    let by_address = ByAddress::new(HANDSHAKES_AN_ADDRESS);
    let mut told = false;
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => return, // cancel-safe: holds nothing
            accepted = listener.accept() => accepted, // cancel-safe: tokio docs
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if !std::mem::replace(&mut told, true) {
                    tracing::warn!("cannot accept connections, trying on: {error}");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        told = false;
        let Some(place) = by_address.place(address.ip()) else {
            tracing::debug!(%address, "refused: {HANDSHAKES_AN_ADDRESS} handshakes of this address are under way");
            continue;
        };
        let permit = Arc::clone(&handshakes).acquire_owned().await.expect("never closed");
        let (configs, senders) = (Arc::clone(&configs), senders.clone());
        tokio::spawn(async move {
            let shaken =
                tokio::time::timeout(HANDSHAKE_MAX, handshake(stream, address, &configs)).await;
            drop(permit);
            match shaken {
                Ok(Ok((kind, mut accepted))) => {
                    let sender = match kind {
                        Kind::Join => {
                            accepted.place = Some(place);
                            &senders.join
                        }
                        Kind::Agent => {
                            drop(place);
                            &senders.agents
                        }
                    };
                    drop(sender.send(Ok(accepted)).await); // the server has stopped
                }
                Ok(Err(error)) => tracing::debug!(%address, "handshake: {}", causes(&error)),
                Err(_) => tracing::debug!(%address, "handshake: not done within {HANDSHAKE_MAX:?}"),
            }
        });
    }
}

enum Kind {
    Join,
    Agent,
}

async fn handshake(
    stream: TcpStream,
    address: SocketAddr,
    configs: &Configs,
) -> io::Result<(Kind, Accepted)> {
    stream.set_nodelay(true)?;
    let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await?;
    let (kind, config) = match start.client_hello().server_name() {
        Some(names::JOIN) => (Kind::Join, &configs.join),
        _ => (Kind::Agent, &configs.agents),
    };
    let stream = start.into_stream(Arc::clone(config)).await?;
    let (_, session) = stream.get_ref();
    let exporter = session
        .export_keying_material([0; 32], EXPORTER_LABEL, None)
        .map_err(|error| io::Error::other(format!("no exporter: {error}")))?;
    let certificate =
        session.peer_certificates().and_then(<[_]>::first).map(|leaf| leaf.clone().into_owned());
    Ok((kind, Accepted { stream, peer: PeerInfo { address, exporter, certificate }, place: None }))
}

fn config(own: &Arc<OwnLeaf>, clients: Option<&Arc<ControlTrust>>) -> rustls::ServerConfig {
    let builder =
        rustls::ServerConfig::builder_with_provider(Arc::new(provider::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("ring has TLS 1.3");
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(trust) => {
            let trust: Arc<dyn ClientCertVerifier> = Arc::<ControlTrust>::clone(trust);
            builder.with_client_cert_verifier(trust)
        }
    };
    let mut config = builder.with_cert_resolver(Arc::clone(own) as Arc<dyn ResolvesServerCert>);
    config.alpn_protocols = vec![b"h2".to_vec()];
    // rustls does not ask the verifier again on resumption: there is none.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    config
}

/// The coordinator's own certificate: made in memory, renewed by the first handshake that finds it old.
struct OwnLeaf {
    coordinator: Arc<Coordinator>,
    present: Mutex<(Arc<CertifiedKey>, Timestamp)>,
}

impl OwnLeaf {
    fn new(coordinator: Arc<Coordinator>) -> Result<Self, SignError> {
        let made = make_leaf(&coordinator)?;
        Ok(Self { coordinator, present: Mutex::new(made) })
    }
}

impl std::fmt::Debug for OwnLeaf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OwnLeaf(..)")
    }
}

impl ResolvesServerCert for OwnLeaf {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let now = self.coordinator.clock.now();
        let mut present = self.present.lock().expect("no holder panics");
        if present.1.minus(RENEW_BEFORE) <= now {
            match make_leaf(&self.coordinator) {
                Ok(made) => *present = made,
                Err(error) => tracing::error!(
                    "cannot renew the coordinator's certificate: {}",
                    causes(&error)
                ),
            }
        }
        Some(Arc::clone(&present.0))
    }
}

fn make_leaf(coordinator: &Coordinator) -> Result<(Arc<CertifiedKey>, Timestamp), SignError> {
    let key = PrivateKey::generate()?;
    let plan = issue::coordinator(coordinator.clock.now());
    let leaf = coordinator.control.sign(&plan, &key.public_key())?;
    let signing_key = provider::sign::any_ecdsa_type(&key.to_der())
        .expect("ring signs with the P-256 key it has just made");
    let chain = vec![leaf, coordinator.control.root().clone()];
    Ok((Arc::new(CertifiedKey::new(chain, signing_key)), plan.not_after))
}

impl Connected for Accepted {
    type ConnectInfo = PeerInfo;

    fn connect_info(&self) -> PeerInfo {
        self.peer.clone()
    }
}

impl AsyncRead for Accepted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Accepted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
