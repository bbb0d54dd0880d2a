//! How far the certificates are that a person wants replaced.

use pilaster_common::error::Told;
use pilaster_common::name::{ClusterName, NodeName};
use pilaster_common::profile::Profile;
use serde::{Deserialize, Serialize};

use super::{Certificates, Shown, Sight, api_version, hex};
use crate::plan::view::NodeView;

/// The certificates that a person has asked to be replaced last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rotation {
    /// `pilaster/v1`.
    pub api_version: String,
    /// Its name.
    pub cluster: ClusterName,
    /// Whether each of them was replaced.
    pub finished: bool,
    /// A node and a kind each.
    pub rotating: Vec<Rotating>,
}

/// A certificate that goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rotating {
    /// Whose it is.
    pub node: NodeName,
    /// Its kind.
    pub profile: Profile,
    /// Hex.
    pub serial: String,
    /// Whether the node uses another one: holds it and, where etcd runs, was seen to serve it.
    pub replaced: bool,
    /// What the node says stands in its way.
    pub problems: Vec<Told>,
}

impl Shown for Rotation {
    const NAME: &'static str = "rotation";

    fn of(sight: &Sight<'_>) -> Self {
        let certificates = Certificates::of(sight);
        let of_node = |node: &NodeView| {
            let problems = node.report().map(|report| report.problems.clone()).unwrap_or_default();
            let name = node.id.node.clone();
            let rotating = |(profile, serial): (&Profile, &Vec<u8>)| {
                let serial = hex(serial);
                let present = certificates.find(&name, *profile);
                let replaced = present.is_some_and(|c| c.in_use && c.serial != serial);
                let (node, problems) = (name.clone(), problems.clone());
                Rotating { node, profile: *profile, serial, replaced, problems }
            };
            node.wishes().replace.iter().map(rotating).collect::<Vec<_>>()
        };
        let rotating: Vec<Rotating> = sight.view.nodes.iter().flat_map(of_node).collect();
        Self {
            api_version: api_version(),
            cluster: sight.view.cluster.0.spec.cluster.clone(),
            finished: rotating.iter().all(|rotating| rotating.replaced),
            rotating,
        }
    }
}
