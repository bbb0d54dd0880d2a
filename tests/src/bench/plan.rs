//! `lab bench plan`: what it costs to plan a changed spec, beside rendering the same texts and
//! nothing else.

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use pilaster_common::etcd_conf::{EtcdConf, Processor, ServiceManager};
use pilaster_common::name::NodeName;
use pilaster_common::templates::TEMPLATES;
use pilaster_coordinator::plan::changes::{NodeState, Planned, spec_change};
use pilaster_coordinator::plan::{Basis, etcd_conf};
use pilaster_coordinator::spec::{self, ClusterSpec};
use pilaster_coordinator::store::records::{Configured, FormationRecord, Phase};
use pilaster_proto::facts::{Facts, InstalledEtcd};

use crate::error::LabError;
use crate::report;

/// Members of a cluster.
const MEMBERS: u8 = 5;
/// Clusters of which the goal speaks.
const CLUSTERS: usize = 1000;
/// Clusters between which growth is measured.
const GROWTH: (usize, usize) = (100, 10_000);
/// Rounds of each figure; the median is quoted.
const ROUNDS: usize = 5;
/// The templates that are rendered.
const TEMPLATE: u32 = 1;

/// A formed cluster, and the spec that it is to have.
struct Case {
    old: ClusterSpec,
    new: ClusterSpec,
    formation: FormationRecord,
    nodes: Vec<NodeState>,
    /// The values of each member, before and after.
    confs: Vec<(EtcdConf, EtcdConf)>,
}

/// Measures and prints.
///
/// # Errors
/// Not a release build.
pub fn plan() -> Result<(), LabError> {
    if cfg!(debug_assertions) {
        return Err(LabError::NotRelease { line: "cargo bench-lab plan" });
    }
    let cases: Vec<Case> = (0..GROWTH.1).map(case).collect();
    let (ours, bare) = (median(&cases[..CLUSTERS], planned), median(&cases[..CLUSTERS], rendered));
    report::line(format_args!(
        "planning a changed storage of {CLUSTERS} clusters of {MEMBERS} members: {:.0} ms (goal: at most 200 ms), {:.0} µs a cluster; \
         bare, rendering the same texts: {:.0} ms; ratio {:.2}×",
        milliseconds(ours),
        milliseconds(ours) * 1000.0 / CLUSTERS as f64,
        milliseconds(bare),
        ours.as_secs_f64() / bare.as_secs_f64()
    ));
    let each = |count: usize| median(&cases[..count], planned).as_secs_f64() / count as f64;
    let (few, many) = (each(GROWTH.0), each(GROWTH.1));
    report::line(format_args!(
        "cost of a cluster, {} clusters to {}: {:.2}× (1.0 is linear)",
        GROWTH.0,
        GROWTH.1,
        many / few
    ));
    Ok(())
}

fn case(number: usize) -> Case {
    let name = |member: u8| format!("c-{number}-m-{member}");
    let members: String =
        (1..=MEMBERS).map(|member| format!("- {{name: {}}}\n", name(member))).collect();
    let text = |storage: &str| {
        format!(
            "cluster: c-{number}\ndomain: c-{number}.example\nnetwork: 10.0.0.0/8\nmembers:\n{members}etcd: {{storage: {storage}}}\n"
        )
    };
    let parse = |storage| spec::parse(&text(storage)).expect("a good spec");
    let (old, new) = (parse("sdcard"), parse("ssd"));
    let node = |member: u8| name(member).parse::<NodeName>().expect("a good name");
    let formation = FormationRecord {
        token: format!("c-{number}-00"),
        phase: Phase::Formed {
            cluster_id: 1,
            members: (1..=MEMBERS).map(|member| (node(member), u64::from(member))).collect(),
        },
    };
    let facts = Facts {
        architecture: "aarch64".into(),
        etcd: Some(InstalledEtcd {
            version: "3.5.33".parse().expect("known"),
            processor: Processor::Arm64,
        }),
        service_manager: Some(ServiceManager::OpenRc),
        memory_bytes: 4 << 30,
        template_versions: vec![TEMPLATE],
        ..Facts::default()
    };
    let basis = Basis::of(&facts).expect("it has etcd");
    let address = |member: u8| {
        let [.., high, low] = number.to_be_bytes();
        Ipv4Addr::new(10, high, low, member)
    };
    let conf = |spec: &ClusterSpec, member| {
        etcd_conf(spec, &formation, &node(member), address(member), &basis)
    };
    let nodes = (1..=MEMBERS).map(|member| NodeState {
        name: node(member),
        address: address(member),
        facts: Some(facts.clone()),
        configured: Some(Configured {
            template_version: TEMPLATE,
            memory_bytes: facts.memory_bytes,
            etcd: conf(&old, member),
        }),
    });
    let nodes = nodes.collect();
    let confs = (1..=MEMBERS).map(|member| (conf(&old, member), conf(&new, member))).collect();
    Case { nodes, confs, old, new, formation }
}

fn planned(case: &Case) {
    let Case { old, new, formation, nodes, .. } = case;
    let change = spec_change(Planned { old: Some(old), new, formation, nodes });
    assert_eq!(change.restarting().count(), usize::from(MEMBERS));
    black_box(change);
}

fn rendered(case: &Case) {
    for (before, after) in &case.confs {
        black_box(TEMPLATES.render(TEMPLATE, before));
        black_box(TEMPLATES.render(TEMPLATE, after));
    }
}

fn median(cases: &[Case], work: fn(&Case)) -> Duration {
    let mut rounds: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            cases.iter().for_each(work);
            start.elapsed()
        })
        .collect();
    rounds.sort();
    rounds[ROUNDS / 2]
}

fn milliseconds(span: Duration) -> f64 {
    span.as_secs_f64() * 1000.0
}
