//! Decides when a cluster's first start begins, and when it has formed.
//!
//! It is the one step that is not one at a time (promise 5): it begins when every member of the
//! spec is ready, all together, because a first member reports ready only when a quorum runs. It
//! has formed when each member is healthy and the ids are those that etcd derives from what was
//! meant (`common::etcd_conf::ids`); from then on the configuration says `existing` (promise 10).

use std::collections::{BTreeMap, BTreeSet};

use pilaster_common::clock::Timestamp;
use pilaster_common::error::{Code, Told, code};
use pilaster_common::etcd_conf::{EtcdVersion, Standing, ids};
use pilaster_common::name::NodeName;
use pilaster_common::ports::peer_url;
use pilaster_proto::etcd_state::EtcdState;
use pilaster_proto::report::{Report, ServiceState};

use super::pass::Planned;
use super::view::{ClusterView, NodeView};
use super::wait::Wait;
use crate::spec::check_quota;
use crate::store::records::{Phase, Risk};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// The formation is in this phase from now on.
    Enter(Phase),
    /// Not yet, and why; nothing is left to do where there is no reason.
    Wait(Vec<Wait>),
}

/// The next step of a cluster's formation.
pub(super) fn next_step(
    view: &ClusterView,
    planned: &BTreeMap<NodeName, Planned>,
    now: Timestamp,
) -> Step {
    match &view.formation.0.phase {
        Phase::Gathering => gather(view, planned, now),
        Phase::Forming { members, started } => form(view, members, started, now),
        Phase::Formed { members, .. } => {
            let takes_part = |name: &NodeName| members.iter().any(|(member, _)| member == name);
            let added = view.nodes.iter().map(|node| &node.id.node).filter(|n| !takes_part(n));
            let wait = |node: &NodeName| {
                let what = format!("{node} was added to the spec after the formation");
                let later = "adding members to a formed cluster comes later";
                Wait::new(code::NOT_IN_FORMATION, Some(node), now, (what, later))
            };
            Step::Wait(added.map(wait).collect())
        }
    }
}

fn gather(view: &ClusterView, planned: &BTreeMap<NodeName, Planned>, now: Timestamp) -> Step {
    let ready = |node: &NodeView| not_ready(view, node, &planned[&node.id.node], now);
    let mut waits: Vec<Wait> = view.nodes.iter().filter_map(ready).collect();
    waits.extend(different_minors(versions(view), now));
    if !waits.is_empty() {
        return Step::Wait(waits);
    }
    let members = view.nodes.iter().map(|node| node.id.node.clone()).collect();
    Step::Enter(Phase::Forming { members, started: BTreeSet::new() })
}

/// The etcd of each member that has reported one.
pub(crate) fn versions(view: &ClusterView) -> impl Iterator<Item = (&NodeName, EtcdVersion)> {
    view.nodes.iter().filter_map(|node| Some((&node.id.node, node.report()?.facts.etcd?.version)))
}

/// What keeps a node from being told to start.
fn not_ready(
    view: &ClusterView,
    node: &NodeView,
    planned: &Planned,
    now: Timestamp,
) -> Option<Wait> {
    let name = &node.id.node;
    let wait = |code: Code, what: String, unblocks: String| {
        Some(Wait::new(code, Some(name), now, (what, unblocks)))
    };
    if let Some(wait) = not_heard(node, DENIED_GATHERING, now) {
        return Some(wait);
    }
    let report = node.live_report(now)?;
    if let Some(no_address) = &planned.no_address {
        return Some(Wait::told(name, &Told::new("no address", no_address), now));
    }
    if let Some(told) = report.problems.first() {
        return Some(Wait::told(name, told, now));
    }
    let Some(etcd) = report.facts.etcd else {
        let what = format!("{name} has no etcd of a known version");
        return wait(code::NO_ETCD, what, "install etcd there (apk add etcd etcd-ctl)".into());
    };
    let (version, accepted) = (etcd.version, &view.cluster.0.accepted);
    if let (Standing::Blocked { why }, false) =
        (version.standing(), accepted.contains(&Risk::KnownBadEtcd))
    {
        let what = format!("{name} has etcd {version}, which is known to be bad: {why}");
        let unblocks = format!(
            "install {} or later, or take it all the same: coordctl apply --accept-risk=known-bad-etcd FILE",
            version.floor()
        );
        return wait(code::BAD_ETCD, what, unblocks);
    }
    let unfit = |told: Told| wait(code::UNFIT, format!("{name}: {}", told.cause), told.help);
    let quota = view.cluster.0.spec.etcd.quota;
    if let Err(error) = quota.map_or(Ok(()), |q| check_quota(q, report.facts.memory_bytes)) {
        return unfit(Told::new("it does not fit", &error));
    }
    if let Some(error) = &planned.bad_value {
        return unfit(Told::new("etcd would not start with it", error));
    }
    let in_place = planned.generation > 0 && report.generation == planned.generation;
    if in_place {
        return None;
    }
    let what = format!("{name} is putting its certificates and files in place");
    wait(code::NOT_READY, what, String::new())
}

/// What can be done about a denied node before the formation.
const DENIED_GATHERING: &str = "take it out of the spec, or give it another name";
/// The same from then on: etcd's members are fixed.
const DENIED_FORMING: &str = "the formation cannot end without it, and no denial is taken back";

