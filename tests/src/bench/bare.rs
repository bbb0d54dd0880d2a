//! The bare servers that the coordinator is measured against, each in a process of its own (`lab
//! bench-bare`): the same handshakes, signatures and durable commits without gRPC, rules and
//! records; and a tonic server that only holds streams.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use pilaster_common::certificate;
use pilaster_common::clock::{Clock, SystemClock};
use pilaster_common::secret::PrivateKey;
use pilaster_coordinator::ca::issue;
use pilaster_coordinator::ca::sign::{Authority, PathLength};
use pilaster_coordinator::store::{KeyValue, RedbStore, Transaction};
use pilaster_proto::agent::v1 as pb;
use pilaster_proto::agent::v1::agent_server::{Agent, AgentServer};
use pilaster_proto::tls::{ALPN, server_config};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::ClientCertVerifier;
use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, Streaming};

use crate::error::LabError;
use crate::report;

/// What a bare server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Bare {
    /// For each connection: a handshake, a CSR in, a certificate out, a durable commit.
    Enroll,
    /// Holds one stream for each connection.
    Hold,
}

/// Serves on a port of loopback until killed; the first line on stdout is the port.
///
/// # Errors
/// It cannot listen.
pub fn serve(what: Bare, folder: &std::path::Path) -> Result<(), LabError> {
    super::served::raise_descriptors();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let served = runtime.expect("the system gives two threads").block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        report::line(listener.local_addr()?.port());
        match what {
            Bare::Enroll => enroll(listener, folder).await,
            Bare::Hold => hold(listener).await,
        }
    });
    served.map_err(|source| LabError::Start { line: "the bare server".into(), source })
}

async fn enroll(listener: TcpListener, folder: &std::path::Path) -> io::Result<()> {
    let now = SystemClock.now();
    let ca = Authority::generate("bare", PathLength::Unbounded, now).map_err(io::Error::other)?;
    let acceptor = acceptor(&ca)?;
    let store = Arc::new(RedbStore::open(&folder.join("bare.redb")).map_err(io::Error::other)?);
    let ca = Arc::new(ca);
    loop {
        let (stream, _) = listener.accept().await?;
        let (acceptor, store, ca) = (acceptor.clone(), Arc::clone(&store), Arc::clone(&ca));
        tokio::spawn(async move {
            let answered = answer(stream, &acceptor, &store, &ca).await;
            if let Err(error) = answered {
                report::note(format_args!("bare: {error}"));
            }
        });
    }
}

async fn answer(
    stream: TcpStream,
    acceptor: &TlsAcceptor,
    store: &RedbStore,
    ca: &Authority,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = acceptor.accept(stream).await?;
    let mut csr = vec![0; stream.read_u16().await?.into()];
    stream.read_exact(&mut csr).await?;
    let key = certificate::read_request(&csr).map_err(io::Error::other)?;
    let life = Duration::from_secs(86_400);
    let leaf =
        ca.sign(&issue::client("bare", life, SystemClock.now()), &key).map_err(io::Error::other)?;
    let name = data(&certificate::key_hash(&key));
    // what Join commits: the token, the node, the key's owner
    let put =
        ["token", "node", "key"].map(|kind| (format!("{kind}/{name}"), leaf.to_vec())).to_vec();
    let committed = store.commit(Transaction { put, ..Transaction::default() }).await;
    committed.map_err(io::Error::other)?;
    stream.write_u16(u16::try_from(leaf.len()).map_err(io::Error::other)?).await?;
    stream.write_all(&leaf).await?;
    stream.shutdown().await
}

async fn hold(listener: TcpListener) -> io::Result<()> {
    let ca = Authority::generate("bare", PathLength::Unbounded, SystemClock.now())
        .map_err(io::Error::other)?;
    let acceptor = acceptor_of_any(&ca)?;
    let (sender, accepted) = tokio::sync::mpsc::channel::<io::Result<TlsStream<TcpStream>>>(64);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, sender) = (acceptor.clone(), sender.clone());
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    let _ = sender.send(Ok(stream)).await; // the server has stopped
                }
            });
        }
    });
    let incoming = ReceiverStream::new(accepted).map(|stream| stream.map(Bound));
    let served = tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .add_service(AgentServer::new(Holder))
        .serve_with_incoming(incoming);
    served.await.map_err(io::Error::other)
}

struct Holder;

#[tonic::async_trait]
impl Agent for Holder {
    type AttachStream = Pin<Box<dyn Stream<Item = Result<pb::Desired, Status>> + Send>>;

    async fn attach(
        &self,
        request: Request<Streaming<pb::Report>>,
    ) -> Result<Response<Self::AttachStream>, Status> {
        let reports = request.into_inner().filter_map(|report| report.err().map(Err));
        Ok(Response::new(Box::pin(reports)))
    }

    async fn issue(
        &self,
        _: Request<pb::IssueRequest>,
    ) -> Result<Response<pb::IssueReply>, Status> {
        Err(Status::unimplemented("bare"))
    }

    async fn renew(
        &self,
        _: Request<pb::RenewRequest>,
    ) -> Result<Response<pb::GivenIdentity>, Status> {
        Err(Status::unimplemented("bare"))
    }
}

fn data(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

fn acceptor(ca: &Authority) -> io::Result<TlsAcceptor> {
    acceptor_with(ca, None)
}

/// Demands a client certificate, as the coordinator does, and takes any of the bench's.
fn acceptor_of_any(ca: &Authority) -> io::Result<TlsAcceptor> {
    acceptor_with(ca, Some(Arc::new(super::served::AnyClient)))
}

fn acceptor_with(
    ca: &Authority,
    clients: Option<Arc<dyn ClientCertVerifier>>,
) -> io::Result<TlsAcceptor> {
    let key = PrivateKey::generate().map_err(io::Error::other)?;
    let leaf = ca
        .sign(&issue::coordinator(SystemClock.now()), &key.public_key())
        .map_err(io::Error::other)?;
    let chain: Vec<CertificateDer<'static>> = vec![leaf, ca.root().clone()];
    let builder = match clients {
        None => server_config().with_no_client_auth(),
        Some(verifier) => server_config().with_client_cert_verifier(verifier),
    };
    let mut config = builder.with_single_cert(chain, key.to_der()).map_err(io::Error::other)?;
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// A stream that tells tonic nothing of its peer.
struct Bound(TlsStream<TcpStream>);

impl tonic::transport::server::Connected for Bound {
    type ConnectInfo = ();
    fn connect_info(&self) {}
}

impl tokio::io::AsyncRead for Bound {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &mut tokio::io::ReadBuf<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl tokio::io::AsyncWrite for Bound {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
        buf: &[u8],
    ) -> std::task::Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
