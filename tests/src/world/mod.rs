//! A world in memory: the real agents and the real coordinator, over real TLS and real gRPC, where
//! the hosts, etcd, the network, the store and the time are not real. No root is needed, and time
//! passes at once: a day takes as long as what happens in it.
//!
//! [`World`] is the network with its coordinator; [`Node`] is a host in it, with its agent. Fakes
//! are [`host`] (what an agent does to its host is done to memory) and [`etcd`] (members that
//! answer as etcd does: ids, quorum, the leaf that lies in the file). The lab has what needs real
//! hosts.

mod clock;
mod disk;
pub mod etcd;
pub mod host;
mod net;
mod node;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use pilaster_common::atomic_file::Access;
use pilaster_coordinator::admin_api::{Admin, Apply, Enroll, Show};
use pilaster_coordinator::audit::AuditLog;
use pilaster_coordinator::ca::Authorities;
use pilaster_coordinator::ca::vault::{Missing, Vault};
use pilaster_coordinator::config::Endpoints;
use pilaster_coordinator::coordinator::Coordinator;
use pilaster_coordinator::rollout::Wake;
use pilaster_coordinator::rollout::fleet::Fleet;
use pilaster_coordinator::run::{RunError, spawn};
use pilaster_coordinator::show::{Shown, Status};
use pilaster_coordinator::store::{KeyValue, Store};
use pilaster_proto::client::channel_over;
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::sync::CancellationToken;

pub use clock::WorldClock;
pub use disk::Disk;
pub use host::MemoryHost;
pub use net::Net;
pub use node::Node;

/// Where the coordinator listens.
const COORDINATOR: &str = "192.168.7.2:7443";

/// The network, and the coordinator in it. It ends when dropped, as by a power cut.
pub struct World {
    /// The time.
    pub clock: Arc<WorldClock>,
    /// The network.
    pub net: Net,
    /// The members' data, each on its host.
    pub etcd: etcd::Members,
    /// What the coordinator remembers.
    pub disk: Arc<Disk>,
    /// The coordinator's tasks.
    pub tasks: JoinSet<Result<(), RunError>>,
    place: tempfile::TempDir,
    admins: mpsc::UnboundedSender<io::Result<UnixStream>>,
}

impl World {
    /// With a coordinator that has just been installed.
    pub async fn begin() -> Self {
        let (clock, place, disk) =
            (Arc::new(WorldClock::begin()), folder(), Arc::new(Disk::default()));
        let (net, incoming) = Net::with_coordinator(COORDINATOR.parse().expect("an endpoint"));
        let coordinator = coordinator(&clock, Arc::<Disk>::clone(&disk), place.path()).await;
        let (admins, stream) = mpsc::unbounded_channel();
        let (stream, shutdown) = (UnboundedReceiverStream::new(stream), CancellationToken::new());
        let tasks = spawn(&coordinator, incoming, stream, &shutdown).expect("it begins");
        let etcd = etcd::Members::default();
        Self { clock, net, etcd, disk, tasks, place, admins }
    }

    /// The host `m-<number>`, switched on, with nothing of Pilaster's but the agent's package.
    pub fn node(&self, number: u8) -> Node {
        Node::new(self, number, self.place.path().join(format!("m-{number}")))
    }

    /// The same host with a new card: nothing of what was on the old one.
    pub fn new_card(&self, number: u8) -> Node {
        let card = tempfile::tempdir_in(self.place.path()).expect("a folder");
        Node::new(self, number, card.keep())
    }

    /// A token that lets a new card in.
    pub async fn token_for_new_card(&self, node: &str) -> String {
        let enroll = Enroll {
            cluster: None,
            node: node.into(),
            valid_for: Duration::from_secs(3600),
            replace: true,
        };
        self.admin().await.call(&enroll).await.expect("a token").token
    }

    /// The admin API, as coordctl reaches it.
    pub async fn admin(&self) -> Admin {
        let (own, theirs) = UnixStream::pair().expect("descriptors");
        self.admins.send(Ok(theirs)).expect("the coordinator runs");
        Admin::over(channel_over(own, None).await.expect("it answers"))
    }

    /// Makes a spec the wanted one.
    pub async fn apply(&self, spec: &str) {
        let apply = Apply { spec: spec.into(), accepted: [].into() };
        self.admin().await.call(&apply).await.expect("it is taken over");
    }

    /// What is shown now.
    pub async fn show<V: Shown>(&self) -> V {
        self.admin().await.call(&Show::of(None)).await.expect("it is shown")
    }

    /// What is shown, as soon as it is as `wanted`.
    ///
    /// # Panics
    /// It is not so within `limit` of the world's time; what was shown last is told.
    pub async fn until<V: Shown + std::fmt::Debug>(
        &self,
        limit: Duration,
        wanted: impl Fn(&V) -> bool,
    ) -> V {
        let mut watched = self.admin().await.watch(&Show::<V>::of(None)).await.expect("watches");
        let mut last = None;
        let waiting = async {
            loop {
                let shown = watched.next().await.expect("answers").expect("runs");
                if wanted(&shown) {
                    return shown;
                }
                last = Some(shown);
            }
        };
        match tokio::time::timeout(limit, waiting).await {
            Ok(shown) => shown,
            Err(_) => panic!("not within {limit:?}: {last:#?}"),
        }
    }

    /// Waits until every member is healthy.
    pub async fn healthy(&self) -> Status {
        self.until(Duration::from_secs(60), Status::is_healthy).await
    }

    /// Whether the members say so themselves, whatever the coordinator knows.
    pub fn etcd_is_healthy(&self, member: &str) -> bool {
        self.etcd.state(member).is_some_and(|state| state.healthy)
    }

    /// The audit log's lines.
    pub fn audit(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.place.path().join("audit.log")).expect("reads");
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
    }

    /// Three nodes, joined and formed.
    pub async fn formed(&self, spec: &str) -> Vec<Node> {
        self.apply(spec).await;
        let mut nodes: Vec<Node> = (1..=3).map(|number| self.node(number)).collect();
        for node in &mut nodes {
            node.join(self).await;
            node.start();
        }
        self.healthy().await;
        nodes
    }
}

/// In memory where there is such a file system: an fsync is then nothing.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    match tempfile::tempdir_in(memory) {
        Ok(folder) => folder,
        Err(_) => tempfile::tempdir().expect("a folder for temporary files"),
    }
}

/// As `pilaster-coordinator` is put together, but for what is in memory here.
async fn coordinator(
    clock: &Arc<WorldClock>,
    values: Arc<dyn KeyValue>,
    place: &Path,
) -> Arc<Coordinator> {
    use pilaster_common::clock::Clock;
    let owner = Access { mode: 0o700, ..pilaster_coordinator::config::owner() };
    let vault = Vault::open(&place.join("ca"), owner).expect("a folder");
    let control = vault.control(Missing::Make(clock.now())).expect("random bytes");
    let store = Store::begin(values, || "0123456789abcdef".into()).await.expect("begins");
    Arc::new(Coordinator {
        store,
        control: Arc::new(control),
        authorities: Arc::new(Authorities::new(vault)),
        fleet: Arc::new(Fleet::default()),
        wake: Arc::new(Wake::default()),
        audit: AuditLog::open(&place.join("audit.log")).expect("a file"),
        clock: Arc::<WorldClock>::clone(clock),
        endpoints: Endpoints(vec![COORDINATOR.parse().expect("an endpoint")]),
        offer: None,
    })
}
