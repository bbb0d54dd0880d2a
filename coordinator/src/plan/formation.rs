//! Decides when a cluster's first start begins, and when it has formed.
//!
//! It is the one step that is not one at a time (promise 5): it begins when every member of the spec is ready, all together, because
//! a first member reports ready only when a quorum runs. It has formed when each member is healthy and the ids are those that
//! etcd derives from what was meant (`common::etcd_conf::ids`); from then on the configuration says `existing` (promise 10).

use std::collections::BTreeSet;
use std::fmt;

use pilaster_common::error::Told;
use pilaster_common::etcd_conf::{EtcdVersion, Standing, ids};
use pilaster_common::name::NodeName;

use super::view::{ClusterView, EtcdState, NodeView, Report, ServiceState};
use crate::spec::{ClusterSpec, check_quota};
use crate::store::records::{FormationRecord, Phase};

/// What happens next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// All members are told to start.
    Form {
        /// Who takes part.
        members: Vec<NodeName>,
    },
    /// These have it on their disks, and are configured with `existing` from now on.
    Started {
        /// All of them.
        started: BTreeSet<NodeName>,
    },
    /// It has formed.
    Formed {
        /// etcd's id of the cluster.
        cluster_id: u64,
        /// Who took part, with etcd's ids.
        members: Vec<(NodeName, u64)>,
    },
    /// Not yet, and why.
    Wait(Vec<Blocker>),
    /// Nothing is left to do.
    Done,
}

/// Why nothing happens now. A person reads it word for word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Blocker {
    /// No identity.
    NotJoined(NodeName),
    /// No stream, or no report over it.
    Silent(NodeName),
    /// It says why it cannot.
    Problem(NodeName, Told),
    /// No etcd that its files could be rendered for.
    NoEtcd(NodeName),
    /// Its etcd is known to be bad, and nobody has accepted that.
    BadEtcd(NodeName, EtcdVersion, &'static str),
    /// It cannot have what the spec wants.
    Unfit(NodeName, Told),
    /// Its files are not all there.
    NotReady(NodeName),
    /// Two minors in one formation.
    Minors(NodeName, EtcdVersion, NodeName, EtcdVersion),
    /// etcd was told to start and does not run.
    NotStarted(NodeName),
    /// etcd runs and is not healthy.
    NotHealthy(NodeName, String),
    /// The ids are not those of this formation.
    OtherIds(NodeName),
    /// A member of the spec that did not take part.
    NotInFormation(NodeName),
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotJoined(node) => write!(f, "{node} has not joined: coordctl enroll {node}"),
            Self::Silent(node) => {
                write!(f, "{node} is not connected: is it on, and does pilaster-agent run there?")
            }
            Self::Problem(node, told) => {
                write!(f, "{node}: {}: {}; {}", told.what, told.cause, told.help)
            }
            Self::NoEtcd(node) => {
                write!(
                    f,
                    "{node} has no etcd of a known version: install etcd there (apk add etcd etcd-ctl)"
                )
            }
            Self::BadEtcd(node, version, why) => write!(
                f,
                "{node} has etcd {version}, which is known to be bad: {why}; install {} or later, or take it all the same: coordctl apply --accept-risk=known-bad-etcd FILE",
                version.floor()
            ),
            Self::Unfit(node, told) => write!(f, "{node}: {}; {}", told.cause, told.help),
            Self::NotReady(node) => {
                write!(f, "{node} is putting its certificates and files in place")
            }
            Self::Minors(one, first, two, second) => {
                write!(
                    f,
                    "{one} has etcd {first} and {two} has {second}: a cluster forms with one minor version; install the same on every member, or take one out of the spec"
                )
            }
            Self::NotStarted(node) => write!(f, "{node} is starting etcd"),
            Self::NotHealthy(node, why) => {
                write!(f, "{node}: etcd runs and is not healthy yet: {why}")
            }
            Self::OtherIds(node) => write!(
                f,
                "{node} runs with ids of another formation: its data is not of this cluster; look at /var/lib/etcd there"
            ),
            Self::NotInFormation(node) => {
                write!(
                    f,
                    "{node} was added to the spec after the formation; adding members to a formed cluster comes later"
                )
            }
        }
    }
}

