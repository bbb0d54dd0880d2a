//! Runs the passes: look at the whole cluster, ask [`crate::plan::pass()`], commit all or nothing,
//! publish, and wait for the next reason to look.
//!
//! So little that there is little to test: what decides is in [`crate::plan`]. It is the only part
//! that writes what was decided; whoever was faster makes it look again. A reason to look is a
//! report, a record that was changed by whomever, and the time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pilaster_common::clock::{BootTime, Clock};
use pilaster_common::error::{Told, causes};
use pilaster_common::name::ClusterName;
use tokio_util::sync::CancellationToken;

use super::fleet::Fleet;
use super::observe::{PassError, observe};
use super::wake::Wake;
use crate::ca::Authorities;
use crate::config::Endpoints;
use crate::plan::view::ClusterView;
use crate::plan::{Pass, Wait, pass};
use crate::store::records::{ClusterRecord, FormationRecord, IdentityRecord, Phase, WishesRecord};
use crate::store::{Change, Store, StoreError};

/// The first pause after a pass that failed; it doubles with each that follows.
const FAILED_PAUSE: Duration = Duration::from_secs(1);
/// The longest: a person who has freed the disk waits no longer for the cluster to go on.
const FAILED_PAUSE_MAX: Duration = Duration::from_secs(30);
/// Passes in a row that find something to record: a formation has three phases. More mean that
/// something undoes what is recorded, and are left to the next wake.
const ROUNDS_MAX: usize = 8;

/// The task.
#[derive(Clone)]
pub struct Driver {
    /// What is remembered.
    pub store: Store,
    /// The nodes as they are seen.
    pub fleet: Arc<Fleet>,
    /// Who asks for passes.
    pub wake: Arc<Wake>,
    /// The clusters' CAs.
    pub authorities: Arc<Authorities>,
    /// Where agents find this coordinator.
    pub endpoints: Endpoints,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// When a cluster is looked at again by the time alone, and after how many failures.
#[derive(Debug, Clone, Copy, Default)]
struct Later {
    at: BootTime,
    failures: u32,
}

impl Driver {
    /// Runs passes until `shutdown`. Every cluster gets one at the start.
    ///
    /// # Errors
    /// This leadership is over, or the store is gone: the process has to end.
    pub async fn run(self, shutdown: CancellationToken) -> Result<(), StoreError> {
        let mut changes = self.store.watch();
        let mut later: BTreeMap<ClusterName, Later> = BTreeMap::new();
        self.wake_all().await;
        loop {
            let next = later.values().map(|later| later.at).min();
            let timer = async {
                match next {
                    Some(at) => self.clock.sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()), // cancel-safe: holds nothing
                changed = changes.changed() => match changed { // cancel-safe: see there
                    None => return Ok(()),
                    Some(Err(_)) => self.wake_all().await,
                    Some(Ok(clusters)) => clusters.iter().for_each(|c| self.wake.cluster(c)),
                },
                () = timer => { // cancel-safe: set again by what is in `later`
                    let now = self.clock.boot();
                    let due = later.iter().filter(|(_, later)| later.at <= now);
                    let due: Vec<ClusterName> = due.map(|(cluster, _)| cluster.clone()).collect();
                    for cluster in &due {
                        later.entry(cluster.clone()).and_modify(|l| l.at = BootTime::MAX);
                        self.wake.cluster(cluster);
                    }
                }
                clusters = self.wake.next() => for cluster in clusters { // cancel-safe: see there
                    let failures = later.get(&cluster).map_or(0, |later| later.failures);
                    match self.go_on(&cluster, failures).await? {
                        Some(again) => drop(later.insert(cluster, again)),
                        None => drop(later.remove(&cluster)),
                    }
                },
            }
        }
    }

    /// A store that fails is asked again: what it says of one cluster stops no other.
    async fn wake_all(&self) {
        loop {
            match self.store.keys::<ClusterRecord>().await {
                Ok(clusters) => return clusters.iter().for_each(|c| self.wake.cluster(c)),
                Err(error) => tracing::error!("cannot find the clusters: {}", causes(&error)),
            }
            self.clock.sleep(FAILED_PAUSE).await;
        }
    }

