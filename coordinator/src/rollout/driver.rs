//! One pass over a cluster: make each node's desired state, ask the plan, record what it decides, publish.
//!
//! So little that there is little to test: what decides is in [`crate::plan`] and [`crate::render`]. Every record is a
//! compare-and-set; who is too late reads again. Generations only rise (promise 13).

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use pilaster_common::error::{Help, causes};
use pilaster_common::name::{ClusterName, NodeName};
use pilaster_proto::agent::v1 as pb;
use prost::Message;
use ring::digest;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::agent_api::wire;
use crate::ca::vault::VaultError;
use crate::coordinator::Coordinator;
use crate::enrollment::address::{self, NoAddress};
use crate::plan::formation::{Decision, next_step};
use crate::plan::standing;
use crate::plan::view::{ClusterView, NodeView};
use crate::render::{DesiredInput, Made, desired};
use crate::rollout::fleet::Seen;
use crate::spec::{self, ClusterSpec};
use crate::store::records::{Configured, FormationRecord, NodeRecord, Phase, Risk};
use crate::store::{Change, Revised, StoreError, Wanted};

/// Why a pass ended early. The next report tries again: each node sends one a minute.
#[derive(Debug, thiserror::Error)]
pub enum AdvanceError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The CAs.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl Help for AdvanceError {
    fn help(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.help(),
            Self::Vault(error) => error.help(),
        }
    }
}

/// Which clusters want a pass.
#[derive(Debug, Default)]
pub struct Wake {
    wanted: Mutex<BTreeSet<ClusterName>>,
    notify: Notify,
}

impl Wake {
    /// Asks for a pass over a cluster; many asks become one pass.
    pub fn cluster(&self, cluster: &ClusterName) {
        self.wanted.lock().expect("no holder panics").insert(cluster.clone());
        self.notify.notify_one();
    }

    async fn next(&self) -> BTreeSet<ClusterName> {
        loop {
            let wanted = std::mem::take(&mut *self.wanted.lock().expect("no holder panics"));
            if !wanted.is_empty() {
                return wanted;
            }
            self.notify.notified().await;
        }
    }
}

/// Runs passes until `shutdown`. Every cluster gets one at the start.
pub async fn run(coordinator: Arc<Coordinator>, shutdown: CancellationToken) {
    match coordinator.store.clusters().await {
        Ok(clusters) => clusters.iter().for_each(|(cluster, _)| coordinator.wake.cluster(cluster)),
        Err(error) => tracing::error!("cannot read the clusters: {}", causes(&error)),
    }
    loop {
        let clusters = tokio::select! {
            () = shutdown.cancelled() => return, // cancel-safe: holds nothing
            clusters = coordinator.wake.next() => clusters, // cancel-safe: takes only what it returns
        };
        for cluster in clusters {
            match advance(&coordinator, &cluster).await {
                Ok(()) => {}
                Err(AdvanceError::Store(StoreError::Conflict)) => {
                    coordinator.wake.cluster(&cluster)
                }
                Err(error) => {
                    let why = causes(&error);
                    tracing::error!(%cluster, "cannot go on: {why}");
                    coordinator.fleet.set_waits(&cluster, vec![why]);
                }
            }
        }
    }
}

/// One pass: again as long as the plan decides something that can be recorded at once.
async fn advance(coordinator: &Coordinator, cluster: &ClusterName) -> Result<(), AdvanceError> {
    loop {
        let Some((Wanted { spec, accepted }, of_spec)) = coordinator.store.wanted(cluster).await?
        else {
            return Ok(());
        };
        let Some((formation, revision)) = coordinator.store.formation(cluster).await? else {
            return Ok(());
        };
        let view = publish_desired(coordinator, &spec, &formation).await?;
        let view =
            ClusterView { bad_etcd_accepted: accepted.contains(&Risk::KnownBadEtcd), ..view };
        coordinator.fleet.set_warnings(cluster, warnings(&spec, &view));
        let phase = match (next_step(&spec, &formation, &view), &formation.phase) {
            (Decision::Form { members }, _) => {
                tracing::info!(%cluster, "every member is ready: the formation begins");
                Phase::Forming { members, started: BTreeSet::new() }
            }
            (Decision::Started { started }, Phase::Forming { members, .. }) => {
                Phase::Forming { members: members.clone(), started }
            }
            (Decision::Formed { cluster_id, members }, _) => {
                tracing::info!(%cluster, "the cluster {cluster_id:x} has formed");
                Phase::Formed { cluster_id, members }
            }
            (Decision::Wait(blockers), _) => {
                let waits = blockers.iter().map(ToString::to_string).collect();
                coordinator.fleet.set_waits(cluster, waits);
                return Ok(());
            }
            (Decision::Started { .. } | Decision::Done, _) => {
                coordinator.fleet.set_waits(cluster, vec![]);
                return Ok(());
            }
        };
        let record = FormationRecord { phase, ..formation };
        // with the spec that it was decided by: one that is applied meanwhile is looked at first
        let change = Change::default()
            .formation(cluster, &record, Some(revision))
            .while_cluster(cluster, of_spec);
        coordinator.store.commit(change).await?;
    }
}

