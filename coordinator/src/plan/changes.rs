//! What a changed spec would do to a cluster: which files and certificates change on which node,
//! which members would restart, and why it would be refused.
//!
//! Pure; `coordctl plan` shows it, and `coordctl apply` takes a spec over only where nothing is
//! [`SpecChange::refused`]: what restarts a member of a formed cluster needs a rollout, one member
//! at a time (promise 5). What was not told by a node counts as a restart. Not here: what waits for
//! a rollout already (`plan::hold`), how it is shown (`ctl::text::plan`).

use std::fmt;
use std::net::Ipv4Addr;

use pilaster_common::error::Told;
use pilaster_common::etcd_conf::{Change, EtcdConf, diff};
use pilaster_common::hosts_block::{self, HostEntry};
use pilaster_common::name::{DomainName, NodeName};
use pilaster_common::paths;
use pilaster_common::profile::{LEAVES, Profile};
use pilaster_common::templates::TEMPLATES;
use pilaster_proto::facts::Facts;

use super::desired::hosts;
use super::hold::{Held, becomes, hold};
use super::standing;
use super::values::{Basis, etcd_conf};
use crate::ca::issue::{LeafNames, node_names, node_usages};
use crate::spec::{self, ClusterSpec, Difference, check_quota};
use crate::store::records::{Configured, FormationRecord, Phase};

/// What a change is planned from.
#[derive(Debug, Clone, Copy)]
pub struct Planned<'a> {
    /// The spec that holds; `None` for a cluster that is not known yet.
    pub old: Option<&'a ClusterSpec>,
    /// The one that is wanted.
    pub new: &'a ClusterSpec,
    /// How far the formation is.
    pub formation: &'a FormationRecord,
    /// Nodes of either spec that have joined.
    pub nodes: &'a [NodeState],
}

/// A node that has joined, as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeState {
    /// Its name.
    pub name: NodeName,
    /// The address that it is known by.
    pub address: Ipv4Addr,
    /// What it reported since the coordinator started.
    pub facts: Option<Facts>,
    /// What it was configured with last, where it takes part in its cluster.
    pub configured: Option<Configured>,
}

/// What a changed spec would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecChange {
    /// Whether the cluster is not known yet.
    pub is_new: bool,
    /// Keys of the spec that differ.
    pub keys: Vec<Difference>,
    /// Every node of either spec, the new one's order first.
    pub nodes: Vec<NodeChange>,
    /// Why it would not be taken over; empty where it would.
    pub refused: Vec<Refusal>,
    /// What a person may not expect.
    pub warnings: Vec<String>,
}

/// What would change of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeChange {
    /// Its name.
    pub name: NodeName,
    /// Whether its etcd would have to start again.
    pub restarts: bool,
    /// Why nothing can be said of its files.
    pub unknown: Option<Unknown>,
    /// What of etcd's configuration differs.
    pub changes: Vec<Change>,
    /// Texts that differ: files, and what certificates say.
    pub files: Vec<TextChange>,
}

/// Why nothing can be said of a node's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    /// It has no identity, so no files either.
    NotJoined,
    /// It has not told what it is.
    NotReported,
}

/// A text that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextChange {
    /// Where it lies on the node.
    pub path: String,
    /// Whether it is what a certificate says: that is renewed while etcd runs.
    pub is_certificate: bool,
    /// As it is; empty where there is none.
    pub before: String,
    /// As it would be; empty where it would go.
    pub after: String,
}

/// Why a spec would not be taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The members' URLs are in etcd's data.
    Domain(DomainName, DomainName),
    /// A member that would have to leave first.
    Gone(NodeName),
    /// A member that would have to be added as a learner.
    Added(NodeName),
    /// A member whose URLs would change.
    Moved(NodeName, Ipv4Addr, Ipv4Addr),
    /// Members that would restart, and for what.
    Restarts(Vec<NodeName>, Vec<String>),
    /// Members of which is not known what they would do.
    NotKnown(Vec<NodeName>),
    /// A node that cannot have it.
    Unfit(NodeName, Told),
}

