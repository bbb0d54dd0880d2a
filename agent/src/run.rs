//! `pilaster-agent run`: puts the real parts together, starts the three tasks, and ends them
//! together.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use pilaster_common::clock::{Clock, SystemClock};
use pilaster_common::error::Told;
use pilaster_common::name::{NodeId, NodeName};
use pilaster_common::paths;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::etcd::{AskEtcd, Loopback, Pace, Watch};
use crate::exit::Failure;
use crate::host::{Host, System, has_services, no_service_manager};
use crate::identity::{Folder, Identity, IdentityError};
use crate::link::{Dial, Link, LinkWires, Tcp};
use crate::node::told;
use crate::reconcile::{Memory, Reconciler, STATUS_FILE, Wires};
use crate::settings::Settings;

/// A look for the identity of a node that has not joined: a stat, nothing is written.
const IDENTITY_LOOK: Duration = Duration::from_secs(1);
/// What is cut off after SIGTERM; OpenRC kills after 5 s.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(800);

/// All that the agent touches.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The host.
    pub host: Arc<dyn Host>,
    /// How coordinators are dialled.
    pub dial: Arc<dyn Dial>,
    /// How etcd is asked.
    pub etcd: Arc<dyn AskEtcd>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The agent's own folder, with its identity and its memory.
    pub state: PathBuf,
    /// The file that `pilaster-agent status` reads.
    pub status: PathBuf,
}

impl Parts {
    /// The real ones.
    pub(crate) fn of_this_host(node: NodeName, settings: &Settings) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let system = Arc::new(System::new(node, settings.interface.clone(), Arc::clone(&clock)));
        Self {
            host: Arc::<System>::clone(&system),
            dial: Arc::new(Tcp),
            etcd: Arc::new(Loopback::new(system, Arc::clone(&clock))),
            clock,
            state: paths::AGENT_STATE.into(),
            status: STATUS_FILE.into(),
        }
    }
}

/// Runs until SIGTERM. Without an identity it waits for one, saying so once: a package may start it
/// before the node has joined.
///
/// # Errors
/// When there is no service manager, or a task ends by itself: the service manager starts the agent
/// again.
pub async fn run(settings: Settings) -> Result<(), Failure> {
    if !has_services() {
        return Err(no_service_manager("cannot run the agent").into());
    }
    let clock: &dyn Clock = &SystemClock;
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| no_signals(&error))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| no_signals(&error))?;
    let identity = tokio::select! {
        _ = terminate.recv() => return Ok(()), // cancel-safe: tokio docs
        _ = interrupt.recv() => return Ok(()), // cancel-safe: tokio docs
        // reads only: nothing is lost when dropped
        identity = wait_for_identity(paths::AGENT_STATE.as_ref(), clock) => identity,
    };
    let NodeId { cluster, node } = &identity.node;
    let parts = Parts::of_this_host(node.clone(), &settings);
    tracing::info!("{node} of {cluster} begins");
    let shutdown = CancellationToken::new();
    let mut tasks = spawn(parts, identity, &shutdown);
    let ended_early = tokio::select! {
        _ = terminate.recv() => false,
        _ = interrupt.recv() => false,
        _ = tasks.join_next() => true,
    };
    shutdown.cancel();
    let drained = async { while tasks.join_next().await.is_some() {} };
    if clock.within(SHUTDOWN_GRACE, drained).await.is_none() {
        tracing::warn!("ended in the middle of a step; it is looked at again at the next start");
    }
    if ended_early { Err(task_ended()) } else { Ok(()) }
}

/// Returns the identity in the agent's own folder `state`, once there is one that can be read.
pub async fn wait_for_identity(state: &Path, clock: &dyn Clock) -> Identity {
    let folder = Folder::of(state);
    let mut told = None;
    loop {
        let error = match folder.current() {
            Ok(Some(identity)) => return identity,
            Ok(None) => IdentityError::NotJoined,
            Err(error) => error,
        };
        let why = Told::new("the agent waits for an identity", &error);
        if told.as_ref() != Some(&why) {
            tracing::warn!("{}", why.to_string().replace('\n', "; "));
            told = Some(why);
        }
        clock.sleep(IDENTITY_LOOK).await;
    }
}

/// Starts the daemon's tasks for the node with this identity. One that ends before `shutdown` is
/// cancelled ends the agent. To drop the set is a power cut.
pub fn spawn(parts: Parts, identity: Identity, shutdown: &CancellationToken) -> JoinSet<()> {
    let Parts { host, dial, etcd, clock, state, status } = parts;
    let (desired_in, desired) = watch::channel(None);
    let (coordinator_in, coordinator) = watch::channel(None);
    let (etcd_in, etcd_state) = watch::channel(None);
    let (pace_in, pace) = watch::channel(Pace::default());
    let (report_in, report) = watch::channel(None);
    let reconciler = Reconciler::new(
        identity.node.clone(),
        (host, Arc::clone(&etcd)),
        Memory::at(&state),
        Arc::clone(&clock),
        Wires { desired, coordinator, etcd: etcd_state, pace: pace_in, report: report_in, status },
    );
    let wires = LinkWires { report, desired: desired_in, coordinator: coordinator_in };
    let link = Link::new(identity, Folder::of(&state), dial, Arc::clone(&clock), wires);
    let watch = Watch { etcd, clock, pace, state: etcd_in };
    let mut tasks = JoinSet::new();
    tasks.spawn(reconciler.run(shutdown.clone()));
    tasks.spawn(link.run(shutdown.clone()));
    tasks.spawn(watch.run(shutdown.clone()));
    tasks
}

/// No core dumps, and no other process of this user may read this one's memory: it holds keys
/// (promise 1).
pub fn harden() {
    use nix::sys::{prctl, resource};
    let core = resource::setrlimit(resource::Resource::RLIMIT_CORE, 0, 0);
    if core.and_then(|()| prctl::set_dumpable(false)).is_err() {
        tracing::warn!("the kernel did not switch core dumps off");
    }
}

fn no_signals(error: &std::io::Error) -> Told {
    told("cannot wait for signals", error.to_string(), "")
}

fn task_ended() -> Failure {
    let help = "the lines above tell why; OpenRC starts it again";
    told("the agent ends", "one of its tasks ended by itself", help).into()
}