/// Brings every node's desired state up to date, sends it, and answers what the cluster looks like now.
async fn publish_desired(
    coordinator: &Coordinator,
    spec: &ClusterSpec,
    formation: &FormationRecord,
) -> Result<ClusterView, AdvanceError> {
    let cluster = &spec.cluster;
    let authorities = coordinator.authorities(cluster)?;
    let endpoints = coordinator.endpoints(spec.network);
    let seen: Vec<(&NodeName, Seen)> =
        spec.members.iter().map(|m| (&m.name, coordinator.fleet.seen(cluster, &m.name))).collect();
    let no_address = match formation.phase {
        Phase::Gathering => choose_addresses(coordinator, spec, &seen).await?,
        Phase::Forming { .. } | Phase::Formed { .. } => BTreeMap::new(), // etcd knows it by its address now
    };
    let records = coordinator.store.nodes(cluster).await?;
    let configured = coordinator.store.configured(cluster).await?;
    let record_of =
        |name: &NodeName| records.iter().find(|(node, _)| node == name).map(|(_, record)| record);
    let joined: Vec<(NodeName, Ipv4Addr)> = spec
        .members
        .iter()
        .filter_map(|member| Some((member.name.clone(), record_of(&member.name)?.0.address)))
        .collect();
    let mut view = ClusterView::default();
    for (node, seen) in seen {
        let record = record_of(node);
        let (mut generation, mut bad_value, mut notices) = (0, None, vec![]);
        let configured = configured.iter().find(|(name, _)| name == node).map(|(_, record)| record);
        if let (Some(record), Some((report, _))) = (record, &seen.report) {
            let input = DesiredInput {
                spec,
                formation,
                node,
                record: &record.0,
                configured,
                facts: &report.facts,
                joined: &joined,
                authorities: &authorities,
                endpoints: &endpoints,
            };
            match desired(input) {
                Ok(Some(made)) => {
                    generation = send(coordinator, spec, node, record, (configured, &made)).await?;
                    notices = made.notices.iter().map(ToString::to_string).collect();
                }
                Ok(None) => {}
                Err(error) => {
                    notices =
                        vec![format!("nothing is sent: etcd would not start with it: {error}")];
                    bad_value = Some(error);
                }
            }
        }
        coordinator.fleet.set_notices(cluster, node, notices);
        let Seen { report, connected, .. } = seen;
        view.nodes.push(NodeView {
            name: node.clone(),
            joined: record.is_some(),
            desired_generation: generation,
            report,
            connected,
            no_address: no_address.get(node).cloned(),
            bad_value,
        });
    }
    Ok(view)
}

/// What `status` says of all members together.
fn warnings(spec: &ClusterSpec, view: &ClusterView) -> Vec<String> {
    let versions = view.nodes.iter().filter_map(|node| {
        let (report, _) = node.report.as_ref()?;
        Some((&node.name, report.facts.etcd_version?))
    });
    spec::warnings(spec).into_iter().chain(standing::warnings(versions)).collect()
}

/// Before the formation a node's address follows the spec, what a person approved, and what its eth0 has. Records those that have
/// changed, and answers for whom none can be chosen.
async fn choose_addresses(
    coordinator: &Coordinator,
    spec: &ClusterSpec,
    seen: &[(&NodeName, Seen)],
) -> Result<BTreeMap<NodeName, NoAddress>, AdvanceError> {
    let (store, cluster) = (&coordinator.store, &spec.cluster);
    let records = store.nodes(cluster).await?;
    let taken = address::taken(spec, &records);
    let mut without = BTreeMap::new();
    for (node, seen) in seen {
        let record = records.iter().find(|(name, _)| name == *node).map(|(_, record)| record);
        let (Some((record, revision)), Some((report, _))) = (record, &seen.report) else {
            continue;
        };
        let approved = store.approval(cluster, node).await?.map(|record| record.address);
        match address::choose(spec, node, &report.facts.eth0, approved, &taken) {
            Ok(address) if address == record.address => {}
            Ok(address) => {
                let record = NodeRecord { address, ..record.clone() };
                store
                    .commit(Change::default().node(cluster, node, &record, Some(*revision)))
                    .await?;
            }
            Err(error) => {
                without.insert((*node).clone(), error);
            }
        }
    }
    Ok(without)
}

/// Sends a desired state under its generation: the recorded one while it is the same, else the next.
async fn send(
    coordinator: &Coordinator,
    spec: &ClusterSpec,
    node: &NodeName,
    (record, revision): &Revised<NodeRecord>,
    (configured, made): (Option<&Configured>, &Made),
) -> Result<u64, AdvanceError> {
    let message = wire::desired(spec, &made.desired);
    let hash = digest::digest(&digest::SHA256, &message.encode_to_vec()).as_ref().to_vec();
    let generation =
        if record.desired_hash == hash { record.generation } else { record.generation + 1 };
    // before it is sent: what etcd may read from now on is known after any crash
    let remember = made.configured.as_ref().filter(|made| Some(*made) != configured);
    if generation != record.generation || remember.is_some() {
        let record = NodeRecord { generation, desired_hash: hash, ..record.clone() };
        let change = Change::default().node(&spec.cluster, node, &record, Some(*revision));
        let change = match remember {
            Some(configured) => change.configured(&spec.cluster, node, configured),
            None => change,
        };
        coordinator.store.commit(change).await?;
    }
    let message = pb::Desired { epoch: coordinator.installation.epoch, generation, ..message };
    coordinator.fleet.publish(&spec.cluster, node, Arc::new(message));
    Ok(generation)
}