impl Refusal {
    /// Whether a rollout could do it.
    pub fn needs_rollout(&self) -> bool {
        !matches!(self, Self::Unfit(..))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(was, is) => {
                write!(f, "the members' URLs change: domain {was} becomes {is}")
            }
            Self::Gone(node) => {
                write!(f, "{node} goes: not yet, it needs a change of the cluster's membership")
            }
            Self::Added(node) => {
                write!(f, "{node} is new: not yet, it needs a change of the cluster's membership")
            }
            Self::Moved(node, was, is) => {
                write!(f, "the address of {node} changes: {was} becomes {is}")
            }
            Self::Restarts(nodes, keys) => {
                write!(f, "{} would restart ({})", standing::list(nodes), keys.join(", "))
            }
            Self::NotKnown(nodes) => write!(
                f,
                "{} may have to restart: nothing was reported from there since the coordinator started",
                standing::list(nodes)
            ),
            Self::Unfit(node, told) => write!(f, "{node}: {}; {}", told.cause, told.help),
        }
    }
}

impl SpecChange {
    /// Whether the two specs differ in anything.
    pub fn is_empty(&self) -> bool {
        !self.is_new && self.keys.is_empty()
    }

    /// The members that would restart.
    pub fn restarting(&self) -> impl Iterator<Item = &NodeName> {
        self.nodes.iter().filter(|node| node.restarts).map(|node| &node.name)
    }
}

/// What `new` would do.
pub fn spec_change(planned: Planned<'_>) -> SpecChange {
    let Planned { old, new, formation, nodes: states } = planned;
    let old = old.unwrap_or(new);
    let sides = Sides::new(planned, old);
    let gone = old.members.iter().filter(|member| new.member(&member.name).is_none());
    let names = new.members.iter().chain(gone).map(|member| &member.name);
    let (nodes, unfit): (Vec<NodeChange>, Vec<Option<Refusal>>) =
        names.map(|name| sides.node_change(name)).unzip();
    let mut refused = Vec::new();
    if !matches!(formation.phase, Phase::Gathering) {
        membership(old, new, formation, states, &mut refused);
        restarts(old, new, formation, &nodes, &mut refused);
    }
    refused.extend(unfit.into_iter().flatten());
    let versions =
        states.iter().filter_map(|state| Some((&state.name, state.facts.as_ref()?.etcd?.version)));
    let warnings = spec::warnings(new).into_iter().chain(standing::warnings(versions));
    SpecChange {
        is_new: planned.old.is_none(),
        keys: spec::differences(old, new),
        nodes,
        refused,
        warnings: warnings.collect(),
    }
}

/// What takes a change of etcd's member list, or of what it holds.
fn membership(
    old: &ClusterSpec,
    new: &ClusterSpec,
    formation: &FormationRecord,
    states: &[NodeState],
    refused: &mut Vec<Refusal>,
) {
    if old.domain != new.domain {
        refused.push(Refusal::Domain(old.domain.clone(), new.domain.clone()));
    }
    for member in old.members.iter().filter(|member| new.member(&member.name).is_none()) {
        refused.push(Refusal::Gone(member.name.clone()));
    }
    for member in new.members.iter().filter(|member| old.member(&member.name).is_none()) {
        refused.push(Refusal::Added(member.name.clone()));
    }
    for state in states.iter().filter(|state| formation.phase.takes_part(&state.name)) {
        let wanted = |spec: &ClusterSpec| spec.member(&state.name).and_then(|m| m.address);
        if let Some(address) = wanted(new)
            && address != state.address
            && wanted(old) != Some(address)
        {
            refused.push(Refusal::Moved(state.name.clone(), state.address, address));
        }
    }
}

