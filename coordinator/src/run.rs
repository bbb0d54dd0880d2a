//! Starts and stops the coordinator's tasks.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pilaster_common::atomic_file::{self, Access, ReplaceFileError};
use pilaster_common::clock::{Clock, SystemClock};
use pilaster_common::endpoint::Endpoint;
use pilaster_common::error::Help;
use pilaster_proto::admin::v1::admin_server::AdminServer;
use pilaster_proto::agent::v1::agent_server::AgentServer;
use pilaster_proto::agent::v1::enrollment_server::EnrollmentServer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_stream::Stream;
use tokio_stream::wrappers::{ReceiverStream, UnixListenerStream};
use tokio_util::sync::CancellationToken;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tonic::transport::server::{Connected, UdsConnectInfo};

use crate::admin_api::{self, AdminService, SocketError};
use crate::agent_api::{AgentService, EnrollmentService, acceptor};
use crate::audit::{AuditLog, OpenAuditError};
use crate::ca::Authorities;
use crate::ca::sign::SignError;
use crate::ca::vault::{Missing, Vault, VaultError};
use crate::config::{Config, owner};
use crate::coordinator::Coordinator;
use crate::listen::Incoming;
use crate::repository::{self, Offer, Repository, RepositoryError};
use crate::rollout::Wake;
use crate::rollout::fleet::Fleet;
use crate::store::{KeyValue, OpenStoreError, RedbStore, Store, StoreError};

/// A dead link is noticed within 50 s, on both sides.
const KEEPALIVE: Duration = Duration::from_secs(30);
const KEEPALIVE_ANSWER: Duration = Duration::from_secs(20);
/// Attach and Issue, and room for a retry of each.
const STREAMS_A_CONNECTION: u32 = 8;
/// A request of ours has some hundred bytes of headers.
const HEADERS_MAX: u32 = 16 * 1024;
/// A join request has about 1 KiB.
const JOIN_MAX: usize = 16 * 1024;
/// A report of a node with many members has some KiB.
const REPORT_MAX: usize = 256 * 1024;
/// A spec of the largest size, escaped as JSON.
const COMMAND_MAX: usize = 8 * 1024 * 1024;
/// Join is one round trip.
const JOIN_DEADLINE: Duration = Duration::from_secs(10);
/// A connection without a certificate is for one Join.
const JOIN_CONNECTION_MAX: Duration = Duration::from_secs(30);
/// Streams do not end by themselves; what is recorded is recorded.
const SHUTDOWN_GRACE: Duration = Duration::from_secs(1);

