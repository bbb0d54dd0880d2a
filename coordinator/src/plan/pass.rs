//! One pass over a cluster: everything that follows from what is recorded and seen, decided at
//! once.
//!
//! Pure: a view and a time in; what is to be recorded, sent and shown out, and when to look again.
//! The driver (`rollout::driver`) makes the view, commits all or nothing, and publishes. Keeps
//! promise 13 in part: generations only rise. A rollout will be one more thing that a pass returns.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use pilaster_common::clock::Timestamp;
use pilaster_common::etcd_conf::BadValue;
use pilaster_common::name::NodeName;
use pilaster_proto::desired::Desired;

use super::addresses::{self, NoAddress};
use super::desired::{Made, node_state};
use super::formation::{Step, next_step, versions};
use super::hold::Notice;
use super::standing;
use super::view::{ClusterView, NodeView};
use super::wait::{Wait, keep_since};
use crate::spec;
use crate::store::records::{FormationRecord, Phase, StateRecord};

/// A report that is older counts as silence: three reports at one a minute (promise 12).
pub const REPORT_AGE_MAX: Duration = Duration::from_secs(180);

/// What a pass decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// The phase that the formation enters, where it enters one.
    pub formation: Option<Phase>,
    /// Records of what is sent, as far as they differ from those that there are.
    pub states: BTreeMap<NodeName, StateRecord>,
    /// What each node should be, of those of which it can be said.
    pub desired: BTreeMap<NodeName, Desired>,
    /// Why nothing more happens now.
    pub waits: Vec<Wait>,
    /// What a person may not expect of the cluster, a line each.
    pub warnings: Vec<String>,
    /// What is to be said of nodes' files.
    pub notices: BTreeMap<NodeName, Vec<Notice>>,
    /// When something may follow from the time alone.
    pub look_again: Option<Duration>,
}

/// What is decided of one member before the cluster's next step is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Planned {
    /// Of its desired state; 0 where none can be made yet.
    pub(super) generation: u64,
    pub(super) desired: Option<Desired>,
    /// Where it differs from the one that there is.
    pub(super) record: Option<StateRecord>,
    /// Why none of the addresses that it has now can be its own.
    pub(super) no_address: Option<NoAddress>,
    /// What its etcd would not start with: then nothing is sent.
    pub(super) bad_value: Option<BadValue>,
    pub(super) notices: Vec<Notice>,
}

/// Decides all that follows now.
pub fn pass(view: &ClusterView, now: Timestamp) -> Pass {
    let formation = &view.formation.0;
    let planned = plan_members(view, formation);
    let (formation, planned, waits) = match next_step(view, &planned, now) {
        Step::Wait(waits) => (None, planned, waits),
        // what the members should be in the new phase is recorded and sent together with it
        Step::Enter(phase) => {
            let entered = FormationRecord { phase: phase.clone(), ..formation.clone() };
            (Some(phase), plan_members(view, &entered), vec![])
        }
    };
    let mut pass = Pass {
        formation,
        states: BTreeMap::new(),
        desired: BTreeMap::new(),
        waits: keep_since(waits, &view.waits),
        warnings: warnings(view),
        notices: BTreeMap::new(),
        look_again: look_again(view, now),
    };
    for (node, Planned { desired, record, notices, .. }) in planned {
        pass.states.extend(record.map(|record| (node.clone(), record)));
        pass.desired.extend(desired.map(|desired| (node.clone(), desired)));
        pass.notices.insert(node, notices);
    }
    pass
}

fn plan_members(view: &ClusterView, formation: &FormationRecord) -> BTreeMap<NodeName, Planned> {
    let assigned = addresses::assign(view);
    let addresses: Vec<(NodeName, Ipv4Addr)> = view
        .nodes
        .iter()
        .filter_map(|node| Some((node.id.node.clone(), assigned.get(&node.id.node)?.0)))
        .collect();
    let plan = |node: &NodeView| {
        let made = node_state(view, formation, node, &addresses);
        let assigned = assigned.get(&node.id.node);
        let planned = plan_member(view.epoch, node, assigned.map(|(address, _)| *address), made);
        let no_address = assigned.and_then(|(_, no_address)| no_address.clone());
        (node.id.node.clone(), Planned { no_address, ..planned })
    };
    view.nodes.iter().map(plan).collect()
}

/// The recorded generation while the state is the same, else the next. A node that was denied is
/// sent nothing.
fn plan_member(
    epoch: u64,
    node: &NodeView,
    only_address: Option<Ipv4Addr>,
    made: Result<Option<Made>, BadValue>,
) -> Planned {
    let (Some(address), false) = (only_address, node.is_denied()) else {
        return Planned::default();
    };
    let Some((identity, _)) = &node.identity else { return Planned::default() };
    let joined = identity.joined;
    let before = node.state.as_ref().map(|(record, _)| record);
    let kept = || match before {
        // of another card: numbered on, and sent whatever it says
        Some(record) if record.joined != joined => {
            StateRecord { joined, digest: [0; 32], address, ..record.clone() }
        }
        Some(record) => StateRecord { address, ..record.clone() },
        None => StateRecord { generation: 0, joined, digest: [0; 32], address, configured: None },
    };
    let (record, desired, notices, bad_value) = match made {
        Ok(None) => (kept(), None, vec![], None),
        Err(error) => (kept(), None, vec![Notice::BadValue(error.clone())], Some(error)),
        Ok(Some(Made { state, configured, notices })) => {
            let (digest, kept) = (state.digest(), kept());
            let generation = kept.generation + u64::from(kept.digest != digest);
            let record = StateRecord { generation, joined, digest, address, configured };
            (record, Some(Desired { epoch, generation, state }), notices, None)
        }
    };
    let is_news = match before {
        Some(before) => record != *before,
        None => desired.is_some() || node.address() != Some(address),
    };
    Planned {
        generation: desired.as_ref().map_or(0, |desired| desired.generation),
        desired,
        record: is_news.then_some(record),
        no_address: None,
        bad_value,
        notices,
    }
}