fn restarts(
    old: &ClusterSpec,
    new: &ClusterSpec,
    formation: &FormationRecord,
    nodes: &[NodeChange],
    refused: &mut Vec<Refusal>,
) {
    let restarting: Vec<NodeName> =
        nodes.iter().filter(|node| node.restarts).map(|node| node.name.clone()).collect();
    let mut keys: Vec<String> = Vec::new();
    for change in nodes.iter().filter(|node| node.restarts).flat_map(|node| &node.changes) {
        let told = becomes(change);
        if change.restarts() && !keys.contains(&told) {
            keys.push(told);
        }
    }
    if !restarting.is_empty() {
        refused.push(Refusal::Restarts(restarting, keys));
    }
    let unknown = nodes.iter().filter(|node| {
        node.unknown.is_some()
            && formation.phase.takes_part(&node.name)
            && new.member(&node.name).is_some()
    });
    let unknown: Vec<NodeName> = unknown.map(|node| node.name.clone()).collect();
    if !unknown.is_empty() && old.etcd != new.etcd {
        refused.push(Refusal::NotKnown(unknown));
    }
}

/// The two specs, and what all nodes share of each.
struct Sides<'a> {
    planned: Planned<'a>,
    old: &'a ClusterSpec,
    hosts: [Vec<HostEntry>; 2],
    /// Whether any certificate may differ; where not, none is compared.
    certificates: bool,
}

impl<'a> Sides<'a> {
    fn new(planned: Planned<'a>, old: &'a ClusterSpec) -> Self {
        let new = planned.new;
        let hosts = [old, new].map(|spec| hosts(spec, &addresses(spec, planned)));
        let certificates = old.domain != new.domain
            || old.service != new.service
            || old.extra_names != new.extra_names
            || old.extra_addresses != new.extra_addresses
            || old.members != new.members
            || old.etcd.grpc_gateway != new.etcd.grpc_gateway;
        Self { planned, old, hosts, certificates }
    }

    /// What changes of a node, and why it cannot have it.
    fn node_change(&self, name: &NodeName) -> (NodeChange, Option<Refusal>) {
        let mut change = NodeChange {
            name: name.clone(),
            restarts: false,
            unknown: None,
            changes: vec![],
            files: vec![],
        };
        let Some(state) = self.planned.nodes.iter().find(|state| state.name == *name) else {
            change.unknown = Some(Unknown::NotJoined);
            return (change, None);
        };
        if self.planned.new.member(name).is_none() {
            return (change, None); // it goes: its files stay as they are until it has
        }
        let mut unfit = self.too_large(state);
        match self.confs(state) {
            Some((before, after, template)) if before != after => {
                unfit = unfit.or_else(|| bad_value(name, &after));
                change.changes = diff(&before, &after);
                change.restarts = self.planned.formation.phase.takes_part(name)
                    && change.changes.iter().any(Change::restarts);
                change.files.extend(rendered(template, &before, &after));
            }
            Some(_) => {}
            None => change.unknown = Some(Unknown::NotReported),
        }
        if self.hosts[0] != self.hosts[1] {
            change.files.extend(text_change(
                paths::HOSTS,
                false,
                self.hosts.each_ref().map(|h| block(h)),
            ));
        }
        if self.certificates {
            change.files.extend(LEAVES.iter().filter_map(|kind| self.certificate(*kind, state)));
        }
        (change, unfit)
    }

    /// The values now, those with the new spec, and the templates of both.
    fn confs(&self, state: &NodeState) -> Option<(EtcdConf, EtcdConf, u32)> {
        let Planned { new, formation, .. } = self.planned;
        let takes_part = formation.phase.takes_part(&state.name);
        let configured = state.configured.as_ref().filter(|_| takes_part);
        let known: &[u32] = state.facts.as_ref().map_or(&[], |facts| &facts.template_versions);
        let conf = |spec: &ClusterSpec, basis: &Basis| {
            etcd_conf(spec, formation, &state.name, address(spec, state, self.planned), basis)
        };
        let Some(configured) = configured else {
            let basis = Basis::of(state.facts.as_ref()?)?;
            let template = TEMPLATES.best_for(known);
            return Some((conf(self.old, &basis), conf(new, &basis), template));
        };
        let basis = Basis::of_member(configured, state.facts.as_ref());
        let (was, wanted) = (conf(self.old, &basis), conf(new, &basis));
        let restarts = diff(&was, &wanted).iter().any(Change::restarts);
        let Held { etcd: before, template_version, .. } = hold(configured, was, known, TEMPLATES);
        // a rollout would bring all that is wanted; without one a member keeps what would restart
        // it
        let after = if restarts { wanted } else { hold(configured, wanted, known, TEMPLATES).etcd };
        Some((before, after, template_version))
    }

