//! Takes a tree that has the right form apart into typed values, each still with its place.

use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;
use std::time::Duration;

use ipnet::Ipv4Net;
use pilaster_common::name::{ClusterName, DomainName, HostName, InterfaceName, NodeName};

use super::cluster::{EtcdSettings, INTERFACE_DEFAULT, Lifetimes, Names};
use super::mistake::Place;
use super::quantity::{parse_size, parse_span};
use super::shape::is_null;
use super::yaml::{Node, Resolved, Value, resolve};

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

/// A spec whose values are right each by itself.
pub(super) struct Draft {
    pub(super) cluster: At<ClusterName>,
    pub(super) domain: At<DomainName>,
    pub(super) service: Option<At<DomainName>>,
    pub(super) network: Option<At<Ipv4Net>>,
    pub(super) names: Names,
    pub(super) members: Vec<DraftMember>,
    pub(super) extra_names: Vec<At<HostName>>,
    pub(super) extra_addresses: Vec<At<IpAddr>>,
    pub(super) etcd: EtcdSettings,
    /// Of the election timeout, or of the heartbeat where only that is set.
    pub(super) timing: Option<Place>,
    pub(super) certificates: Lifetimes,
    /// Of the autonomy, or of the leaf's life where only that is set.
    pub(super) lifetimes: Option<Place>,
}

pub(super) struct DraftMember {
    pub(super) name: At<NodeName>,
    pub(super) address: Option<At<Ipv4Addr>>,
    pub(super) addresses: Vec<At<IpAddr>>,
    pub(super) interface: InterfaceName,
}

/// Why `expect` is safe in this file.
const FORM: &str = "the form was checked against the table of keys";

/// Reads a tree in which `shape` found no mistake.
pub(super) fn draft(root: &Node) -> Draft {
    let spec = Keys::of(Some(root));
    let etcd = Keys::of(spec.node("etcd"));
    let certificates = Keys::of(spec.node("certificates"));
    let default = Lifetimes::default();
    Draft {
        cluster: spec.text("cluster").expect(FORM),
        domain: spec.text("domain").expect(FORM),
        service: spec.text("service"),
        network: spec.text("network"),
        names: spec.word("names").unwrap_or_default(),
        members: spec.items("members").iter().map(member).collect(),
        extra_names: spec.texts("extra_names"),
        extra_addresses: spec.texts("extra_addresses"),
        etcd: settings(&etcd),
        timing: etcd.place("election_timeout").or(etcd.place("heartbeat_interval")),
        certificates: Lifetimes {
            leaf: certificates.span("leaf").unwrap_or(default.leaf),
            autonomy: certificates.span("autonomy").unwrap_or(default.autonomy),
            identity: certificates.span("identity").unwrap_or(default.identity),
        },
        lifetimes: certificates.place("autonomy").or(certificates.place("leaf")),
    }
}

fn member(node: &Node) -> DraftMember {
    let keys = Keys::of(Some(node));
    let interface = keys.text("interface").map(|at| at.value);
    DraftMember {
        name: keys.text("name").expect(FORM),
        address: keys.text("address"),
        addresses: keys.texts("addresses"),
        interface: interface.unwrap_or_else(|| INTERFACE_DEFAULT.parse().expect("a name")),
    }
}

fn settings(etcd: &Keys<'_>) -> EtcdSettings {
    EtcdSettings {
        storage: etcd.word("storage").unwrap_or_default(),
        heartbeat_interval: etcd.span("heartbeat_interval"),
        election_timeout: etcd.span("election_timeout"),
        snapshot_count: etcd.count("snapshot_count"),
        snapshot_catchup_entries: etcd.count("snapshot_catchup_entries"),
        quota: etcd.size("quota"),
        compaction_retention: etcd.span("compaction_retention"),
        max_request_size: etcd.size("max_request_size"),
        max_txn_ops: etcd.count("max_txn_ops"),
        max_concurrent_streams: etcd.count("max_concurrent_streams"),
        max_wals: etcd.count("max_wals"),
        backend_batch_interval: etcd.span("backend_batch_interval"),
        backend_batch_limit: etcd.count("backend_batch_limit"),
        grpc_keepalive_min_time: etcd.span("grpc_keepalive_min_time"),
        grpc_keepalive_interval: etcd.span("grpc_keepalive_interval"),
        grpc_keepalive_timeout: etcd.span("grpc_keepalive_timeout"),
        grpc_gateway: etcd.bool("grpc_gateway"),
        metrics: etcd.word("metrics"),
        log_level: etcd.word("log_level"),
        watch_progress_notify_interval: etcd.span("watch_progress_notify_interval"),
        initial_corrupt_check: etcd.bool("initial_corrupt_check"),
        compact_hash_check: etcd.bool("compact_hash_check"),
        compact_hash_check_interval: etcd.span("compact_hash_check_interval"),
        corrupt_check_interval: etcd.span("corrupt_check_interval"),
        max_learners: etcd.count("max_learners"),
        memory_limit: etcd.size("memory_limit"),
    }
}

/// The keys of one section; none where it is missing.
struct Keys<'tree>(&'tree [(super::yaml::Key, Node)]);

impl<'tree> Keys<'tree> {
    fn of(node: Option<&'tree Node>) -> Self {
        match node.map(|node| &node.value) {
            Some(Value::Map(entries)) => Self(entries),
            _ => Self(&[]),
        }
    }

    fn node(&self, name: &str) -> Option<&'tree Node> {
        let found = self.0.iter().find(|(key, _)| key.name == name);
        found.map(|(_, node)| node).filter(|node| !is_null(node))
    }

    fn place(&self, name: &str) -> Option<Place> {
        self.node(name).map(|node| node.place)
    }

    fn items(&self, name: &str) -> &'tree [Node] {
        match self.node(name).map(|node| &node.value) {
            Some(Value::List(items)) => items,
            _ => &[],
        }
    }

    fn scalar(&self, name: &str) -> Option<&'tree str> {
        self.node(name).map(text)
    }

    fn text<T: FromStr>(&self, name: &str) -> Option<At<T>> {
        self.node(name).map(typed)
    }

    fn texts<T: FromStr>(&self, name: &str) -> Vec<At<T>> {
        self.items(name).iter().map(typed).collect()
    }

    fn word<T: FromStr>(&self, name: &str) -> Option<T> {
        self.text(name).map(|at| at.value)
    }

    fn bool(&self, name: &str) -> Option<bool> {
        self.scalar(name).map(|text| resolve(text, true) == Resolved::Bool(true))
    }

    fn count(&self, name: &str) -> Option<u64> {
        self.word(name)
    }

    fn span(&self, name: &str) -> Option<Duration> {
        self.scalar(name).map(|text| parse_span(text).expect(FORM))
    }

    fn size(&self, name: &str) -> Option<u64> {
        self.scalar(name).map(|text| parse_size(text).expect(FORM))
    }
}

fn text(node: &Node) -> &str {
    match &node.value {
        Value::Scalar { text, .. } => text,
        Value::List(_) | Value::Map(_) => "",
    }
}

fn typed<T: FromStr>(node: &Node) -> At<T> {
    At { value: text(node).parse().ok().expect(FORM), place: node.place }
}
