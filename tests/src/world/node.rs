//! A host with its agent.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use pilaster_agent::{Failure, Identity, JoinOptions, Parts, join, spawn, wait_for_identity};
use pilaster_common::endpoint::Endpoint;
use pilaster_common::token::JoinToken;
use pilaster_coordinator::admin_api::Enroll;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::net::Cable;
use super::{MemoryHost, World};

/// A host in the world. Its power is cut when it is dropped.
pub struct Node {
    /// Its name.
    pub name: String,
    /// The host.
    pub host: MemoryHost,
    /// How it reaches the network.
    pub cable: Cable,
    parts: Parts,
    coordinator: Endpoint,
    identity: Option<Identity>,
    daemon: JoinSet<()>,
}

impl Node {
    pub(super) fn new(world: &World, number: u8, state: PathBuf) -> Self {
        let host = MemoryHost::new(number, world.etcd.clone());
        let cable = world.net.cable(host.address());
        let parts = Parts {
            host: Arc::new(host.clone()),
            dial: Arc::new(cable.clone()),
            etcd: Arc::new(host.clone()),
            clock: Arc::<super::WorldClock>::clone(&world.clock),
            status: state.join("status"),
            state,
        };
        let (name, coordinator) = (format!("m-{number}"), world.net.endpoint().clone());
        Self { name, host, cable, parts, coordinator, identity: None, daemon: JoinSet::new() }
    }

    /// Enrolls it and types the line on it.
    pub async fn join(&mut self, world: &World) {
        let enroll = Enroll {
            cluster: None,
            node: self.name.clone(),
            valid_for: Duration::from_secs(3600),
            replace: false,
        };
        let invitation = world.admin().await.call(&enroll).await.expect("a token");
        self.try_join(&invitation.token).await.expect("it is let in");
    }

    /// Types the line with this token on it.
    ///
    /// # Errors
    /// What the person at the host reads.
    pub async fn try_join(&mut self, token: &str) -> Result<(), Failure> {
        let token: JoinToken = token.parse().expect("a token");
        let options = JoinOptions {
            coordinator: self.coordinator.clone(),
            give_up_after: Duration::from_secs(60),
            start: true,
        };
        join(&self.parts, &token, &options).await?;
        self.identity = Some(wait_for_identity(&self.parts.state, &*self.parts.clock).await);
        Ok(())
    }

    /// Starts its agent, as OpenRC does after a join and at each boot.
    ///
    /// # Panics
    /// It has not joined.
    pub fn start(&mut self) {
        let identity = self.identity.take().expect("it has joined");
        self.daemon = spawn(self.parts.clone(), identity, &CancellationToken::new());
    }

    /// Cuts its agent off in the middle of whatever it does, and starts it again.
    pub async fn restart(&mut self) {
        self.daemon = JoinSet::new();
        self.identity = Some(wait_for_identity(&self.parts.state, &*self.parts.clock).await);
        self.start();
    }
}