    /// Passes over a cluster as long as there is something to record at once. Returns when it is to
    /// be looked at again by the time alone.
    async fn go_on(
        &self,
        cluster: &ClusterName,
        failures: u32,
    ) -> Result<Option<Later>, StoreError> {
        for _ in 0..ROUNDS_MAX {
            match self.advance(cluster).await {
                Ok(Advanced::Again) => {}
                Ok(Advanced::Rests(None)) => return Ok(None),
                Ok(Advanced::Rests(Some(span))) => {
                    return Ok(Some(Later { at: self.clock.boot().plus(span), failures: 0 }));
                }
                Err(PassError::Store(error @ StoreError::Fenced { .. })) => return Err(error),
                Err(error) => {
                    tracing::error!(%cluster, "cannot go on: {}", causes(&error));
                    let told = Told::new("cannot go on", &error);
                    self.fleet.fail(cluster, Wait::of_coordinator(&told, self.clock.now()));
                    let pause = FAILED_PAUSE.saturating_mul(1 << failures.min(16));
                    let at = self.clock.boot().plus(pause.min(FAILED_PAUSE_MAX));
                    return Ok(Some(Later { at, failures: failures + 1 }));
                }
            }
        }
        Ok(None)
    }

    async fn advance(&self, cluster: &ClusterName) -> Result<Advanced, PassError> {
        let Self { store, fleet, authorities, endpoints, clock, wake: _ } = self;
        let Some(view) = observe(store, fleet, authorities, endpoints, cluster).await? else {
            return Ok(Advanced::Rests(None));
        };
        let now = clock.now();
        let pass = pass(&view, now);
        let change = to_change(&view, &pass);
        let records = !change.is_empty();
        if records {
            match store.commit(change).await {
                Err(error) if error.is_conflict() => return Ok(Advanced::Again),
                committed => committed?,
            }
        }
        log(cluster, &pass);
        let (look_again, enters) = (pass.look_again, pass.formation.is_some());
        fleet.publish(cluster, pass);
        Ok(if enters { Advanced::Again } else { Advanced::Rests(look_again) })
    }
}

/// How a pass ended.
enum Advanced {
    /// It was too late, or another step may follow at once.
    Again,
    /// Nothing more happens until something changes, or for so long.
    Rests(Option<Duration>),
}

/// All that a pass has decided, under every condition by which it was decided: the spec, the
/// formation, and of each node whose state is recorded who it is and what people want of it.
fn to_change(view: &ClusterView, pass: &Pass) -> Change {
    let cluster = &view.cluster.0.spec.cluster;
    let (formation, of_formation) = &view.formation;
    let change = Change::default().expect::<ClusterRecord>(cluster, Some(view.cluster.1));
    let mut change = match &pass.formation {
        Some(phase) => {
            let entered = FormationRecord { phase: phase.clone(), ..formation.clone() };
            change.put(cluster, &entered, Some(*of_formation))
        }
        None => change.expect::<FormationRecord>(cluster, Some(*of_formation)),
    };
    for node in &view.nodes {
        let Some(record) = pass.states.get(&node.id.node) else { continue };
        change = change
            .put(&node.id, record, revision(&node.state))
            .expect::<IdentityRecord>(&node.id, revision(&node.identity))
            .expect::<WishesRecord>(&node.id, revision(&node.wishes));
    }
    change
}

fn revision<R>(record: &Option<(R, u64)>) -> Option<u64> {
    record.as_ref().map(|(_, revision)| *revision)
}

fn log(cluster: &ClusterName, pass: &Pass) {
    match &pass.formation {
        Some(Phase::Forming { started, .. }) if started.is_empty() => {
            tracing::info!(%cluster, "every member is ready: the formation begins");
        }
        Some(Phase::Formed { cluster_id, .. }) => {
            tracing::info!(%cluster, "the cluster {cluster_id:x} has formed");
        }
        _ => {}
    }
}