/// What keeps a node from being heard at all.
fn not_heard(node: &NodeView, denied: &str, now: Timestamp) -> Option<Wait> {
    let name = &node.id.node;
    let (code, what, unblocks) = if node.identity.is_none() {
        (code::NOT_JOINED, "has not joined", format!("coordctl enroll {name}"))
    } else if node.is_denied() {
        (code::DENIED, "was denied", denied.into())
    } else if node.live_report(now).is_none() {
        let unblocks = "is it on, and does pilaster-agent run there?".into();
        (code::SILENT, "is not connected", unblocks)
    } else {
        return None;
    };
    Some(Wait::new(code, Some(name), now, (format!("{name} {what}"), unblocks)))
}

/// Two of these that have different minors: they cannot form one cluster.
pub(crate) fn different_minors<'a>(
    versions: impl IntoIterator<Item = (&'a NodeName, EtcdVersion)>,
    now: Timestamp,
) -> Option<Wait> {
    let mut versions = versions.into_iter();
    let (one, first) = versions.next()?;
    let (two, second) = versions.find(|(_, version)| version.minor != first.minor)?;
    let what = format!(
        "{one} has etcd {first} and {two} has {second}: a cluster forms with one minor version"
    );
    let unblocks = "install the same on every member, or take one out of the spec";
    Some(Wait::new(code::MINORS, None, now, (what, unblocks)))
}

fn form(
    view: &ClusterView,
    members: &[NodeName],
    started: &BTreeSet<NodeName>,
    now: Timestamp,
) -> Step {
    let (spec, token) = (&view.cluster.0.spec, &view.formation.0.token);
    let id = |name: &NodeName| ids::member_id(&peer_url(&spec.host(name)), token);
    let ids: Vec<(NodeName, u64)> = members.iter().map(|name| (name.clone(), id(name))).collect();
    let meant = Meant::of(&ids);
    let waits: Vec<Wait> = ids
        .iter()
        .filter_map(|(name, id)| not_formed(name, view.node(name), *id, &meant, now))
        .collect();
    if waits.is_empty() {
        return Step::Enter(Phase::Formed { cluster_id: meant.cluster_id, members: ids });
    }
    let has_data = |(name, id): &&(NodeName, u64)| {
        let etcd = view.node(name).and_then(NodeView::report).and_then(|r| r.etcd.as_ref());
        etcd.is_some_and(|etcd| meant.is(etcd, *id))
    };
    let with_data = ids.iter().filter(has_data).map(|(name, _)| name.clone());
    let now_started: BTreeSet<NodeName> = with_data.chain(started.iter().cloned()).collect();
    if now_started == *started {
        return Step::Wait(waits);
    }
    Step::Enter(Phase::Forming { members: members.to_vec(), started: now_started })
}

/// The ids that this formation has where nothing else lies on a disk.
struct Meant {
    cluster_id: u64,
    member_ids: Vec<u64>,
}

impl Meant {
    fn of(members: &[(NodeName, u64)]) -> Self {
        let mut member_ids: Vec<u64> = members.iter().map(|(_, id)| *id).collect();
        member_ids.sort_unstable();
        Self { cluster_id: ids::cluster_id(&member_ids), member_ids }
    }

    fn is(&self, etcd: &EtcdState, member_id: u64) -> bool {
        etcd.cluster_id == self.cluster_id && etcd.member_id == member_id
    }
}

/// What keeps a member from counting as formed.
fn not_formed(
    name: &NodeName,
    node: Option<&NodeView>,
    member_id: u64,
    meant: &Meant,
    now: Timestamp,
) -> Option<Wait> {
    let wait = |code: Code, what: String, unblocks: &str| {
        Some(Wait::new(code, Some(name), now, (what, unblocks)))
    };
    if let Some(wait) = node.and_then(|node| not_heard(node, DENIED_FORMING, now)) {
        return Some(wait);
    }
    let Some(report) = node.and_then(|node| node.live_report(now)) else {
        let back = "put it back into the spec: coordctl apply FILE";
        return wait(code::SILENT, format!("{name} takes part and is not in the spec"), back);
    };
    let Some(etcd) = &report.etcd else { return Some(not_running(name, report, now)) };
    if !meant.is(etcd, member_id) {
        let what = format!("{name} runs with ids of another formation");
        let unblocks = "its data is not of this cluster; look at /var/lib/etcd there";
        return wait(code::OTHER_IDS, what, unblocks);
    }
    let mut listed: Vec<u64> = etcd.members.iter().map(|member| member.id).collect();
    listed.sort_unstable();
    if etcd.healthy && listed == meant.member_ids {
        return None;
    }
    let why = unhealthy_because(etcd);
    wait(code::NOT_HEALTHY, format!("{name}: etcd runs and is not healthy yet: {why}"), "")
}

fn not_running(name: &NodeName, report: &Report, now: Timestamp) -> Wait {
    let wait = |code, what: String| Wait::new(code, Some(name), now, (what, ""));
    match (report.problems.first(), report.service) {
        (Some(told), _) => Wait::told(name, told, now),
        (None, ServiceState::Started) => wait(
            code::NOT_HEALTHY,
            format!("{name}: etcd runs and is not healthy yet: it does not answer on loopback"),
        ),
        (None, _) => wait(code::NOT_STARTED, format!("{name} is starting etcd")),
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
mod tests;