/// The next step of a cluster's formation.
pub fn next_step(spec: &ClusterSpec, formation: &FormationRecord, view: &ClusterView) -> Decision {
    match &formation.phase {
        Phase::Gathering => gather(spec, view),
        Phase::Forming { members, started } => form(spec, &formation.token, members, started, view),
        Phase::Formed { members, .. } => {
            let added = view
                .nodes
                .iter()
                .filter(|node| !members.iter().any(|(name, _)| *name == node.name));
            let blockers: Vec<_> =
                added.map(|node| Blocker::NotInFormation(node.name.clone())).collect();
            if blockers.is_empty() { Decision::Done } else { Decision::Wait(blockers) }
        }
    }
}

fn gather(spec: &ClusterSpec, view: &ClusterView) -> Decision {
    let mut blockers: Vec<Blocker> =
        view.nodes.iter().filter_map(|node| not_ready(spec, view, node)).collect();
    let versions = view.nodes.iter().filter_map(|node| {
        let (report, _) = node.report.as_ref()?;
        Some((&node.name, report.facts.etcd_version?))
    });
    blockers.extend(different_minors(versions));
    if blockers.is_empty() {
        return Decision::Form {
            members: view.nodes.iter().map(|node| node.name.clone()).collect(),
        };
    }
    Decision::Wait(blockers)
}

/// What keeps a node from being told to start.
fn not_ready(spec: &ClusterSpec, view: &ClusterView, node: &NodeView) -> Option<Blocker> {
    let name = node.name.clone();
    if !node.joined {
        return Some(Blocker::NotJoined(name));
    }
    let Some((report, _)) = node.report.as_ref().filter(|_| node.connected) else {
        return Some(Blocker::Silent(name));
    };
    if let Some(no_address) = &node.no_address {
        return Some(Blocker::Problem(name, Told::new("no address", no_address)));
    }
    if let Some(told) = report.problems.first() {
        return Some(Blocker::Problem(name, told.clone()));
    }
    let Some(version) = report.facts.etcd_version else { return Some(Blocker::NoEtcd(name)) };
    if let (Standing::Blocked { why }, false) = (version.standing(), view.bad_etcd_accepted) {
        return Some(Blocker::BadEtcd(name, version, why));
    }
    if let Err(error) =
        spec.etcd.quota.map_or(Ok(()), |q| check_quota(q, report.facts.memory_bytes))
    {
        return Some(Blocker::Unfit(name, Told::new("it does not fit", &error)));
    }
    if let Some(error) = &node.bad_value {
        return Some(Blocker::Unfit(name, Told::new("etcd would not start with it", error)));
    }
    let in_place = node.desired_generation > 0 && report.generation == node.desired_generation;
    (!in_place).then_some(Blocker::NotReady(name))
}

/// Two of these that have different minors: they cannot form one cluster.
pub fn different_minors<'a>(
    versions: impl IntoIterator<Item = (&'a NodeName, EtcdVersion)>,
) -> Option<Blocker> {
    let mut versions = versions.into_iter();
    let (one, first) = versions.next()?;
    let (two, second) = versions.find(|(_, version)| version.minor != first.minor)?;
    Some(Blocker::Minors(one.clone(), first, two.clone(), second))
}

