//! When a formation begins and when it has formed, a line a case.

use pilaster_common::etcd_conf::EtcdVersion;
use pilaster_proto::etcd_state::EtcdMember;

use super::*;
use crate::plan::pass;
use crate::plan::testing::{NOW, TOKEN, report, view};

const NAMES: [&str; 3] = ["m-1", "m-2", "m-3"];

fn names() -> Vec<NodeName> {
    NAMES.map(|name| name.parse().expect("good")).to_vec()
}

/// m-2 is changed; the others are ready, or healthy.
fn with(mut view: ClusterView, change: impl FnOnce(&mut NodeView)) -> ClusterView {
    change(&mut view.nodes[1]);
    view
}

/// Nodes on which all files are in place, and etcd is not to run yet.
fn ready() -> ClusterView {
    view(Phase::Gathering)
}

/// Members that run, each healthy.
fn healthy(phase: Phase) -> ClusterView {
    let mut view = view(phase);
    let ids: Vec<u64> =
        NAMES.map(|name| ids::member_id(&format!("https://{name}.a.b:2380"), TOKEN)).to_vec();
    for (node, id) in view.nodes.iter_mut().zip(&ids) {
        report(node, |report| {
            report.service = ServiceState::Started;
            report.etcd = Some(EtcdState {
                healthy: true,
                member_id: *id,
                cluster_id: ids::cluster_id(&ids),
                leader_id: ids[0],
                members: ids
                    .iter()
                    .map(|id| EtcdMember { id: *id, ..Default::default() })
                    .collect(),
                ..EtcdState::default()
            });
        });
    }
    view
}

fn forming(started: &[NodeName]) -> Phase {
    Phase::Forming { members: names(), started: started.iter().cloned().collect() }
}

#[track_caller]
fn check(view: &ClusterView, outcome: &str) {
    let pass = pass(view, NOW);
    let text = match &pass.formation {
        Some(Phase::Forming { started, .. }) if !started.is_empty() => {
            format!("started {}", started.len())
        }
        Some(Phase::Forming { members, .. }) => format!("form {}", members.len()),
        Some(Phase::Formed { members, .. }) => format!("formed {}", members.len()),
        Some(Phase::Gathering) => "back".into(),
        None if pass.waits.is_empty() => "done".into(),
        None => pass.waits.iter().map(|wait| format!("{wait}\n")).collect(),
    };
    assert!(text.contains(outcome), "{text}");
}

fn etcd_is(node: &mut NodeView, version: Option<&str>) {
    let version: Option<EtcdVersion> = version.map(|text| text.parse().expect("known"));
    report(node, |report| match (version, &mut report.facts.etcd) {
        (Some(version), Some(etcd)) => etcd.version = version,
        (_, etcd) => *etcd = None,
    });
}

#[test]
fn promise_05_a_formation_begins_when_every_member_is_ready() {
    let gathering = |change: &dyn Fn(&mut NodeView), outcome: &str| {
        check(&with(ready(), change), outcome);
    };
    gathering(&|_| {}, "form 3");
    gathering(&|n| n.identity = None, "m-2 has not joined; coordctl enroll m-2");
    gathering(&|n| n.seen.connected = false, "m-2 is not connected");
    gathering(&|n| n.seen.report = None, "m-2 is not connected");
    gathering(&|n| report(n, |r| r.generation = 2), "m-2 is putting its certificates");
    gathering(&|n| etcd_is(n, None), "m-2 has no etcd");
    gathering(
        &|n| etcd_is(n, Some("3.6.15")),
        "m-1 has etcd 3.5.16 and m-2 has 3.6.15: a cluster forms with one minor version",
    );
    let told = Told {
        what: "cannot start".into(),
        cause: "port 2379 is taken".into(),
        help: "stop it".into(),
        ..Told::default()
    };
    gathering(&|n| report(n, |r| r.problems = vec![told.clone()]), "port 2379 is taken; stop it");
    gathering(
        &|n| {
            n.wishes = Some((
                crate::store::records::WishesRecord { denied: Some(NOW), ..Default::default() },
                1,
            ))
        },
        "m-2 was denied",
    );
}

