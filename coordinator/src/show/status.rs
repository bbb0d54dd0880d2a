//! How a cluster is: health, roles, the worst first, until when it goes on alone, and what is
//! waited for.

use pilaster_common::clock::Timestamp;
use pilaster_common::error::{Told, code};
use pilaster_common::name::{ClusterName, NodeName};
use pilaster_common::profile::{LEAVES, Profile};
use pilaster_proto::etcd_state::EtcdState;
use pilaster_proto::report::{Report, ServiceState};
use serde::{Deserialize, Serialize};

use super::{Shown, Sight, api_version};
use crate::plan::view::{ClusterView, NodeView};
use crate::plan::{Pass, REPORT_AGE_MAX, Wait};
use crate::store::records::Phase;

/// How a cluster is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// `pilaster/v1`.
    pub api_version: String,
    /// Its name.
    pub cluster: ClusterName,
    /// How far its formation is.
    pub formation: Formation,
    /// The releases of etcd that its members have.
    pub versions: Vec<String>,
    /// Healthy voters.
    pub healthy_members: usize,
    /// All.
    pub members: usize,
    /// Who leads.
    pub leader: Option<NodeName>,
    /// The earliest end of what etcd serves and trusts, as a date; nothing unless every member has
    /// told.
    pub goes_on_until: Option<String>,
    /// The worst first, else as in the spec.
    pub nodes: Vec<NodeStatus>,
    /// Why nothing more happens now.
    pub waits: Vec<Wait>,
    /// What a person may not expect, a line each.
    pub warnings: Vec<String>,
    /// By the coordinator's clock.
    pub now: Timestamp,
}

/// How far the first formation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Formation {
    /// Until every member is ready.
    Gathering,
    /// All members were told to start.
    Forming,
    /// It has formed.
    Formed,
}

/// How a node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeStatus {
    /// Its name.
    pub name: NodeName,
    /// By which it is known; nothing before it has joined.
    pub address: Option<String>,
    /// etcd's id, 16 hex digits.
    pub member: Option<String>,
    /// What it is in the cluster now.
    pub role: Role,
    /// A healthy voter that has been heard of lately.
    pub healthy: bool,
    /// How far it has come.
    pub phase: NodePhase,
    /// Of the process, else of the binary.
    pub version: Option<String>,
    /// Of the machine.
    pub architecture: Option<String>,
    /// Of the machine.
    pub memory_bytes: Option<u64>,
    /// etcd's database.
    pub db_bytes: Option<u64>,
    /// When the first of its serving certificates ends, as a date.
    pub leaves_end: Option<String>,
    /// The same from now on.
    pub leaves_end_in_seconds: Option<u64>,
    /// Of its last report.
    pub report_age_seconds: Option<u64>,
    /// What it says stands in its way.
    pub problems: Vec<Told>,
    /// What the coordinator says of its files, a line each.
    pub notices: Vec<String>,
    /// Why its last try to join was refused.
    pub refusal: Option<String>,
}

/// What a node is in its cluster now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Role {
    Leader,
    Follower,
    Learner,
    NoLeader,
    NotJoined,
    Denied,
    /// Its etcd was not heard of lately.
    Unknown,
    /// Its certificates and files are not all there.
    Preparing,
    /// All is in place, and etcd is not to run yet.
    Ready,
    Starting,
}

/// How far a node has come; each includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodePhase {
    /// In the spec, no identity.
    Invited,
    /// It has an identity.
    Joined,
    /// It has told its facts.
    Reporting,
    /// It holds every certificate.
    Certified,
    /// All its files are in place.
    Ready,
    /// etcd runs.
    Started,
    /// A healthy voter.
    Voting,
}

impl Shown for Status {
    const NAME: &'static str = "status";

    fn of(&Sight { view, pass, trouble, now }: &Sight<'_>) -> Self {
        let mut nodes: Vec<NodeStatus> =
            view.nodes.iter().map(|node| NodeStatus::new(node, pass, now)).collect();
        nodes.sort_by_key(|node| node.healthy); // stable
        let mut versions: Vec<String> = nodes.iter().filter_map(|n| n.version.clone()).collect();
        versions.sort();
        versions.dedup();
        let leader = nodes.iter().find(|node| node.role == Role::Leader);
        Self {
            api_version: api_version(),
            cluster: view.cluster.0.spec.cluster.clone(),
            formation: match &view.formation.0.phase {
                Phase::Gathering => Formation::Gathering,
                Phase::Forming { .. } => Formation::Forming,
                Phase::Formed { .. } => Formation::Formed,
            },
            versions,
            healthy_members: nodes.iter().filter(|node| node.healthy).count(),
            members: nodes.len(),
            leader: leader.map(|node| node.name.clone()),
            goes_on_until: goes_on_until(view).map(Timestamp::date),
            nodes,
            waits: trouble.into_iter().chain(&pass.waits).cloned().collect(),
            warnings: pass.warnings.clone(),
            now,
        }
    }
}