    fn certificate(&self, profile: Profile, state: &NodeState) -> Option<TextChange> {
        let path = match profile {
            Profile::Server => paths::SERVER_LEAF.to_owned(),
            Profile::Peer => paths::peer_leaf(&state.name).to_string_lossy().into_owned(),
            Profile::Client | Profile::Agent => return None, // its node's name, and nothing else
        };
        let says = |spec: &ClusterSpec| {
            let address = address(spec, state, self.planned);
            let client_auth = node_usages(profile, spec).client_auth;
            certificate_text(&node_names(profile, spec, &state.name, address), client_auth)
        };
        text_change(path, true, [says(self.old), says(self.planned.new)])
    }

    /// A changed quota that the node's memory does not hold.
    fn too_large(&self, state: &NodeState) -> Option<Refusal> {
        let quota = self.planned.new.etcd.quota.filter(|quota| self.old.etcd.quota != Some(*quota));
        let error = check_quota(quota?, state.facts.as_ref()?.memory_bytes).err()?;
        Some(Refusal::Unfit(state.name.clone(), Told::new("it does not fit", &error)))
    }
}

fn bad_value(node: &NodeName, conf: &EtcdConf) -> Option<Refusal> {
    let error = conf.check().err()?;
    Some(Refusal::Unfit(node.clone(), Told::new("etcd would not start with it", &error)))
}

/// The address of a node with `spec`: before the formation it follows the spec.
fn address(spec: &ClusterSpec, state: &NodeState, planned: Planned<'_>) -> Ipv4Addr {
    let follows = matches!(planned.formation.phase, Phase::Gathering);
    let changed = |to: &Ipv4Addr| {
        let old = planned.old.and_then(|old| old.member(&state.name)).and_then(|m| m.address);
        follows && old != Some(*to)
    };
    let wanted = spec.member(&state.name).and_then(|member| member.address);
    wanted.filter(changed).unwrap_or(state.address)
}

/// Addresses of the members that have joined, in the spec's order.
fn addresses(spec: &ClusterSpec, planned: Planned<'_>) -> Vec<(NodeName, Ipv4Addr)> {
    let joined = spec.members.iter().filter_map(|member| {
        let state = planned.nodes.iter().find(|state| state.name == member.name)?;
        Some((member.name.clone(), address(spec, state, planned)))
    });
    joined.collect()
}

fn rendered(template: u32, before: &EtcdConf, after: &EtcdConf) -> Vec<TextChange> {
    let files = |conf| TEMPLATES.render(template, conf).expect("it is one of ours");
    let service_manager = after.service_manager;
    let pairs = files(before).into_iter().zip(files(after));
    let changes = pairs.filter_map(|((file, before), (_, after))| {
        text_change(file.path(service_manager), false, [before, after])
    });
    changes.collect()
}

fn text_change(
    path: impl Into<String>,
    is_certificate: bool,
    [before, after]: [String; 2],
) -> Option<TextChange> {
    (before != after).then(|| TextChange { path: path.into(), is_certificate, before, after })
}

/// The block that the agent keeps in `/etc/hosts`.
fn block(entries: &[HostEntry]) -> String {
    if entries.is_empty() { String::new() } else { hosts_block::render(entries) }
}

/// What of a certificate does not move with time, a line each.
fn certificate_text(names: &LeafNames, client_auth: bool) -> String {
    let LeafNames { common_name, names, addresses } = names;
    let mut text = format!("CN {common_name}\n");
    names.iter().for_each(|name| text.push_str(&format!("DNS {name}\n")));
    addresses.iter().for_each(|address| text.push_str(&format!("IP {address}\n")));
    text.push_str(if client_auth { "for servers and clients\n" } else { "for servers\n" });
    text
}