#[test]
fn a_member_with_another_patch_is_rendered_for_and_the_formation_begins_once_that_is_in_place() {
    let patch = with(ready(), |n| etcd_is(n, Some("3.5.30")));
    check(&patch, "m-2 is putting its certificates");
    let planned = pass(&patch, NOW);
    let generation = planned.states[&patch.nodes[1].id.node].generation;
    let in_place = with(patch, |node| {
        node.state = Some((planned.states[&node.id.node].clone(), 9));
        report(node, |report| report.generation = generation);
    });
    check(&in_place, "form 3");
}

#[test]
fn a_node_that_cannot_have_what_the_spec_wants_is_named_and_nothing_forms() {
    let told = |view: &ClusterView| {
        let waits = pass(view, NOW).waits.into_iter();
        waits.map(|wait| format!("{wait}\n")).collect::<String>()
    };
    let mut bad = with(ready(), |n| etcd_is(n, Some("3.5.2")));
    let words = "m-2 has etcd 3.5.2, which is known to be bad: it damages its data when it is killed under load; install 3.5.33 or later, or take it all the same: coordctl apply --accept-risk=known-bad-etcd FILE\n";
    assert_eq!(told(&bad), words);
    bad.cluster.0.accepted.insert(Risk::KnownBadEtcd);
    assert!(!told(&bad).contains("known to be bad"), "a person has accepted it");
    let mut large = with(ready(), |n| report(n, |r| r.facts.memory_bytes = 906 << 20));
    large.cluster.0.spec.etcd.quota = Some(700 << 20);
    let words = told(&large);
    assert!(words.contains("m-2: quota 700MiB is more than three quarters"), "{words}");
    assert!(words.contains("679MiB or less"), "{words}");
    let mut refused = ready();
    refused.cluster.0.spec.etcd.max_txn_ops = Some(0);
    let words = told(&refused);
    assert!(words.starts_with("m-1: max-txn-ops is 0; etcd takes 1 to"), "{words}");
    assert!(pass(&refused, NOW).desired.is_empty(), "nothing is sent");
}

#[test]
fn promise_10_it_has_formed_when_each_is_healthy_with_the_ids_that_were_meant() {
    let formed = |change: &dyn Fn(&mut NodeView), outcome: &str| {
        check(&with(healthy(forming(&names())), change), outcome);
    };
    let etcd = |node: &mut NodeView, change: fn(&mut EtcdState)| {
        report(node, |report| change(report.etcd.as_mut().expect("runs")));
    };
    formed(&|_| {}, "formed 3");
    formed(&|n| n.seen.connected = false, "m-2 is not connected");
    formed(&|n| report(n, |r| r.etcd = None), "does not answer on loopback");
    formed(&|n| etcd(n, |e| e.healthy = false), "not answered a read");
    formed(&|n| etcd(n, |e| (e.healthy, e.leader_id) = (false, 0)), "no leader");
    formed(&|n| etcd(n, |e| e.cluster_id = 1), "ids of another formation");
    formed(&|n| etcd(n, |e| e.member_id = 1), "ids of another formation");
    formed(&|n| etcd(n, |e| drop(e.members.pop())), "not healthy");
}

#[test]
fn promise_10_a_member_with_data_is_configured_with_existing_whoever_else_is_missing() {
    check(&with(view(forming(&[])), |n| n.seen.report = None), "m-1 is starting etcd");
    let two = with(healthy(forming(&[])), |n| report(n, |r| r.etcd = None));
    check(&two, "started 2");
    let started: Vec<NodeName> = names().into_iter().filter(|n| n.as_ref() != "m-2").collect();
    check(&with(view(forming(&started)), |n| n.seen.connected = false), "m-2 is not connected");
}

#[test]
fn a_formed_cluster_is_left_alone() {
    let members = names().into_iter().map(|name| (name, 1)).collect();
    let formed = Phase::Formed { cluster_id: 1, members };
    check(&with(view(formed.clone()), |n| n.seen.connected = false), "done");
    let mut more = healthy(formed);
    let mut fourth = more.nodes[0].clone();
    fourth.id.node = "m-4".parse().expect("good");
    more.nodes.push(fourth);
    check(&more, "m-4 was added to the spec after the formation");
}