/// What `status` says of all members together.
fn warnings(view: &ClusterView) -> Vec<String> {
    let of_spec = spec::warnings(&view.cluster.0.spec);
    of_spec.into_iter().chain(standing::warnings(versions(view))).collect()
}

/// When the first report that counts now will be too old to count.
fn look_again(view: &ClusterView, now: Timestamp) -> Option<Duration> {
    let connected = view.nodes.iter().filter(|node| node.seen.connected);
    let ages = connected.filter_map(|node| Some(now.since(node.reported()?)));
    let counting = ages.filter(|age| *age <= REPORT_AGE_MAX);
    counting.map(|age| REPORT_AGE_MAX - age + Duration::from_secs(1)).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::testing::{NOW, report, view};

    /// What a pass has decided, as it is recorded: the next view.
    fn recorded(mut view: ClusterView, pass: &Pass) -> ClusterView {
        for node in &mut view.nodes {
            if let Some(record) = pass.states.get(&node.id.node) {
                node.state = Some((record.clone(), 8));
            }
        }
        if let Some(phase) = &pass.formation {
            view.formation.0.phase = phase.clone();
        }
        view.waits.clone_from(&pass.waits);
        view
    }

    #[test]
    fn a_pass_over_what_it_has_recorded_decides_nothing_new() {
        let mut view = view(Phase::Gathering);
        view.nodes[1].state = None;
        let first = pass(&view, NOW);
        assert_eq!(first.states.len(), 1, "the node without a record gets one");
        assert_eq!(first.desired.len(), 3);
        let view = recorded(view, &first);
        let second = pass(&view, NOW);
        assert_eq!((second.states.len(), second.formation), (0, None));
        assert_eq!(second.desired, first.desired, "sent again to who asks again");
        assert_eq!(second.waits, first.waits);
    }

    #[test]
    fn promise_13_generations_only_rise_and_rise_when_something_differs() {
        let mut view = view(Phase::Gathering);
        let node = view.nodes[0].id.node.clone();
        let mut last = 0;
        for extra in ["lb.a.c", "lb.a.c", "x.a.c", "lb.a.c"] {
            view.cluster.0.spec.extra_names = vec![extra.parse().expect("good")];
            let pass = pass(&view, NOW);
            let generation = pass.desired[&node].generation;
            assert_eq!(generation > last, pass.states.contains_key(&node), "{extra}");
            assert!(generation >= last);
            last = generation;
            view = recorded(view, &pass);
            view.formation.0.phase = Phase::Gathering;
        }
        assert_eq!(last, 6, "3 before, and one for each change");
    }

    #[test]
    fn the_new_phase_is_sent_together_with_its_record() {
        let pass = pass(&view(Phase::Gathering), NOW);
        assert!(matches!(pass.formation, Some(Phase::Forming { .. })));
        for desired in pass.desired.values() {
            assert_eq!(desired.state.service, pilaster_proto::desired::WantedService::Run);
        }
        assert!(pass.states.values().all(|state| state.configured.is_some()));
        assert_eq!(pass.states.len(), 3);
    }

    #[test]
    fn a_denied_node_is_sent_nothing() {
        let mut view = view(Phase::Gathering);
        let denied =
            crate::store::records::WishesRecord { denied: Some(NOW), ..Default::default() };
        view.nodes[1].wishes = Some((denied, 1));
        let pass = pass(&view, NOW);
        assert!(!pass.desired.contains_key(&view.nodes[1].id.node));
        assert_eq!((pass.desired.len(), pass.formation), (2, None));
    }

    #[test]
    fn promise_02_an_address_follows_its_interface_only_until_the_formation() {
        let moved = |phase| {
            let mut view = view(phase);
            report(&mut view.nodes[0], |report| {
                report.facts.addresses = vec!["10.0.0.77/24".parse().expect("good")];
            });
            pass(&view, NOW).desired[&view.nodes[0].id.node].state.etcd.address
        };
        assert_eq!(moved(Phase::Gathering), Ipv4Addr::new(10, 0, 0, 77));
        let names: Vec<NodeName> =
            ["m-1", "m-2", "m-3"].map(|name| name.parse().expect("good")).to_vec();
        let formed = Phase::Formed {
            cluster_id: 1,
            members: names.into_iter().map(|name| (name, 1)).collect(),
        };
        assert_eq!(moved(formed), Ipv4Addr::new(10, 0, 0, 1), "etcd knows it by its address");
    }

    #[test]
    fn the_next_look_is_when_the_first_report_grows_too_old() {
        let mut view = view(Phase::Gathering);
        let aged = |view: &mut ClusterView, node: usize, seconds| {
            view.nodes[node].seen.report.as_mut().expect("reported").1 =
                NOW.minus(Duration::from_secs(seconds));
        };
        aged(&mut view, 0, 170);
        aged(&mut view, 1, 500);
        assert_eq!(pass(&view, NOW).look_again, Some(Duration::from_secs(11)));
    }
}
