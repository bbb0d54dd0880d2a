//! What a spec would change.

use pilaster_common::etcd_conf::{self, Class, Effect};
use pilaster_common::name::{ClusterName, NodeName};
use serde::{Deserialize, Serialize};
use similar::TextDiff;

use super::api_version;
use crate::plan::changes::{NodeChange, Refusal, SpecChange, TextChange, Unknown};
use crate::spec::Difference;

/// Lines around a change that are shown.
const CONTEXT: usize = 3;

/// What a spec would change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// `pilaster/v1`.
    pub api_version: String,
    /// Its name.
    pub cluster: ClusterName,
    /// In a word.
    pub outcome: Outcome,
    /// The cluster is not known yet.
    pub is_new: bool,
    /// Its members were told to start.
    pub formed: bool,
    /// Keys of the spec that differ; empty where nothing is said.
    pub spec: Vec<KeyShown>,
    /// Members whose etcd would have to start again.
    pub restarts: Vec<NodeName>,
    /// Every node of either spec.
    pub nodes: Vec<PlannedNode>,
    /// Why `apply` would refuse it, a line each.
    pub refused: Vec<String>,
    /// Whether one of these is what a rollout would do.
    pub needs_rollout: bool,
    /// What a person may not expect, a line each.
    pub warnings: Vec<String>,
}

/// What a plan comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Outcome {
    None,
    Changes,
    Refused,
}

/// A key of the spec.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyShown {
    pub key: String,
    pub from: String,
    pub to: String,
}

/// What would change of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlannedNode {
    /// Its name.
    pub name: NodeName,
    /// Its etcd would have to start again.
    pub restarts: bool,
    /// How much is known of its files.
    pub known: Known,
    /// Settings of its etcd.
    pub settings: Vec<SettingShown>,
    /// Its files, and what its certificates say.
    pub files: Vec<FileShown>,
}

/// How much is known of a node's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Known {
    /// All.
    All,
    /// It has no identity, so no files either.
    NotJoined,
    /// It has not told what it is since the coordinator started.
    NotReported,
}

/// A setting of etcd that differs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SettingShown {
    /// etcd's key.
    pub key: String,
    /// `None`: left out.
    pub from: Option<String>,
    /// `None`: left out.
    pub to: Option<String>,
    /// `restart`, `only-without-data` or `nothing`.
    pub effect: String,
    /// `revertible`, `revertible-until` or `forward-only`.
    pub class: String,
    /// Of `revertible-until`: until this has happened.
    pub until: Option<String>,
}

/// A file, or what a certificate says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileShown {
    /// On the node.
    pub path: String,
    /// It is renewed while etcd runs.
    pub is_certificate: bool,
    /// Hunks, as `diff -u` has them.
    pub diff: String,
}

impl Plan {
    /// From what was planned.
    pub fn new(cluster: &ClusterName, change: &SpecChange, formed: bool) -> Self {
        let SpecChange { is_new, keys, nodes, refused, warnings } = change;
        let key = |Difference { key, from, to }| KeyShown { key, from, to };
        Self {
            api_version: api_version(),
            cluster: cluster.clone(),
            outcome: match (refused.is_empty(), change.is_empty()) {
                (false, _) => Outcome::Refused,
                (true, false) => Outcome::Changes,
                (true, true) => Outcome::None,
            },
            is_new: *is_new,
            formed,
            spec: keys.iter().cloned().map(key).collect(),
            restarts: change.restarting().cloned().collect(),
            nodes: nodes.iter().map(PlannedNode::new).collect(),
            refused: refused.iter().map(ToString::to_string).collect(),
            needs_rollout: refused.iter().any(Refusal::needs_rollout),
            warnings: warnings.clone(),
        }
    }
}

impl PlannedNode {
    fn new(change: &NodeChange) -> Self {
        let NodeChange { name, restarts, unknown, changes, files } = change;
        Self {
            name: name.clone(),
            restarts: *restarts,
            known: match unknown {
                None => Known::All,
                Some(Unknown::NotJoined) => Known::NotJoined,
                Some(Unknown::NotReported) => Known::NotReported,
            },
            settings: changes.iter().map(SettingShown::new).collect(),
            files: files.iter().map(FileShown::new).collect(),
        }
    }
}

impl SettingShown {
    fn new(change: &etcd_conf::Change) -> Self {
        let etcd_conf::Change { key, from, to, unit: _, effect, class } = change;
        let (class, until) = match class {
            Class::Revertible => ("revertible", None),
            Class::RevertibleUntil(step) => ("revertible-until", Some((*step).to_owned())),
            Class::ForwardOnly => ("forward-only", None),
        };
        let effect = match effect {
            Effect::Restart => "restart",
            Effect::OnlyWithoutData => "only-without-data",
            Effect::Nothing => "nothing",
        };
        Self {
            key: (*key).into(),
            from: from.clone(),
            to: to.clone(),
            effect: effect.into(),
            class: class.into(),
            until,
        }
    }
}

impl FileShown {
    fn new(change: &TextChange) -> Self {
        let TextChange { path, is_certificate, before, after } = change;
        let diff = TextDiff::from_lines(before.as_str(), after.as_str());
        let diff = diff.unified_diff().context_radius(CONTEXT).to_string();
        Self { path: path.clone(), is_certificate: *is_certificate, diff }
    }
}
