//! The whole of a cluster's life in memory, in less than a second a test: the real agents and the
//! real coordinator, of which only the hosts, etcd, the network, the store and the time are not
//! real.

use std::sync::Arc;
use std::time::Duration;

use lab::world::{Disk, Node, World};
use pilaster_agent::File;
use pilaster_common::clock::Clock;
use pilaster_common::error::code;
use pilaster_common::profile::{LEAVES, Profile};
use pilaster_coordinator::admin_api::{Apply, Deny, Enroll, Rotate};
use pilaster_coordinator::show::{
    Certificates, Formation, NodePhase, NodeStanding, Nodes, Plan, Rotation, Status,
};
use pilaster_coordinator::store::Store;

const SPEC: &str = "cluster: c\ndomain: a.b\nnetwork: 192.168.7.0/24\nmembers: [{name: m-1}, {name: m-2}, {name: m-3}]\n";
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// The serials in the files of a node, by profile.
fn serials(node: &Node) -> Vec<Vec<u8>> {
    LEAVES.iter().map(|profile| node.host.leaf(*profile).expect("it has it").serial).collect()
}

fn starts(node: &Node) -> usize {
    node.host.take_deeds().iter().filter(|deed| *deed == "Start Etcd").count()
}

#[tokio::test(start_paused = true)]
async fn promise_05_nothing_starts_before_all_is_there_and_then_three_nodes_form() {
    let world = World::begin().await;
    world.apply(SPEC).await;
    let mut nodes: Vec<Node> = (1..=3).map(|number| world.node(number)).collect();
    for node in &mut nodes[..2] {
        node.join(&world).await;
        node.start();
    }
    let ready = |status: &Status| {
        status.nodes.iter().filter(|node| node.phase == NodePhase::Ready).count() == 2
    };
    let gathering: Status = world.until(MINUTE, ready).await;
    assert_eq!(gathering.formation, Formation::Gathering);
    let [wait] = &gathering.waits[..] else { panic!("{:?}", gathering.waits) };
    assert_eq!((wait.code, wait.node.as_ref().map(AsRef::as_ref)), (code::NOT_JOINED, Some("m-3")));
    let since = wait.since;
    world.clock.sleep(MINUTE).await;
    let later: Status = world.show().await;
    assert_eq!(later.waits[0].since, since, "it has been waited for all the time");
    assert!(nodes[..2].iter().all(|node| starts(node) == 0), "etcd was started");

    nodes[2].join(&world).await;
    nodes[2].start();
    let status = world.healthy().await;
    assert_eq!((&status.waits[..], status.healthy_members), (&[][..], 3));
    assert!(status.leader.is_some());
    for node in &nodes {
        assert_eq!(starts(node), 1, "{}", node.name);
        let hosts = node.host.file(File::Hosts).expect("it has names");
        assert!(hosts.contains("192.168.7.13\tm-3.a.b"), "{hosts}");
    }
}

#[tokio::test(start_paused = true)]
async fn promise_10_a_new_card_begins_anew_and_none_takes_the_place_of_a_formed_member() {
    let world = World::begin().await;
    world.apply(SPEC).await;
    let mut nodes: Vec<Node> = (1..=3).map(|number| world.node(number)).collect();
    nodes[0].join(&world).await;
    nodes[0].start();
    let phase = |status: &Status| status.nodes[0].phase;
    world.until(MINUTE, |status: &Status| phase(status) == NodePhase::Ready).await;
    let (token, late) =
        (world.token_for_new_card("m-1").await, world.token_for_new_card("m-1").await);
    nodes[0] = world.new_card(1);
    nodes[0].try_join(&token).await.expect("it is let in");
    let joined: Status = world.show().await;
    assert_eq!(phase(&joined), NodePhase::Joined, "what the old card said is forgotten");
    nodes[0].start();
    world.until(MINUTE, |status: &Status| phase(status) == NodePhase::Ready).await;
    for node in &mut nodes[1..] {
        node.join(&world).await;
        node.start();
    }
    world.healthy().await;
    let told = world.new_card(1).try_join(&late).await.expect_err("etcd knows the old card").told;
    let why = "the coordinator refuses: c has formed: a new card for m-1 is a new member of etcd";
    assert_eq!(told.cause, why, "a token from before the formation");
}