fn form(
    spec: &ClusterSpec,
    token: &str,
    members: &[NodeName],
    started: &BTreeSet<NodeName>,
    view: &ClusterView,
) -> Decision {
    let id = |name: &NodeName| ids::member_id(&format!("https://{}:2380", spec.host(name)), token);
    let members: Vec<(NodeName, u64)> =
        members.iter().map(|name| (name.clone(), id(name))).collect();
    let all: Vec<u64> = members.iter().map(|(_, id)| *id).collect();
    let cluster_id = ids::cluster_id(&all);
    let with_data = members.iter().filter(|(name, id)| {
        let etcd = view.nodes.iter().find(|node| node.name == *name).and_then(NodeView::etcd);
        etcd.is_some_and(|etcd| etcd.cluster_id == cluster_id && etcd.member_id == *id)
    });
    let now_started: BTreeSet<NodeName> =
        with_data.map(|(name, _)| name.clone()).chain(started.iter().cloned()).collect();
    let blockers: Vec<Blocker> = members
        .iter()
        .filter_map(|(name, id)| {
            let node = view.nodes.iter().find(|node| node.name == *name);
            not_formed(name, node, *id, cluster_id, &all)
        })
        .collect();
    if blockers.is_empty() {
        return Decision::Formed { cluster_id, members };
    }
    if now_started == *started {
        Decision::Wait(blockers)
    } else {
        Decision::Started { started: now_started }
    }
}

/// What keeps a member from counting as formed.
fn not_formed(
    name: &NodeName,
    node: Option<&NodeView>,
    member_id: u64,
    cluster_id: u64,
    all: &[u64],
) -> Option<Blocker> {
    let name = name.clone();
    let report = node.filter(|node| node.connected).and_then(|node| node.report.as_ref());
    let Some((report, _)) = report else { return Some(Blocker::Silent(name)) };
    let Some(etcd) = &report.etcd else { return Some(not_running(name, report)) };
    if etcd.cluster_id != cluster_id || etcd.member_id != member_id {
        return Some(Blocker::OtherIds(name));
    }
    let mut listed: Vec<u64> = etcd.members.iter().map(|(id, _)| *id).collect();
    let mut meant = all.to_vec();
    listed.sort_unstable();
    meant.sort_unstable();
    if !etcd.healthy || listed != meant {
        return Some(Blocker::NotHealthy(name, unhealthy_because(etcd)));
    }
    None
}

fn not_running(name: NodeName, report: &Report) -> Blocker {
    match (report.problems.first(), report.service) {
        (Some(told), _) => Blocker::Problem(name, told.clone()),
        (None, ServiceState::Started) => {
            Blocker::NotHealthy(name, "it does not answer on loopback".into())
        }
        (None, _) => Blocker::NotStarted(name),
    }
}

fn unhealthy_because(etcd: &EtcdState) -> String {
    match etcd.errors.first() {
        Some(error) => error.clone(),
        None if etcd.leader_id == 0 => "no leader".into(),
        None => "it has not answered a read yet".into(),
    }
}

#[cfg(test)]
mod tests {
    use pilaster_common::clock::Timestamp;

    use super::*;
    use crate::plan::view::Facts;

    const TOKEN: &str = "c-00";

    fn spec() -> ClusterSpec {
        crate::spec::parse("cluster: c\ndomain: a.b\nnetwork: 10.0.0.0/24\nmembers: [{name: m-1}, {name: m-2}, {name: m-3}]\n")
            .expect("good")
    }

    fn ready(name: &str) -> NodeView {
        let facts = Facts {
            eth0: vec![],
            architecture: "x86_64".into(),
            etcd_version: Some("3.5.16".parse().expect("known")),
            memory_bytes: 1 << 30,
            etcd_processor: None,
            service_manager: Default::default(),
            template_versions: vec![1],
        };
        let report = Report {
            facts,
            epoch: 1,
            generation: 3,
            certificates: vec![],
            service: ServiceState::Stopped,
            etcd: None,
            problems: vec![],
        };
        NodeView {
            name: name.parse().expect("good"),
            joined: true,
            desired_generation: 3,
            report: Some((report, Timestamp::from_unix(0))),
            connected: true,
            no_address: None,
            bad_value: None,
        }
    }

