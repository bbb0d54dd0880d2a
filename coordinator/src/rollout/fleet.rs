//! What is known of every node at this moment, in memory only: after a restart the agents report
//! again within seconds (promise 12: a report costs no write).
//!
//! A report is kept and shared, never copied. What a pass has decided is published whole: the
//! desired states go down the streams, and whoever watches the cluster looks again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use pilaster_common::clock::Timestamp;
use pilaster_common::name::{ClusterName, NodeId, NodeName};
use pilaster_proto::desired::Desired;
use pilaster_proto::report::Report;
use tokio::sync::watch;

use crate::plan::view::{Refusal, Seen};
use crate::plan::{Pass, Wait, keep_since};

/// What a stream sends down: the latest desired state, once there is one. It closes when the stream
/// is to end.
pub type DesiredWatch = watch::Receiver<Option<Arc<Desired>>>;

/// All nodes.
#[derive(Debug, Default)]
pub struct Fleet {
    clusters: Mutex<BTreeMap<ClusterName, Cluster>>,
}

#[derive(Debug, Default)]
struct Cluster {
    nodes: BTreeMap<NodeName, Node>,
    last_pass: watch::Sender<LastPass>,
}

#[derive(Debug, Default)]
struct Node {
    seen: Seen,
    stream: Option<watch::Sender<Option<Arc<Desired>>>>,
    /// Number of the newest stream.
    streams: u64,
}

/// How the last pass over a cluster ended.
#[derive(Debug, Clone, Default)]
pub struct LastPass {
    /// Why nothing more happens.
    pub waits: Vec<Wait>,
    /// Why it failed; then the waits are those of the one before.
    pub trouble: Option<Wait>,
}

impl Fleet {
    /// A node's new stream. The one before it, if it still stands, ends: its watch closes.
    pub fn attach(&self, node: &NodeId) -> (u64, DesiredWatch) {
        let (desired, receiver) = watch::channel(None);
        self.with_node(node, |node| {
            node.streams += 1;
            node.stream = Some(desired);
            (node.seen.connected, node.seen.refusal) = (true, None);
            (node.streams, receiver)
        })
    }

    /// A stream has ended; a newer one of the same node stays.
    pub fn detach(&self, node: &NodeId, number: u64) {
        self.with_node(node, |node| {
            if node.streams == number {
                node.end_stream();
            }
        });
    }

    /// Ends the node's stream: its watch closes, and who serves it asks again whether the node may
    /// speak. Returns whether one stood.
    pub fn end_stream(&self, node: &NodeId) -> bool {
        self.with_node(node, Node::end_stream)
    }

    /// A card has joined: what another one said before is forgotten, and its stream ends.
    pub fn admit(&self, node: &NodeId) {
        self.with_node(node, |node| {
            node.end_stream();
            node.seen = Seen::default();
        });
    }

    /// A report has come.
    pub fn report(&self, node: &NodeId, report: Report, now: Timestamp) {
        self.with_node(node, |node| node.seen.report = Some((Arc::new(report), now)));
    }

    /// A try to join was refused; a person who waits for the node is shown why.
    pub fn refuse(&self, node: &NodeId, refusal: Refusal) {
        self.with_node(node, |node| node.seen.refusal = Some(refusal));
    }

    /// A node as it is seen now.
    pub fn seen(&self, node: &NodeId) -> Seen {
        self.with_node(node, |node| node.seen.clone())
    }

    /// Publishes what a pass has decided: each desired state down the node's stream, where one
    /// stands and it is not the one sent last; and whoever watches the cluster looks again.
    pub(super) fn publish(&self, cluster: &ClusterName, pass: Pass) {
        let mut clusters = self.lock();
        let of = clusters.entry(cluster.clone()).or_default();
        for (name, desired) in pass.desired {
            let stream = of.nodes.get(&name).and_then(|node| node.stream.as_ref());
            if let Some(stream) = stream {
                stream.send_if_modified(|present| {
                    let is_new = present.as_deref() != Some(&desired);
                    if is_new {
                        *present = Some(Arc::new(desired));
                    }
                    is_new
                });
            }
        }
        of.last_pass.send_replace(LastPass { waits: pass.waits, trouble: None });
    }

    /// A pass has failed.
    pub(super) fn fail(&self, cluster: &ClusterName, trouble: Wait) {
        let mut clusters = self.lock();
        let last_pass = &clusters.entry(cluster.clone()).or_default().last_pass;
        last_pass.send_modify(|last| {
            let before: Vec<Wait> = last.trouble.take().into_iter().collect();
            last.trouble = keep_since(vec![trouble], &before).pop();
        });
    }

    /// How the last pass ended, now and whenever one has ended.
    pub fn watch(&self, cluster: &ClusterName) -> watch::Receiver<LastPass> {
        self.lock().entry(cluster.clone()).or_default().last_pass.subscribe()
    }

    fn with_node<T>(&self, node: &NodeId, act: impl FnOnce(&mut Node) -> T) -> T {
        let NodeId { cluster, node } = node;
        let mut clusters = self.lock();
        act(clusters.entry(cluster.clone()).or_default().nodes.entry(node.clone()).or_default())
    }

    /// Never held across an await.
    fn lock(&self) -> MutexGuard<'_, BTreeMap<ClusterName, Cluster>> {
        self.clusters.lock().expect("no holder panics: each only moves values")
    }
}

impl Node {
    fn end_stream(&mut self) -> bool {
        self.seen.connected = false;
        self.stream.take().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_stream_ends_the_old_one_and_its_end_is_not_the_new_ones() {
        let (fleet, node) = (
            Fleet::default(),
            NodeId { cluster: "c".parse().expect("good"), node: "m".parse().expect("good") },
        );
        let (first, old) = fleet.attach(&node);
        let (_, new) = fleet.attach(&node);
        assert!(old.has_changed().is_err(), "closed");
        fleet.detach(&node, first);
        assert!(fleet.seen(&node).connected && new.has_changed().is_ok());
        assert!(fleet.end_stream(&node) && !fleet.end_stream(&node));
        assert!(!fleet.seen(&node).connected && new.has_changed().is_err());
    }
}