#[tokio::test(start_paused = true)]
async fn the_address_of_a_node_that_left_the_spec_is_free_again() {
    let world = World::begin().await;
    world.apply(SPEC).await;
    world.node(1).join(&world).await;
    world.apply(&SPEC.replace("{name: m-1}", "{name: m-9, address: 192.168.7.11}")).await;
}

#[tokio::test(start_paused = true)]
async fn promise_06_certificates_are_renewed_in_time_and_nothing_restarts() {
    let world = World::begin().await;
    let nodes = world.formed(SPEC).await;
    let (before, first): (Vec<_>, Certificates) =
        (nodes.iter().map(serials).collect(), world.show().await);
    nodes.iter().for_each(|node| drop(node.host.take_deeds()));
    // each key draws its own window of ± 10 %: now identities of 90 days are due, and leaves are
    // not
    world.clock.step(DAY * 64);
    let identity = |shown: &Certificates, node: &str| {
        let name = node.parse().expect("a name");
        shown.find(&name, Profile::Agent).expect("it has one").serial.clone()
    };
    let renewed = |shown: &Certificates| {
        nodes.iter().all(|node| identity(shown, &node.name) != identity(&first, &node.name))
    };
    world.until(MINUTE * 10, renewed).await;
    assert_eq!(nodes.iter().map(serials).collect::<Vec<_>>(), before);
    world.clock.step(DAY * 60); // leaves of 365 days, renewed when less than 270 is left
    let served = |shown: &Certificates| {
        let leaves = shown.certificates.iter().filter(|one| one.profile != Profile::Agent);
        leaves.clone().count() == 9
            && leaves.clone().all(|one| one.in_use && one.ends_in_days > 360)
    };
    world.until(MINUTE * 10, served).await;
    for (node, before) in nodes.iter().zip(before) {
        assert!(serials(node).iter().zip(&before).all(|(new, old)| new != old), "{}", node.name);
        assert_eq!(starts(node), 0, "{} was restarted", node.name);
    }
    assert!(world.healthy().await.goes_on_until.is_some());
}

#[tokio::test(start_paused = true)]
async fn promise_06_a_rotation_replaces_every_certificate_and_says_when_it_is_finished() {
    let world = World::begin().await;
    let nodes = world.formed(SPEC).await;
    nodes.iter().for_each(|node| drop(node.host.take_deeds()));
    let before: Vec<_> = nodes.iter().map(serials).collect();
    let all = Rotate { cluster: None, nodes: vec![], profiles: [].into() };
    let asked = world.admin().await.call(&all).await.expect("it is asked for");
    assert_eq!((asked.certificates.len(), asked.skipped.len()), (12, 0));
    let finished: Rotation = world.until(MINUTE, |shown: &Rotation| shown.finished).await;
    assert_eq!(finished.rotating.len(), 12);
    for (node, before) in nodes.iter().zip(before) {
        assert!(serials(node).iter().zip(&before).all(|(new, old)| new != old), "{}", node.name);
        assert_eq!(starts(node), 0, "{} was restarted", node.name);
    }
}

