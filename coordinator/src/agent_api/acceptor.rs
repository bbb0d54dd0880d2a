//! Takes connections: TLS 1.3 only, a deadline on the handshake, a bound on handshakes at once, no
//! resumption.
//!
//! The client's SNI picks the TLS configuration: one asks for no client certificate and leads to
//! Join alone; the other demands one *in the handshake* and leads to everything else. The client
//! chooses the SNI, so the routes are bound to the configuration: each kind of connection goes into
//! a server of its own (promise 3).

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use pilaster_common::error::causes;
use pilaster_common::token::{EXPORTER_LABEL, Exporter};
use pilaster_proto::{names, tls};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{Acceptor, WebPkiClientVerifier};
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use crate::ca::sign::SignError;
use crate::coordinator::Coordinator;
use crate::listen::tls::{OwnLeaf, server_config};
use crate::listen::{Bounds, Connection, Incoming, Place, Socket, accept};

/// A handshake takes some milliseconds; a Pi that is busy starting gets a thousand times that.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// Handshakes at once bound memory and work under a flood. Three hundred nodes behind one router
/// come back within a second of one address; an attacker who holds its handshakes open leaves half
/// to the others.
const HANDSHAKES: Bounds = Bounds { whom: "agents", in_all: 256, of_address: 128 };
/// Accepted connections that wait for the server to take them.
const ACCEPTED_QUEUE: usize = 64;

/// A connection after its handshake.
#[derive(Debug)]
pub(crate) struct Accepted {
    stream: TlsStream<Box<dyn Socket>>,
    peer: PeerInfo,
    /// One without a certificate keeps its share of its address as long as it stands: such
    /// connections are bounded.
    _place: Option<Place>,
}

/// Who is at the other end, as far as TLS knows.
#[derive(Debug, Clone)]
pub(crate) struct PeerInfo {
    /// Where it comes from: evidence to show, not proof.
    pub address: SocketAddr,
    /// Binds a proof to this connection.
    pub exporter: Exporter,
    /// Its certificate, verified; none on a connection for Join.
    pub certificate: Option<CertificateDer<'static>>,
}

pub(crate) struct Connections {
    /// Without a client certificate: Join and nothing else.
    pub join: mpsc::Receiver<io::Result<Accepted>>,
    /// With a verified client certificate.
    pub agents: mpsc::Receiver<io::Result<Accepted>>,
}

#[derive(Clone)]
struct Senders {
    join: mpsc::Sender<io::Result<Accepted>>,
    agents: mpsc::Sender<io::Result<Accepted>>,
}

struct Configs {
    join: Arc<rustls::ServerConfig>,
    agents: Arc<rustls::ServerConfig>,
}

/// What takes connections from `incoming`, as long as the future is polled; and where they come
/// out.
///
/// # Errors
/// When the coordinator's own certificate cannot be made.
pub(crate) fn connections<I: Incoming>(
    coordinator: &Coordinator,
    incoming: I,
) -> Result<(Connections, impl Future<Output = ()> + Send + use<I>), SignError> {
    let clock = Arc::clone(&coordinator.clock);
    let own = OwnLeaf::new(Arc::clone(&coordinator.control), Arc::clone(&clock))?;
    let own = Arc::new(own);
    let configs = Arc::new(Configs {
        join: Arc::new(server_config(&own, None)),
        agents: Arc::new(server_config(&own, Some(agents_of(coordinator)))),
    });
    let (join_sender, join) = mpsc::channel(ACCEPTED_QUEUE);
    let (agents_sender, agents) = mpsc::channel(ACCEPTED_QUEUE);
    let senders = Senders { join: join_sender, agents: agents_sender };
    let handshakes = Arc::clone(&clock);
    let handle = move |connection: Connection| {
        let (clock, configs, senders) =
            (Arc::clone(&handshakes), Arc::clone(&configs), senders.clone());
        async move {
            let Connection { socket, address, slot, place } = connection;
            let shaken = clock.within(HANDSHAKE_MAX, handshake(socket, address, &configs)).await;
            drop(slot);
            match shaken {
                Some(Ok((kind, accepted))) => senders.pass_on(kind, accepted, place).await,
                Some(Err(error)) => tracing::debug!(%address, "handshake: {}", causes(&error)),
                None => tracing::debug!(%address, "handshake: not done within {HANDSHAKE_MAX:?}"),
            }
        }
    };
    Ok((Connections { join, agents }, accept(incoming, HANDSHAKES, clock, handle)))
}

/// Takes identities of this installation. Names of CAs are nobody's business before the handshake.
fn agents_of(coordinator: &Coordinator) -> Arc<dyn ClientCertVerifier> {
    let roots = tls::anchors([coordinator.control.root()]).expect("our own root is a certificate");
    WebPkiClientVerifier::builder_with_provider(roots, tls::provider())
        .clear_root_hint_subjects()
        .build()
        .expect("there is a root")
}

impl Senders {
    async fn pass_on(&self, kind: Kind, accepted: Accepted, place: Place) {
        let sent = match kind {
            Kind::Join => self.join.send(Ok(Accepted { _place: Some(place), ..accepted })).await,
            Kind::Agent => {
                drop(place);
                self.agents.send(Ok(accepted)).await
            }
        };
        drop(sent); // the server has stopped
    }
}

enum Kind {
    Join,
    Agent,
}

async fn handshake(
    socket: Box<dyn Socket>,
    address: SocketAddr,
    configs: &Configs,
) -> io::Result<(Kind, Accepted)> {
    let start = LazyConfigAcceptor::new(Acceptor::default(), socket).await?;
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
    Ok((kind, Accepted { stream, peer: PeerInfo { address, exporter, certificate }, _place: None }))
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
