//! Who an identity belongs to: the URI in its certificate, made and read here alone.

use std::fmt;
use std::str::FromStr;

use pilaster_common::name::NodeId;

/// `spiffe://<installation>/cluster/<cluster>/node/<node>` (SPIFFE-ID, 2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeUri {
    /// The installation, 16 hex digits where we have made it.
    pub installation: String,
    /// The node.
    pub node: NodeId,
}

/// What is no identity of a node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no identity of a node")]
pub struct BadNodeUri(String);

impl fmt::Display for NodeUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { installation, node: NodeId { cluster, node } } = self;
        write!(f, "spiffe://{installation}/cluster/{cluster}/node/{node}")
    }
}

impl FromStr for NodeUri {
    type Err = BadNodeUri;

    fn from_str(uri: &str) -> Result<Self, BadNodeUri> {
        parse(uri).ok_or_else(|| BadNodeUri(uri.into()))
    }
}

fn parse(uri: &str) -> Option<NodeUri> {
    let parts: Vec<&str> = uri.strip_prefix("spiffe://")?.split('/').collect();
    let [installation, "cluster", cluster, "node", node] = parts[..] else { return None };
    if installation.is_empty() {
        return None;
    }
    let node = NodeId { cluster: cluster.parse().ok()?, node: node.parse().ok()? };
    Some(NodeUri { installation: installation.into(), node })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_reads_back_and_nothing_else_is_one() {
        let good = "spiffe://i1/cluster/c/node/m-1";
        let uri: NodeUri = good.parse().expect("good");
        assert_eq!((uri.to_string().as_str(), uri.installation.as_str()), (good, "i1"));
        for other in [
            "spiffe://i1/cluster/c/node/m-1/x",
            "spiffe://i1/cluster/c",
            "spiffe:///cluster/c/node/m-1",
            "https://i1/cluster/c/node/m-1",
            "spiffe://i1/cluster/X/node/m-1",
            "spiffe://i1/cluster/c/node/etcd",
            "spiffe://i1/cluster/c/node/",
        ] {
            assert!(other.parse::<NodeUri>().is_err(), "{other}");
        }
    }
}