#[tokio::test(start_paused = true)]
async fn promise_03_a_denied_node_is_cut_off_and_its_key_and_its_name_stay_out() {
    let world = World::begin().await;
    let mut nodes = world.formed(SPEC).await;
    let deny = Deny { cluster: None, node: "m-3".into() };
    let denied = world.admin().await.call(&deny).await.expect("it is denied");
    assert!(denied.connected, "its stream was closed");
    world.clock.sleep(MINUTE).await;
    nodes[2].restart().await;
    world.clock.sleep(MINUTE).await;
    let shown: Nodes = world.show().await;
    let standing: Vec<_> = shown.nodes.iter().map(|node| node.state).collect();
    let connected = NodeStanding::Connected;
    assert_eq!(standing, [connected, connected, NodeStanding::Denied]);
    let status: Status = world.show().await;
    let of = |name: &str| status.nodes.iter().find(|node| node.name.as_ref() == name).expect(name);
    let age = |name: &str| of(name).report_age_seconds.expect("it had reported");
    assert!(age("m-1") <= 60, "the twin reports on: {} s", age("m-1"));
    assert!(age("m-3") >= 110, "nothing was heard since the denial: {} s", age("m-3"));
    let enroll = Enroll { cluster: None, node: "m-3".into(), valid_for: MINUTE, replace: false };
    let refused = world.admin().await.call(&enroll).await.expect_err("it is denied");
    assert_eq!(refused.message(), "m-3 was denied");

    let audit = world.audit();
    let of = |did: &str| -> Vec<&str> {
        let lines = audit.iter().filter(|line| line["did"] == did);
        lines.map(|line| line["result"].as_str().expect("text")).collect()
    };
    assert_eq!(of("deny"), ["asked for", "done"], "an act is written down before and after");
    assert_eq!(of("enroll")[6..], ["asked for", "m-3 was denied"]);
    assert_eq!(of("join").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn promise_09_a_node_that_reaches_nobody_goes_on_and_comes_back_by_itself() {
    let world = World::begin().await;
    let mut nodes = world.formed(SPEC).await;
    nodes[0].cable.pull();
    nodes[0].host.take_deeds();
    nodes[0].restart().await;
    let status = world.until(MINUTE * 5, |status: &Status| status.healthy_members == 2).await;
    assert_eq!(status.nodes[0].name.as_ref(), "m-1", "the worst first");
    world.clock.sleep(DAY / 24).await;
    assert_eq!(nodes[0].host.take_deeds(), [""; 0], "nothing was done to it meanwhile");
    assert!(world.etcd_is_healthy("m-1"));
    nodes[0].cable.plug_in();
    world.until(MINUTE * 10, Status::is_healthy).await;
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_whose_disk_is_full_says_so_and_goes_on_by_itself() {
    let world = World::begin().await;
    world.apply(SPEC).await;
    let mut nodes: Vec<Node> = (1..=3).map(|number| world.node(number)).collect();
    for node in &mut nodes {
        node.join(&world).await;
    }
    nodes[..2].iter_mut().for_each(Node::start);
    let ready = |status: &Status| status.nodes.iter().any(|node| node.phase == NodePhase::Ready);
    world.until(MINUTE, ready).await;
    world.disk.set_full(true);
    nodes[2].start();
    let troubled = |status: &Status| status.waits.iter().any(|wait| wait.code == code::STORE);
    let status = world.until(MINUTE, troubled).await;
    let wait = status.waits[0].to_string();
    assert!(wait.contains("no space left on device; look at the disk"), "{wait}");
    world.clock.sleep(MINUTE).await;
    world.disk.set_full(false);
    let status = world.until(MINUTE, Status::is_healthy).await;
    assert_eq!(status.waits, []);
}

#[tokio::test(start_paused = true)]
async fn what_a_spec_changes_is_planned_applied_and_sent() {
    let world = World::begin().await;
    let nodes = world.formed(SPEC).await;
    let names = format!("{SPEC}extra_names: [lb.a.b]\n");
    let plan = pilaster_coordinator::admin_api::PlanSpec { spec: names.clone() };
    let plan: Plan = world.admin().await.call(&plan).await.expect("it is planned");
    assert!(plan.restarts.is_empty() && plan.formed);
    let before = serials(&nodes[0]);
    world.apply(&names).await;
    let named = |node: &Node| {
        let leaf = node.host.leaf(Profile::Server).expect("it has one");
        leaf.names.iter().any(|name| name == "lb.a.b")
    };
    for _ in 0..60 {
        world.clock.sleep(Duration::from_secs(1)).await;
    }
    assert!(nodes.iter().all(named), "each server certificate has the new name");
    assert_eq!(serials(&nodes[0])[1..], before[1..], "the others stay");
    let ssd = Apply { spec: format!("{SPEC}etcd: {{storage: ssd}}\n"), accepted: [].into() };
    let refused = world.admin().await.call(&ssd).await.expect_err("it would restart members");
    assert_eq!(refused.code(), tonic::Code::FailedPrecondition);
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_whose_leadership_is_over_ends() {
    let mut world = World::begin().await;
    world.apply(SPEC).await;
    let mut node = world.node(1);
    node.join(&world).await;
    Store::begin(Arc::<Disk>::clone(&world.disk), || "i".into()).await.expect("takes over");
    node.start();
    let ended = tokio::time::timeout(MINUTE, world.tasks.join_next()).await.expect("it ends");
    let error = ended.expect("a task").expect("no panic").expect_err("it may not go on");
    assert!(error.to_string().contains("epoch 1 is over"), "{error}");
}
