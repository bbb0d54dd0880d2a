//! What is shown, held against reviewed texts in `testdata/plan/`, a case each: from two specs to
//! the text and the JSON.

use std::collections::BTreeSet;

use pilaster_common::name::NodeName;

use super::*;
use crate::console::Exit;
use crate::ctl::commands::plan::exit;
use crate::ctl::text::testing::golden;
use crate::plan::changes::{NodeState, Planned, Refusal, SpecChange, spec_change};
use crate::plan::testing::facts;
use crate::plan::{Basis, etcd_conf};
use crate::spec::{self, ClusterSpec};
use crate::store::records::{Configured, FormationRecord, Phase};

const SPEC: &str = "cluster: x-k3s\ndomain: edge.huatai.me\nnetwork: 192.168.7.0/24\nmembers:\n- {name: m-1}\n- {name: m-2}\n- {name: m-3}\n";

fn parse(text: &str) -> ClusterSpec {
    spec::parse(text).expect(text)
}

fn node(number: u8) -> NodeName {
    format!("m-{number}").parse().expect("good")
}

fn formed() -> FormationRecord {
    let members = (1..=3).map(|number| (node(number), u64::from(number))).collect();
    FormationRecord { token: "x-k3s-00".into(), phase: Phase::Formed { cluster_id: 7, members } }
}

fn states(spec: &ClusterSpec, formation: &FormationRecord) -> Vec<NodeState> {
    let state = |number| {
        let (name, address) = (node(number), [192, 168, 7, 10 + number].into());
        let facts = facts("3.5.16");
        let basis = Basis::of(&facts).expect("has etcd");
        let configured = formation.phase.takes_part(&name).then(|| Configured {
            template_version: 1,
            memory_bytes: facts.memory_bytes,
            etcd: etcd_conf(spec, formation, &name, address, &basis),
        });
        NodeState { name, address, facts: Some(facts), configured }
    };
    (1..=3).map(state).collect()
}

struct Case {
    old: ClusterSpec,
    new: ClusterSpec,
    formation: FormationRecord,
    nodes: Vec<NodeState>,
}

impl Case {
    fn formed(new: &str) -> Self {
        let (old, formation) = (parse(SPEC), formed());
        let nodes = states(&old, &formation);
        Self { old, new: parse(new), formation, nodes }
    }

    fn gathering(new: &str) -> Self {
        let formation = FormationRecord { token: "x-k3s-00".into(), phase: Phase::Gathering };
        let nodes = states(&parse(SPEC), &formation);
        Self { formation, nodes, ..Self::formed(new) }
    }

    fn change(&self) -> SpecChange {
        let Self { old, new, formation, nodes } = self;
        spec_change(Planned { old: Some(old), new, formation, nodes })
    }

    fn plan(&self) -> Plan {
        Plan::new(&self.new.cluster, &self.change(), self.formation.phase.has_begun())
    }

    #[track_caller]
    fn golden(&self, name: &str, ends: Exit) {
        let plan = self.plan();
        assert_eq!(exit(&plan), ends, "{name}");
        golden(&format!("plan/{name}.txt"), &plan);
    }
}

#[test]
fn plans_read_as_reviewed() {
    Case::formed(SPEC).golden("nothing", Exit::Done);
    Case::formed(&format!("{SPEC}etcd: {{storage: ssd}}\n")).golden("ssd", Exit::Refused);
    Case::formed(&format!("{SPEC}extra_names: [lb.huatai.me]\n"))
        .golden("extra-names", Exit::NotHealthy);
    Case::formed(&SPEC.replace("7.0/24", "0.0/16")).golden("network", Exit::NotHealthy);
    Case::formed(&format!("{SPEC}names: dns\n")).golden("names-by-dns", Exit::NotHealthy);
    Case::formed(&format!("{SPEC}etcd: {{quota: 1GiB}}\n")).golden("quota", Exit::Refused);
    Case::formed(&format!("{SPEC}etcd: {{quota: 8GiB}}\n"))
        .golden("quota-too-large", Exit::Refused);
    Case::formed(&format!("{SPEC}- {{name: m-4}}\n")).golden("member-added", Exit::Refused);
    Case::formed(&SPEC.replace("- {name: m-3}\n", "")).golden("member-gone", Exit::Refused);
    Case::formed(&format!("{SPEC}etcd: {{max_txn_ops: 128}}\n"))
        .golden("what-held-already", Exit::NotHealthy);
    Case::formed(&format!("{SPEC}etcd: {{grpc_gateway: true, log_level: debug}}\n"))
        .golden("gateway-and-debug", Exit::Refused);
    Case::gathering(&format!("{SPEC}etcd: {{storage: ssd}}\n"))
        .golden("ssd-before-the-formation", Exit::NotHealthy);
    let mut silent = Case::formed(&format!("{SPEC}etcd: {{storage: ssd}}\n"));
    silent.nodes[1].facts = None;
    silent.golden("ssd-with-a-silent-node", Exit::Refused);
    silent.nodes[1].configured = None;
    silent.golden("ssd-with-an-unknown-node", Exit::Refused);
}

#[test]
fn a_new_cluster_is_a_change_and_no_refusal() {
    let (new, formation) = (parse(SPEC), Case::gathering(SPEC).formation);
    let change = spec_change(Planned { old: None, new: &new, formation: &formation, nodes: &[] });
    let plan = Plan::new(&new.cluster, &change, false);
    assert_eq!(
        (exit(&plan), plan.to_table().as_str()),
        (Exit::NotHealthy, "x-k3s is new, with 3 members\n")
    );
}

/// Settings, one of each kind, of which a few are drawn for each spec.
const SETTINGS: [&str; 12] = [
    "storage: ssd",
    "snapshot_count: 5000",
    "quota: 1GiB",
    "max_txn_ops: 128",
    "max_txn_ops: 256",
    "max_wals: 9",
    "grpc_gateway: true",
    "metrics: extensive",
    "log_level: warn",
    "compact_hash_check: false",
    "max_learners: 2",
    "memory_limit: 200MiB",
];

#[test]
fn promise_05_whatever_changes_a_restart_is_refused_and_all_else_is_not() {
    for (i, one) in SETTINGS.iter().enumerate() {
        for two in &SETTINGS[i..] {
            if one.split(':').next() == two.split(':').next() && one != two {
                continue;
            }
            let both: BTreeSet<_> = [*one, *two].into();
            let etcd = both.into_iter().collect::<Vec<_>>().join(", ");
            let change = Case::formed(&format!("{SPEC}etcd: {{{etcd}}}\n")).change();
            // 3.5.16 has no learners to bound, and 128 is its default
            let harmless = |s: &str| s == "max_txn_ops: 128" || s == "max_learners: 2";
            let restarts = !(harmless(one) && harmless(two));
            assert_eq!(change.restarting().count() > 0, restarts, "{etcd}");
            assert_eq!(!change.refused.is_empty(), restarts, "{etcd}: {:?}", change.refused);
        }
    }
}

#[test]
fn promise_10_what_etcd_reads_only_without_data_is_no_restart() {
    let change = Case::formed(&format!("{SPEC}- {{name: m-4}}\n")).change();
    assert_eq!(change.restarting().count(), 0);
    let keys: Vec<_> = change.nodes[0].changes.iter().map(|change| change.key).collect();
    assert_eq!(keys, ["initial-cluster"]);
    assert!(change.refused.iter().all(Refusal::needs_rollout));
}