    fn healthy(name: &str) -> NodeView {
        let id = |name: &str| ids::member_id(&format!("https://{name}.a.b:2380"), TOKEN);
        let all = ["m-1", "m-2", "m-3"].map(id);
        let mut node = ready(name);
        let (report, _) = node.report.as_mut().expect("reported");
        report.service = ServiceState::Started;
        report.etcd = Some(EtcdState {
            healthy: true,
            member_id: id(name),
            cluster_id: ids::cluster_id(&all),
            leader_id: all[0],
            is_learner: false,
            errors: vec![],
            members: all.iter().map(|id| (*id, String::new())).collect(),
        });
        node
    }

    #[track_caller]
    fn check(phase: Phase, nodes: Vec<NodeView>, outcome: &str) {
        let formation = FormationRecord { token: TOKEN.into(), phase };
        let text = match next_step(
            &spec(),
            &formation,
            &ClusterView { nodes, bad_etcd_accepted: false },
        ) {
            Decision::Form { members } => format!("form {}", members.len()),
            Decision::Formed { members, .. } => format!("formed {}", members.len()),
            Decision::Started { started } => format!("started {}", started.len()),
            Decision::Wait(blockers) => blockers.iter().map(|b| format!("{b}\n")).collect(),
            Decision::Done => "done".into(),
        };
        assert!(text.contains(outcome), "{text}");
    }

    fn with(change: impl Fn(&mut NodeView), node: fn(&str) -> NodeView) -> Vec<NodeView> {
        let mut changed = node("m-2");
        change(&mut changed);
        vec![node("m-1"), changed, node("m-3")]
    }

    fn report(node: &mut NodeView) -> &mut Report {
        &mut node.report.as_mut().expect("reported").0
    }

    #[test]
    fn promise_05_a_formation_begins_when_every_member_is_ready() {
        let gathering = |nodes, outcome| check(Phase::Gathering, nodes, outcome);
        gathering(with(|_| {}, ready), "form 3");
        gathering(with(|n| n.joined = false, ready), "m-2 has not joined: coordctl enroll m-2");
        gathering(with(|n| n.connected = false, ready), "m-2 is not connected");
        gathering(with(|n| n.report = None, ready), "m-2 is not connected");
        gathering(with(|n| n.desired_generation = 4, ready), "m-2 is putting its certificates");
        gathering(with(|n| n.desired_generation = 0, ready), "m-2 is putting its certificates");
        gathering(with(|n| report(n).facts.etcd_version = None, ready), "m-2 has no etcd");
        let other = Some("3.6.15".parse().expect("known"));
        gathering(
            with(|n| report(n).facts.etcd_version = other, ready),
            "m-1 has etcd 3.5.16 and m-2 has 3.6.15: a cluster forms with one minor version",
        );
        let patch = Some("3.5.30".parse().expect("known"));
        gathering(with(|n| report(n).facts.etcd_version = patch, ready), "form 3");
        let told = Told {
            what: "cannot start".into(),
            cause: "port 2379 is taken".into(),
            help: "stop it".into(),
        };
        gathering(with(|n| report(n).problems = vec![told.clone()], ready), "port 2379 is taken");
    }

