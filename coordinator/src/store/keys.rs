//! Every key in the store. A later layout gets new prefixes beside these.

use pilaster_common::name::{ClusterName, NodeName};

/// The installation.
pub(super) const INSTALLATION: &str = "v1/installation";
/// Prefix of all clusters.
pub(super) const CLUSTERS: &str = "v1/cluster/";

/// A cluster's spec.
pub(super) fn cluster(cluster: &ClusterName) -> String {
    format!("{CLUSTERS}{cluster}")
}

/// How far a cluster's formation is.
pub(super) fn formation(cluster: &ClusterName) -> String {
    format!("v1/formation/{cluster}")
}

/// A node.
pub(super) fn node(cluster: &ClusterName, node: &NodeName) -> String {
    format!("{}{node}", nodes(cluster))
}

/// Prefix of a cluster's nodes.
pub(super) fn nodes(cluster: &ClusterName) -> String {
    format!("v1/node/{cluster}/")
}

/// What a member was configured with last.
pub(super) fn configured(cluster: &ClusterName, node: &NodeName) -> String {
    format!("{}{node}", all_configured(cluster))
}

/// Prefix of what a cluster's members were configured with last.
pub(super) fn all_configured(cluster: &ClusterName) -> String {
    format!("v1/configured/{cluster}/")
}

/// The address that a person approved for a node.
pub(super) fn approval(cluster: &ClusterName, node: &NodeName) -> String {
    format!("v1/approval/{cluster}/{node}")
}

/// A token, by its public id.
pub(super) fn token(id: &[u8]) -> String {
    format!("v1/token/{}", data_encoding::HEXLOWER.encode(id))
}

/// Which node has a public key, by its hash: a key belongs to one node.
pub(super) fn public_key(hash: &[u8]) -> String {
    format!("v1/key/{}", data_encoding::HEXLOWER.encode(hash))
}
