//! A cluster for tests: three nodes that have joined and put all their files in place.

use std::sync::Arc;

use pilaster_common::clock::Timestamp;
use pilaster_common::etcd_conf::{Processor, ServiceManager};
use pilaster_common::name::NodeId;
use pilaster_proto::facts::{Facts, InstalledEtcd};
use pilaster_proto::report::{Report, ServiceState};

use super::desired::node_state;
use super::view::{ClusterView, NodeView, Seen};
use crate::ca::sign::{Authority, PathLength, Root};
use crate::ca::vault::Roots;
use crate::store::records::{
    ClusterRecord, FormationRecord, IdentityRecord, IssuedIdentity, Phase, StateRecord,
};

pub(crate) const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
/// When all of them joined.
const JOINED: Timestamp = Timestamp::from_unix(1_799_900_000);
pub(crate) const TOKEN: &str = "c-00";
const SPEC: &str = "cluster: c\ndomain: a.b\nnetwork: 10.0.0.0/24\nmembers: [{name: m-1}, {name: m-2}, {name: m-3}]\n";

pub(crate) fn facts(version: &str) -> Facts {
    Facts {
        hostname: "m".into(),
        architecture: "aarch64".into(),
        etcd: Some(InstalledEtcd {
            version: version.parse().expect("known"),
            processor: Processor::Arm64,
        }),
        memory_bytes: 3792 << 20,
        template_versions: vec![1],
        service_manager: Some(ServiceManager::OpenRc),
        ..Facts::default()
    }
}

fn root() -> Root {
    let made = Authority::generate("ca", PathLength::Unbounded, NOW).expect("random bytes");
    made.to_root()
}

fn node(number: u8) -> NodeView {
    let address = [10, 0, 0, number].into();
    let id = NodeId {
        cluster: "c".parse().expect("good"),
        node: format!("m-{number}").parse().expect("good"),
    };
    let current = IssuedIdentity {
        key_hash: [number; 32],
        certificate: vec![],
        serial: vec![number],
        not_after: NOW,
    };
    let identity = IdentityRecord { current, pending: None, sequence: 1, address, joined: JOINED };
    let facts = Facts {
        addresses: vec![format!("10.0.0.{number}/24").parse().expect("good")],
        ..facts("3.5.16")
    };
    let report = Report {
        facts,
        epoch: 1,
        generation: 3,
        service: ServiceState::Stopped,
        ..Report::default()
    };
    let seen = Seen { report: Some((Arc::new(report), NOW)), connected: true, refusal: None };
    NodeView { id, identity: Some((identity, 1)), state: None, wishes: None, seen }
}

/// In this phase, with a record of what each was sent: generation 3, which is in place.
pub(crate) fn view(phase: Phase) -> ClusterView {
    let spec = crate::spec::parse(SPEC).expect("good");
    let record = ClusterRecord { spec, text: SPEC.into(), accepted: Default::default() };
    let formation = FormationRecord { token: TOKEN.into(), phase };
    let mut view = ClusterView {
        cluster: (record, 1),
        formation: (formation, 2),
        nodes: (1..=3).map(node).collect(),
        gone: vec![],
        roots: Roots { client: root(), peer: root() },
        endpoints: vec!["10.0.0.9:7443".parse().expect("good")],
        epoch: 1,
        waits: vec![],
    };
    let joined: Vec<_> = view.joined().map(|(name, address)| (name.clone(), address)).collect();
    let states: Vec<StateRecord> = view
        .nodes
        .iter()
        .map(|node| {
            let made = node_state(&view, &view.formation.0, node, &joined);
            let made = made.expect("etcd takes it").expect("it has etcd");
            StateRecord {
                generation: 3,
                joined: JOINED,
                digest: made.state.digest(),
                address: node.address().expect("joined"),
                configured: made.configured,
            }
        })
        .collect();
    for (node, state) in view.nodes.iter_mut().zip(states) {
        node.state = Some((state, 3));
    }
    view
}

/// Changes what a node has reported.
pub(crate) fn report(node: &mut NodeView, change: impl FnOnce(&mut Report)) {
    change(Arc::make_mut(&mut node.seen.report.as_mut().expect("reported").0));
}