    #[test]
    fn a_node_that_cannot_have_what_the_spec_wants_is_named_and_nothing_forms() {
        let gathering = |spec: &str, accepted, change: &dyn Fn(&mut NodeView)| {
            let spec = crate::spec::parse(spec).expect("good");
            let formation = FormationRecord { token: TOKEN.into(), phase: Phase::Gathering };
            let nodes = with(change, ready);
            let view = ClusterView { nodes, bad_etcd_accepted: accepted };
            match next_step(&spec, &formation, &view) {
                Decision::Wait(blockers) => blockers[0].to_string(),
                other => format!("{other:?}"),
            }
        };
        let text = "cluster: c\ndomain: a.b\nnetwork: 10.0.0.0/24\nmembers: [{name: m-1}, {name: m-2}, {name: m-3}]\n";
        let bad = |n: &mut NodeView| {
            report(n).facts.etcd_version = Some("3.5.2".parse().expect("known"));
        };
        assert_eq!(
            gathering(text, false, &bad),
            "m-2 has etcd 3.5.2, which is known to be bad: it damages its data when it is killed under load; install 3.5.33 or later, or take it all the same: coordctl apply --accept-risk=known-bad-etcd FILE"
        );
        assert!(gathering(text, true, &bad).starts_with("Form"), "a person has accepted it");
        let large = format!("{text}etcd: {{quota: 700MiB}}\n");
        let small = |n: &mut NodeView| report(n).facts.memory_bytes = 906 << 20;
        let told = gathering(&large, false, &small);
        assert!(told.starts_with("m-2: quota 700MiB is more than three quarters"), "{told}");
        assert!(told.contains("679MiB or less"), "{told}");
        let value = pilaster_common::etcd_conf::BadValue {
            key: "quota-backend-bytes",
            found: "3".into(),
            wanted: "4".into(),
        };
        let told = gathering(text, false, &|n| n.bad_value = Some(value.clone()));
        assert!(told.starts_with("m-2: quota-backend-bytes is 3; etcd takes 4"), "{told}");
    }

    #[test]
    fn promise_10_it_has_formed_when_each_is_healthy_with_the_ids_that_were_meant() {
        let forming = |nodes, outcome| {
            let members = ["m-1", "m-2", "m-3"].map(|name| name.parse().expect("good")).to_vec();
            let started = members.iter().cloned().collect();
            check(Phase::Forming { members, started }, nodes, outcome);
        };
        let etcd = |node: &mut NodeView, change: fn(&mut EtcdState)| {
            change(report(node).etcd.as_mut().expect("runs"));
        };
        forming(with(|_| {}, healthy), "formed 3");
        forming(with(|n| n.connected = false, healthy), "m-2 is not connected");
        forming(with(|n| report(n).etcd = None, healthy), "does not answer on loopback");
        forming(with(|n| etcd(n, |e| e.healthy = false), healthy), "not answered a read");
        forming(with(|n| etcd(n, |e| (e.healthy, e.leader_id) = (false, 0)), healthy), "no leader");
        forming(with(|n| etcd(n, |e| e.cluster_id = 1), healthy), "ids of another formation");
        forming(with(|n| etcd(n, |e| e.member_id = 1), healthy), "ids of another formation");
        forming(with(|n| etcd(n, |e| drop(e.members.pop())), healthy), "not healthy");
    }

    #[test]
    fn promise_10_a_member_with_data_is_configured_with_existing_whoever_else_is_missing() {
        let members = ["m-1", "m-2", "m-3"].map(|name| name.parse().expect("good")).to_vec();
        let nobody = Phase::Forming { members: members.clone(), started: BTreeSet::new() };
        check(nobody.clone(), with(|n| n.report = None, ready), "m-1 is starting etcd");
        check(nobody, with(|n| report(n).etcd = None, healthy), "started 2");
        let two = members.iter().filter(|name| name.as_ref() != "m-2").cloned().collect();
        let two = Phase::Forming { members, started: two };
        check(two, with(|n| n.connected = false, ready), "m-2 is not connected");
    }

    #[test]
    fn a_formed_cluster_is_left_alone() {
        let members = ["m-1", "m-2", "m-3"].map(|name| (name.parse().expect("good"), 1)).to_vec();
        let formed = Phase::Formed { cluster_id: 1, members };
        check(formed.clone(), with(|n| n.connected = false, ready), "done");
        let mut more = with(|_| {}, healthy);
        more.push(ready("m-4"));
        check(formed, more, "m-4 was added to the spec after the formation");
    }
}
