//! `pilaster-agent run`: starts the three tasks, and ends them together.

use std::sync::Arc;

use pilaster_common::clock::SystemClock;
use pilaster_common::error::{Told, code};
use pilaster_common::name::NodeId;
use pilaster_common::paths;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::apply::System;
use crate::config::{IDENTITY_LOOK, SHUTDOWN_GRACE, Settings, identity_folder};
use crate::etcd::{Pace, Watch};
use crate::exit::Failure;
use crate::identity::{Folder, Identity, IdentityError};
use crate::link::attach::{Latest, Link, LinkWires};
use crate::reconcile::{Memory, Reconciler, Wires};
use crate::service::{Services, no_service_manager};

/// Runs until SIGTERM. Without an identity it waits for one, saying so once: a package may start it before the node has joined.
///
/// # Errors
/// When there is no service manager, or a task ends by itself: the service manager starts the agent again.
pub async fn run(settings: Settings) -> Result<(), Failure> {
    let services = Services::detect().ok_or_else(|| no_service_manager("cannot run the agent"))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| no_signals(&error))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| no_signals(&error))?;
    let identity = tokio::select! {
        _ = terminate.recv() => return Ok(()), // cancel-safe: tokio docs
        _ = interrupt.recv() => return Ok(()), // cancel-safe: tokio docs
        identity = identity() => identity, // reads only: nothing is lost when dropped
    };
    let shutdown = CancellationToken::new();
    let NodeId { cluster, node } = &identity.node;
    tracing::info!("{node} of {cluster} begins");
    let mut tasks = spawn(settings, identity, services, &shutdown);
    let ended_early = tokio::select! {
        _ = terminate.recv() => false,
        _ = interrupt.recv() => false,
        _ = tasks.join_next() => true,
    };
    shutdown.cancel();
    let drained = timeout(SHUTDOWN_GRACE, async { while tasks.join_next().await.is_some() {} });
    if drained.await.is_err() {
        tracing::warn!("ended in the middle of a step; it is looked at again at the next start");
    }
    if ended_early { Err(task_ended()) } else { Ok(()) }
}

/// This node's identity, once there is one that can be read.
async fn identity() -> Identity {
    let folder = Folder::at(identity_folder());
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
        tokio::time::sleep(IDENTITY_LOOK).await;
    }
}

/// No core dumps, and no other process of this user may read this one's memory: it holds keys (promise 1).
pub fn harden() {
    use nix::sys::{prctl, resource};
    let core = resource::setrlimit(resource::Resource::RLIMIT_CORE, 0, 0);
    if core.and_then(|()| prctl::set_dumpable(false)).is_err() {
        tracing::warn!("the kernel did not switch core dumps off");
    }
}

fn spawn(
    settings: Settings,
    identity: Identity,
    services: Services,
    shutdown: &CancellationToken,
) -> JoinSet<()> {
    let (desired_in, desired) = watch::channel(Latest::None);
    let (coordinator_in, coordinator) = watch::channel(None);
    let (etcd_in, etcd) = watch::channel(None);
    let (pace, pace_out) = watch::channel(Pace::default());
    let (report, report_out) = watch::channel(None);
    let system = System::new(identity.node.node.clone(), settings.interface, services);
    let reconciler = Reconciler::new(
        identity.node.clone(),
        system.clone(),
        Memory::at(paths::AGENT_STATE),
        Arc::new(SystemClock),
        Wires { desired, coordinator, etcd, pace, report },
    );
    let wires = LinkWires { report: report_out, desired: desired_in, coordinator: coordinator_in };
    let link = Link::new(identity, Folder::at(identity_folder()), Arc::new(SystemClock), wires);
    let mut tasks = JoinSet::new();
    tasks.spawn(reconciler.run(shutdown.clone()));
    tasks.spawn(link.run(shutdown.clone()));
    tasks.spawn(Watch::new(system, pace_out, etcd_in).run(shutdown.clone()));
    tasks
}

fn no_signals(error: &std::io::Error) -> Told {
    Told { what: "cannot wait for signals".into(), cause: error.to_string(), ..Told::default() }
}

fn task_ended() -> Failure {
    Told {
        code: code::OTHER,
        what: "the agent ends".into(),
        cause: "one of its tasks ended by itself".into(),
        help: "the lines above tell why; OpenRC starts it again".into(),
    }
    .into()
}