impl Status {
    /// Whether it has formed, every member is healthy, and the coordinator can go on.
    pub fn is_healthy(&self) -> bool {
        let can_go_on = !self.waits.iter().any(|wait| wait.code == code::STORE);
        self.formation == Formation::Formed && self.healthy_members == self.members && can_go_on
    }

    /// The node of this name.
    pub fn node(&self, name: &NodeName) -> Option<&NodeStatus> {
        self.nodes.iter().find(|node| node.name == *name)
    }
}

/// The earliest end among what every member serves and what the cluster trusts.
fn goes_on_until(view: &ClusterView) -> Option<Timestamp> {
    let ends = |node: &NodeView| node.report().and_then(serving_ends);
    let leaves: Option<Vec<Timestamp>> = view.nodes.iter().map(ends).collect();
    let roots = [view.roots.client.not_after, view.roots.peer.not_after];
    leaves?.into_iter().chain(roots).min()
}

/// Until when a node's ports are served.
fn serving_ends(report: &Report) -> Option<Timestamp> {
    let serving = |profile| matches!(profile, Profile::Server | Profile::Peer);
    let served = report.certificates.iter().filter(|held| serving(held.profile));
    served.map(pilaster_proto::report::HeldCertificate::serves_until).min()
}

impl NodeStatus {
    fn new(node: &NodeView, pass: &Pass, now: Timestamp) -> Self {
        let name = node.id.node.clone();
        let age = node.reported().map(|at| now.since(at));
        let fresh = node.seen.connected && age.is_some_and(|age| age < REPORT_AGE_MAX);
        let report = node.report();
        let etcd = report.and_then(|report| report.etcd.as_ref()).filter(|_| fresh);
        let ends = report.and_then(serving_ends);
        let phase = phase(node, pass);
        let facts = report.map(|report| &report.facts);
        let notices = pass.notices.get(&name);
        Self {
            address: node.address().map(|address| address.to_string()),
            member: etcd
                .filter(|etcd| etcd.member_id != 0)
                .map(|etcd| format!("{:016x}", etcd.member_id)),
            role: role(node, etcd, fresh, phase),
            healthy: etcd.is_some_and(|etcd| etcd.healthy && !etcd.is_learner),
            phase,
            version: report.and_then(version),
            architecture: facts.map(|facts| facts.architecture.clone()),
            memory_bytes: facts.map(|facts| facts.memory_bytes),
            db_bytes: etcd.map(|etcd| etcd.db_size_bytes),
            leaves_end: ends.map(Timestamp::date),
            leaves_end_in_seconds: ends.map(|end| end.since(now).as_secs()),
            report_age_seconds: age.map(|age| age.as_secs()),
            problems: report.map(|report| report.problems.clone()).unwrap_or_default(),
            notices: notices.into_iter().flatten().map(ToString::to_string).collect(),
            refusal: node.seen.refusal.as_ref().map(|refusal| refusal.why.clone()),
            name,
        }
    }
}

fn role(node: &NodeView, etcd: Option<&EtcdState>, fresh: bool, phase: NodePhase) -> Role {
    if node.is_denied() {
        return Role::Denied;
    }
    match (etcd, phase) {
        (Some(etcd), _) if etcd.is_learner => Role::Learner,
        (Some(etcd), _) if etcd.leader_id == 0 => Role::NoLeader,
        (Some(etcd), _) if etcd.leader_id == etcd.member_id => Role::Leader,
        (Some(_), _) => Role::Follower,
        (None, NodePhase::Invited) => Role::NotJoined,
        (None, _) if !fresh => Role::Unknown,
        (None, NodePhase::Joined | NodePhase::Reporting | NodePhase::Certified) => Role::Preparing,
        (None, NodePhase::Ready) => Role::Ready,
        (None, NodePhase::Started | NodePhase::Voting) => Role::Starting,
    }
}

fn phase(node: &NodeView, pass: &Pass) -> NodePhase {
    let (joined, name) = (node.identity.is_some(), &node.id.node);
    let Some(report) = node.report().filter(|_| joined) else {
        return if joined { NodePhase::Joined } else { NodePhase::Invited };
    };
    let holds = |profile: &Profile| report.certificates.iter().any(|held| held.profile == *profile);
    let in_place = |desired: &pilaster_proto::desired::Desired| {
        report.generation == desired.generation && report.problems.is_empty()
    };
    if report.etcd.as_ref().is_some_and(|etcd| etcd.healthy && !etcd.is_learner) {
        NodePhase::Voting
    } else if report.service == ServiceState::Started {
        NodePhase::Started
    } else if pass.desired.get(name).is_some_and(in_place) {
        NodePhase::Ready
    } else if LEAVES.iter().all(holds) {
        NodePhase::Certified
    } else {
        NodePhase::Reporting
    }
}

fn version(report: &Report) -> Option<String> {
    let running = report.etcd.as_ref().map(|etcd| etcd.version.clone());
    let on_disk = report.facts.etcd.map(|etcd| etcd.version.to_string());
    running.filter(|version| !version.is_empty()).or(on_disk)
}