/// Why the coordinator does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Its folder.
    #[error(transparent)]
    Folder(#[from] ReplaceFileError),
    /// Its store.
    #[error(transparent)]
    OpenStore(#[from] OpenStoreError),
    /// Its store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its CAs.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// Its audit log.
    #[error(transparent)]
    Audit(#[from] OpenAuditError),
    /// Its own certificate.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// The admin socket.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The port.
    #[error("cannot listen on {address}")]
    Listen {
        /// Where.
        address: std::net::SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The port for packages.
    #[error("cannot listen on {address} for those who fetch packages")]
    ListenForPackages {
        /// Where.
        address: std::net::SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The packages for nodes.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// No signals.
    #[error("cannot wait for signals")]
    Signals(#[source] std::io::Error),
    /// A server.
    #[error("a server has ended")]
    Serve(#[from] tonic::transport::Error),
    /// A task that should not end has ended.
    #[error("a part of the coordinator has ended: {0}")]
    Ended(String),
}

impl Help for RunError {
    fn help(&self) -> Option<String> {
        match self {
            Self::Folder(error) => error.help(),
            Self::OpenStore(error) => error.help(),
            Self::Store(error) => error.help(),
            Self::Vault(error) => error.help(),
            Self::Audit(error) => error.help(),
            Self::Sign(error) => error.help(),
            Self::Socket(error) => error.help(),
            Self::Listen { address, .. } => Some(format!(
                "see who has it (ss -ltnp sport = :{}), or choose another: --listen",
                address.port()
            )),
            Self::ListenForPackages { address, .. } => Some(format!(
                "see who has it (ss -ltnp sport = :{}), or choose another: --repository-listen",
                address.port()
            )),
            Self::Repository(error) => error.help(),
            Self::Signals(_) => None,
            Self::Serve(_) | Self::Ended(_) => {
                Some("start it again; if it ends again, its last log lines say why".into())
            }
        }
    }
}

/// Where a running coordinator is to be found.
#[derive(Debug, Clone)]
pub struct Listening {
    /// What agents dial.
    pub endpoints: Vec<Endpoint>,
    /// What coordctl opens.
    pub socket: PathBuf,
    /// Its state.
    pub state: PathBuf,
    /// What nodes may fetch.
    pub packages: Option<Offer>,
}

/// Runs until SIGTERM or SIGINT; `ready` is called when everything listens.
///
/// # Errors
/// See [`RunError`].
pub async fn run(config: Config, ready: impl FnOnce(&Listening)) -> Result<(), RunError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let owner = owner();
    atomic_file::ensure_folder(&config.state, Access { mode: 0o700, ..owner })?;
    let admin = admin_api::listen(&config.socket, owner).await?;
    let values: Arc<dyn KeyValue> = Arc::new(RedbStore::open(&config.state.join("store.redb"))?);
    let vault = Vault::open(&config.state.join("ca"), owner)?;
    let missing = match Store::is_new(&*values).await? {
        true => Missing::Make(clock.now()),
        false => Missing::Fail,
    };
    let control = vault.control(missing)?;
    let store = Store::begin(values, random_id).await?;
    let audit = AuditLog::open(&config.state.join("audit.log"))?;
    let endpoints = config.endpoints();
    let listener = TcpListener::bind(config.listen)
        .await
        .map_err(|source| RunError::Listen { address: config.listen, source })?;
    let packages = packages(&config).await?;
    let offer = packages.as_ref().map(|(_, _, offer)| offer.clone());
    let coordinator = Arc::new(Coordinator {
        store,
        control: Arc::new(control),
        authorities: Arc::new(Authorities::new(vault)),
        fleet: Arc::new(Fleet::default()),
        wake: Arc::new(Wake::default()),
        audit,
        clock,
        endpoints: endpoints.clone(),
        offer: offer.clone(),
    });
    let shutdown = CancellationToken::new();
    let admins = UnixListenerStream::new(admin);
    let mut tasks = spawn(&coordinator, listener, admins, &shutdown)?;
    if let Some((repository, listener, _)) = packages {
        let clock = Arc::clone(&coordinator.clock);
        tasks.spawn(until(shutdown.clone(), repository::serve(repository, listener, clock)));
    }
    ready(&Listening {
        endpoints: endpoints.0,
        socket: config.socket.clone(),
        state: config.state.clone(),
        packages: offer,
    });
    let mut term = signal(SignalKind::terminate()).map_err(RunError::Signals)?;
    let mut int = signal(SignalKind::interrupt()).map_err(RunError::Signals)?;
    let ended = tokio::select! {
        _ = term.recv() => Ok(()), // cancel-safe: tokio docs
        _ = int.recv() => Ok(()), // cancel-safe: tokio docs
        ended = tasks.join_next() => match ended { // cancel-safe: tokio docs
            Some(Ok(Err(error))) => Err(error),
            ended => Err(RunError::Ended(format!("{ended:?}"))),
        },
    };
    shutdown.cancel();
    let drained =
        tokio::time::timeout(SHUTDOWN_GRACE, async { while tasks.join_next().await.is_some() {} })
            .await;
    if drained.is_err() {
        tracing::debug!("streams were cut off");
    }
    drop(atomic_file::remove(&config.socket)); // the next start replaces one that stayed
    ended
}

/// The packages for nodes, and the port that gives them out, where there are any.
async fn packages(config: &Config) -> Result<Option<(Repository, TcpListener, Offer)>, RunError> {
    let Some(folder) = &config.repository else { return Ok(None) };
    let repository = Repository::open(folder)?;
    let listener = TcpListener::bind(config.repository_listen).await;
    let fail = |source| RunError::ListenForPackages { address: config.repository_listen, source };
    let listener = listener.map_err(fail)?;
    let offer = Offer::new(repository.public_key()?, listener.local_addr().map_err(fail)?);
    Ok(Some((repository, listener, offer)))
}

/// Every task of a coordinator that does not end: what takes connections from `agents` and serves
/// them, what serves the admin API over `admins`, and what runs the passes.
///
/// # Errors
/// When the coordinator's own certificate cannot be made.
pub fn spawn<A>(
    coordinator: &Arc<Coordinator>,
    agents: impl Incoming,
    admins: impl Stream<Item = io::Result<A>> + Send + 'static,
    shutdown: &CancellationToken,
) -> Result<JoinSet<Result<(), RunError>>, RunError>
where
    A: AsyncRead + AsyncWrite + Connected<ConnectInfo = UdsConnectInfo> + Unpin + Send + 'static,
{
    let (acceptor::Connections { join, agents }, accepting) =
        acceptor::connections(coordinator, agents)?;
    let server = || {
        Server::builder()
            .http2_keepalive_interval(Some(KEEPALIVE))
            .http2_keepalive_timeout(Some(KEEPALIVE_ANSWER))
            .max_concurrent_streams(STREAMS_A_CONNECTION)
            .http2_max_header_list_size(HEADERS_MAX)
    };
    let enrollment = EnrollmentServer::new(EnrollmentService::new(Arc::clone(coordinator)))
        .max_decoding_message_size(JOIN_MAX);
    let agent = AgentServer::new(AgentService::new(Arc::clone(coordinator)))
        .max_decoding_message_size(REPORT_MAX);
    let admin = AdminServer::new(AdminService::new(Arc::clone(coordinator)))
        .max_decoding_message_size(COMMAND_MAX);
    let admin = InterceptedService::new(admin, admin_api::check_peer);
    let stop = || shutdown.clone().cancelled_owned();
    let joins = server()
        .timeout(JOIN_DEADLINE)
        .max_connection_age(JOIN_CONNECTION_MAX)
        .add_service(enrollment)
        .serve_with_incoming_shutdown(ReceiverStream::new(join), stop());
    let agents = server()
        .add_service(agent)
        .serve_with_incoming_shutdown(ReceiverStream::new(agents), stop());
    let admins = Server::builder().add_service(admin).serve_with_incoming_shutdown(admins, stop());
    let driver = coordinator.driver().run(shutdown.clone());
    let mut tasks = JoinSet::new();
    tasks.spawn(until(shutdown.clone(), accepting));
    tasks.spawn(async move { Ok(joins.await?) });
    tasks.spawn(async move { Ok(agents.await?) });
    tasks.spawn(async move { Ok(admins.await?) });
    tasks.spawn(async move { Ok(driver.await?) });
    Ok(tasks)
}

/// Accepts no more, and cuts off what is under way, at `shutdown`.
async fn until(
    shutdown: CancellationToken,
    accepting: impl Future<Output = ()> + Send,
) -> Result<(), RunError> {
    shutdown.run_until_cancelled(accepting).await;
    Ok(())
}

/// 64 random bits: tells installations apart, is no secret.
fn random_id() -> String {
    let mut bytes = [0; 8];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes)
        .expect("a machine without random bytes has failed before");
    data_encoding::HEXLOWER.encode(&bytes)
}
