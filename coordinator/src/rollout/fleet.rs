//! What is known of every node at this moment: its last report, its stream, why it was refused.
//!
//! In memory only: after a restart the agents report again within seconds (promise 12: a report costs no write).

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard};

use pilaster_common::clock::Timestamp;
use pilaster_common::name::{ClusterName, NodeName};
use pilaster_proto::agent::v1 as pb;
use tokio::sync::watch;

use crate::plan::view::Report;

/// What a stream sends down: the latest desired state, once there is one.
pub type DesiredWatch = watch::Receiver<Option<Arc<pb::Desired>>>;

/// All nodes.
#[derive(Debug, Default)]
pub struct Fleet {
    clusters: Mutex<BTreeMap<ClusterName, Cluster>>,
}

#[derive(Debug)]
struct Cluster {
    nodes: BTreeMap<NodeName, Node>,
    waits: Vec<String>,
    warnings: Vec<String>,
    changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Node {
    report: Option<(Report, Timestamp)>,
    /// As it came, for `status`.
    wire: Option<pb::Report>,
    stream: Option<Stream>,
    streams_seen: u64,
    refusal: Option<Refusal>,
    notices: Vec<String>,
}

/// Why a node's last try to join was refused, and which addresses it came with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The cause, as the node was told.
    pub why: String,
    /// Global addresses of its eth0: what a person may approve.
    pub eth0: Vec<Ipv4Addr>,
}

#[derive(Debug)]
struct Stream {
    number: u64,
    desired: watch::Sender<Option<Arc<pb::Desired>>>,
}

/// A node as it is seen now.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The last report, and when it came.
    pub report: Option<(Report, Timestamp)>,
    /// The same as it came.
    pub wire: Option<pb::Report>,
    /// Whether a stream stands.
    pub connected: bool,
    /// Why the last try to join was refused.
    pub refusal: Option<Refusal>,
    /// What the coordinator says of its files.
    pub notices: Vec<String>,
}

impl Fleet {
    /// A node's new stream. The one before it, if it still stands, ends: its watch closes.
    pub fn attach(&self, cluster: &ClusterName, node: &NodeName) -> (u64, DesiredWatch) {
        let (desired, receiver) = watch::channel(None);
        let mut clusters = self.lock();
        let node =
            clusters.entry(cluster.clone()).or_default().nodes.entry(node.clone()).or_default();
        node.streams_seen += 1;
        node.refusal = None;
        let number = node.streams_seen;
        node.stream = Some(Stream { number, desired });
        (number, receiver)
    }

    /// A stream has ended; a newer one of the same node stays.
    pub fn detach(&self, cluster: &ClusterName, node: &NodeName, number: u64) {
        self.with_node(cluster, node, |node| {
            if node.stream.as_ref().is_some_and(|stream| stream.number == number) {
                node.stream = None;
            }
        });
        self.note_change(cluster);
    }

    /// Ends the node's stream: its watch closes, and who serves it asks again whether the node may speak. Answers whether one stood.
    pub fn end_stream(&self, cluster: &ClusterName, node: &NodeName) -> bool {
        let stood = self.with_node(cluster, node, |node| node.stream.take().is_some());
        self.note_change(cluster);
        stood
    }

    /// A report has come.
    pub fn report(
        &self,
        cluster: &ClusterName,
        node: &NodeName,
        report: Report,
        wire: pb::Report,
        now: Timestamp,
    ) {
        self.with_node(cluster, node, |node| {
            node.report = Some((report, now));
            node.wire = Some(wire);
        });
        self.note_change(cluster);
    }

    /// A try to join was refused; a person who waits for the node is shown why.
    pub fn refuse(&self, cluster: &ClusterName, node: &NodeName, refusal: Refusal) {
        self.with_node(cluster, node, |node| node.refusal = Some(refusal));
        self.note_change(cluster);
    }

    /// Sends a desired state down the node's stream, if one stands and it is not the one sent last.
    pub fn publish(&self, cluster: &ClusterName, node: &NodeName, desired: Arc<pb::Desired>) {
        self.with_node(cluster, node, |node| {
            if let Some(stream) = &node.stream {
                stream.desired.send_if_modified(|present| {
                    let new = present.as_deref() != Some(&*desired);
                    *present = Some(desired);
                    new
                });
            }
        });
    }

    /// A node as it is seen now.
    pub fn seen(&self, cluster: &ClusterName, node: &NodeName) -> Seen {
        self.with_node(cluster, node, |node| Seen {
            report: node.report.clone(),
            wire: node.wire.clone(),
            connected: node.stream.is_some(),
            refusal: node.refusal.clone(),
            notices: node.notices.clone(),
        })
    }

    /// Notes why nothing more happens now.
    pub fn set_waits(&self, cluster: &ClusterName, waits: Vec<String>) {
        self.lock().entry(cluster.clone()).or_default().waits = waits;
        self.note_change(cluster);
    }

    /// Why nothing more happens now.
    pub fn waits(&self, cluster: &ClusterName) -> Vec<String> {
        self.lock().entry(cluster.clone()).or_default().waits.clone()
    }

    /// Notes what a person may not expect of the cluster. Told with the next change of [`Fleet::set_waits`].
    pub fn set_warnings(&self, cluster: &ClusterName, warnings: Vec<String>) {
        self.lock().entry(cluster.clone()).or_default().warnings = warnings;
    }

    /// What a person may not expect of the cluster.
    pub fn warnings(&self, cluster: &ClusterName) -> Vec<String> {
        self.lock().entry(cluster.clone()).or_default().warnings.clone()
    }

    /// Notes what is to be said of a node's files. Told with the next change of [`Fleet::set_waits`].
    pub fn set_notices(&self, cluster: &ClusterName, node: &NodeName, notices: Vec<String>) {
        self.with_node(cluster, node, |node| node.notices = notices);
    }

    /// Wakes with each change of what is known of a cluster.
    pub fn changes(&self, cluster: &ClusterName) -> watch::Receiver<u64> {
        self.lock().entry(cluster.clone()).or_default().changed.subscribe()
    }

    fn note_change(&self, cluster: &ClusterName) {
        self.lock().entry(cluster.clone()).or_default().changed.send_modify(|count| *count += 1);
    }

    fn with_node<T>(
        &self,
        cluster: &ClusterName,
        node: &NodeName,
        act: impl FnOnce(&mut Node) -> T,
    ) -> T {
        act(self.lock().entry(cluster.clone()).or_default().nodes.entry(node.clone()).or_default())
    }

    /// Never held across an await.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ClusterName, Cluster>> {
        self.clusters.lock().expect("no holder panics: each only moves values")
    }
}

impl Default for Cluster {
    fn default() -> Self {
        Self {
            nodes: BTreeMap::new(),
            waits: Vec::new(),
            warnings: Vec::new(),
            changed: watch::Sender::new(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_stream_ends_the_old_one_and_its_end_is_not_the_new_ones() {
        let (fleet, cluster, node) =
            (Fleet::default(), "c".parse().expect("good"), "m".parse().expect("good"));
        let (first, old) = fleet.attach(&cluster, &node);
        let (_, new) = fleet.attach(&cluster, &node);
        assert!(old.has_changed().is_err(), "closed");
        fleet.detach(&cluster, &node, first);
        assert!(fleet.seen(&cluster, &node).connected);
        assert!(new.has_changed().is_ok());
    }
}
