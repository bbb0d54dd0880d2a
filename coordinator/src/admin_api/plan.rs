//! A planned change as a message.

use pilaster_common::etcd_conf::{self, Class, Effect};
use pilaster_common::name::ClusterName;
use pilaster_proto::admin::v1 as pb;

use super::unified::unified_diff;
use crate::plan::spec_change::{NodeChange, Refusal, SpecChange, TextChange, Unknown};
use crate::spec::Difference;

/// What a spec changes, as a message.
pub(crate) fn to_wire(cluster: &ClusterName, change: &SpecChange, formed: bool) -> pb::PlanReply {
    let SpecChange { is_new, keys, nodes, refused, warnings } = change;
    pb::PlanReply {
        cluster: cluster.to_string(),
        is_new: *is_new,
        formed,
        keys: keys.iter().map(key).collect(),
        nodes: nodes.iter().map(node).collect(),
        refused: refused.iter().map(ToString::to_string).collect(),
        needs_rollout: refused.iter().any(Refusal::needs_rollout),
        warnings: warnings.clone(),
    }
}

fn key(difference: &Difference) -> pb::ChangedKey {
    let Difference { key, from, to } = difference.clone();
    pb::ChangedKey { key, from, to }
}

fn node(change: &NodeChange) -> pb::PlannedNode {
    let NodeChange { name, restarts, unknown, changes, files } = change;
    pb::PlannedNode {
        name: name.to_string(),
        restarts: *restarts,
        known: match unknown {
            None => pb::Known::All,
            Some(Unknown::NotJoined) => pb::Known::NotJoined,
            Some(Unknown::NotReported) => pb::Known::NotReported,
        }
        .into(),
        settings: changes.iter().map(setting).collect(),
        texts: files.iter().map(text).collect(),
    }
}

fn setting(change: &etcd_conf::Change) -> pb::ChangedSetting {
    let etcd_conf::Change { key, from, to, unit: _, effect, class } = change;
    let (class, until) = match class {
        Class::Revertible => (pb::Class::Revertible, ""),
        Class::RevertibleUntil(step) => (pb::Class::RevertibleUntil, *step),
        Class::ForwardOnly => (pb::Class::ForwardOnly, ""),
    };
    pb::ChangedSetting {
        key: (*key).into(),
        from: from.clone(),
        to: to.clone(),
        effect: match effect {
            Effect::Restart => pb::Effect::Restart,
            Effect::OnlyWithoutData => pb::Effect::OnlyWithoutData,
            Effect::Nothing => pb::Effect::Nothing,
        }
        .into(),
        class: class.into(),
        until: until.into(),
    }
}

fn text(change: &TextChange) -> pb::ChangedText {
    let TextChange { path, is_certificate, before, after } = change;
    let diff = unified_diff(before, after);
    pb::ChangedText { path: path.clone(), is_certificate: *is_certificate, diff }
}
