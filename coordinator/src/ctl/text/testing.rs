//! Views held against reviewed texts in `testdata`: the table, then the JSON.

use std::path::Path;
use std::time::Duration;

use pilaster_common::atomic_file::{self, Access};
use pilaster_common::clock::Timestamp;
use pilaster_common::error::{Told, code};
use pilaster_common::profile::Profile;
use pilaster_proto::etcd_state::EtcdState;
use pilaster_proto::report::{HeldCertificate, Report, ServedCertificate, ServiceState};

use crate::console::output::Show;
use crate::ctl::text::Hosts;
use crate::plan::pass;
use crate::plan::testing::{NOW, report, view};
use crate::plan::view::{ClusterView, Refusal};
use crate::show::{Certificates, Nodes, Rotation, Shown, Sight, Status};
use crate::store::records::{Phase, WishesRecord};

/// Holds a view against `testdata/{name}`.
#[track_caller]
pub(super) fn golden(name: &str, view: &impl Show) {
    let json = serde_json::to_string_pretty(view).expect("plain data");
    let text = format!("{}\n{json}\n", view.to_table());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let access = Access { mode: 0o644, ..crate::config::owner() };
        atomic_file::replace(&path, text.as_bytes(), access).expect("writes");
    }
    let reviewed = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, reviewed, "UPDATE_GOLDEN=1 cargo test rewrites it, then review the change");
}

const DAY: Duration = Duration::from_secs(86_400);
const LEADER: u64 = 0x7e8d_94ba_496c_072d;

fn held(profile: Profile, serial: u8, only_served: Option<u8>, days: u32) -> HeldCertificate {
    let not_after = NOW.plus(DAY * days);
    HeldCertificate {
        profile,
        serial: vec![serial; 16],
        not_before: NOW.minus(DAY),
        not_after,
        issuer_key_id: vec![0xa7; 20],
        names: vec![],
        addresses: vec![],
        served: only_served.map(|serial| ServedCertificate { serial: vec![serial; 16], not_after }),
    }
}

fn runs(report: &mut Report, member_id: u64) {
    report.service = ServiceState::Started;
    report.etcd = Some(EtcdState {
        healthy: true,
        member_id,
        leader_id: LEADER,
        version: "3.5.16".into(),
        db_size_bytes: 20_480,
        ..EtcdState::default()
    });
    report.certificates = vec![
        held(Profile::Server, 0x51, Some(0x51), 364),
        held(Profile::Peer, 0x52, Some(0x50), 20),
        held(Profile::Client, 0x53, None, 364),
    ];
}

/// A formed cluster: a leader; a follower whose agent says what stands in its way; and a node that
/// has been silent, with a name for a terminal.
fn formed() -> ClusterView {
    let mut view = view(Phase::Gathering);
    let members = view.nodes.iter().map(|node| (node.id.node.clone(), LEADER)).collect();
    view.formation.0.phase = Phase::Formed { cluster_id: 7, members };
    for (node, id) in view.nodes.iter_mut().zip([LEADER, 0xa01c_b653_43e6_4610, 3]) {
        let (identity, _) = node.identity.as_mut().expect("joined");
        identity.current.not_after = NOW.plus(DAY * 89);
        report(node, |report| runs(report, id));
    }
    report(&mut view.nodes[1], |report| {
        report.problems.push(Told {
            code: code::PORTS_TAKEN,
            what: "cannot start etcd".into(),
            cause: "port 2379 is taken\u{1b}[2J".into(),
            help: "see who has it".into(),
        });
    });
    let mut wishes = WishesRecord::default();
    wishes.replace.insert(Profile::Server, vec![0x40; 16]);
    wishes.replace.insert(Profile::Peer, vec![0x50; 16]);
    view.nodes[1].wishes = Some((wishes, 9));
    view.nodes[2].seen.connected = false;
    view.nodes[2].seen.report.as_mut().expect("reported").1 = NOW.minus(Duration::from_secs(194));
    view
}

/// A cluster that gathers: a node has not joined, another was refused.
fn gathering() -> ClusterView {
    let mut view = view(Phase::Gathering);
    for node in &mut view.nodes[1..] {
        (node.identity, node.state, node.seen) = Default::default();
    }
    view.nodes[2].seen.refusal = Some(Refusal { why: "it has no address".into(), eth0: vec![] });
    view
}

fn show<V: Shown>(view: &ClusterView, now: Timestamp) -> V {
    V::of(&Sight { view, pass: &pass(view, NOW), trouble: None, now })
}

#[test]
fn every_view_reads_as_reviewed() {
    let formed = formed();
    golden("show/status-formed.txt", &show::<Status>(&formed, NOW));
    golden("show/certificates.txt", &show::<Certificates>(&formed, NOW));
    golden("show/nodes.txt", &show::<Nodes>(&formed, NOW));
    let mut access: crate::show::Access = show(&formed, NOW);
    access.client_ca = "PEM\n".into(); // made anew in each run
    golden("show/access.txt", &Hosts(access));
    let later = NOW.plus(Duration::from_secs(61));
    golden("show/status-gathering.txt", &show::<Status>(&gathering(), later));
    golden("show/nodes-gathering.txt", &show::<Nodes>(&gathering(), NOW));
}

#[test]
fn a_rotation_is_finished_when_each_new_certificate_is_in_use() {
    let mut view = formed();
    let rotation: Rotation = show(&view, NOW);
    let replaced: Vec<_> = rotation.rotating.iter().map(|r| (r.profile, r.replaced)).collect();
    assert_eq!(replaced, [(Profile::Server, true), (Profile::Peer, false)]);
    assert!(!rotation.finished);
    let serve = |view: &mut ClusterView, serial, service| {
        report(&mut view.nodes[1], |report| {
            report.service = service;
            report.etcd = None; // it does not answer just now
            report.certificates[1] = held(Profile::Peer, 0x52, serial, 364);
        });
        show::<Rotation>(view, NOW).finished
    };
    assert!(serve(&mut view, Some(0x52), ServiceState::Started));
    assert!(!serve(&mut view, Some(0x50), ServiceState::Started));
    assert!(!serve(&mut view, None, ServiceState::Started));
    assert!(serve(&mut view, None, ServiceState::Stopped));
}
