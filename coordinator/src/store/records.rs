//! Every value in the store. Stored as JSON; unknown fields are kept out by the format number, not by these types.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use pilaster_common::clock::Timestamp;
use pilaster_common::etcd_conf::EtcdConf;
use pilaster_common::name::{ClusterName, NodeName};
use pilaster_common::profile::Profile;
use serde::{Deserialize, Serialize};

/// This installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installation {
    /// 16 hex digits, in every identity.
    pub id: String,
    /// Number of the leadership: rises with each start.
    pub epoch: u64,
}

/// A cluster's spec, as applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterRecord {
    /// The YAML.
    pub spec: String,
    /// What a person has accepted for this cluster.
    #[serde(default)]
    pub accepted: BTreeSet<Risk>,
}

/// What a person may accept by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Risk {
    /// A release of etcd that is known to be bad.
    KnownBadEtcd,
}

/// What a member that takes part in its cluster was configured with last: what its etcd reads at its next start, planned or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configured {
    /// Version of the templates of its files.
    pub template_version: u32,
    /// Bytes, as reported then.
    pub memory_bytes: u64,
    /// The values.
    pub etcd: EtcdConf,
}

/// How far the first formation is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormationRecord {
    /// `initial-cluster-token`, random.
    pub token: String,
    /// How far it is.
    pub phase: Phase,
}

/// Phases of the first formation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Waiting until every member is ready.
    Gathering,
    /// All members were told to start.
    Forming {
        /// Who takes part.
        members: Vec<NodeName>,
        /// Whose etcd has written the formation to its disk: it is configured with `existing` from then on.
        started: BTreeSet<NodeName>,
    },
    /// The cluster has formed; from here on the configuration says `existing`.
    Formed {
        /// etcd's id of the cluster.
        cluster_id: u64,
        /// Who took part, with etcd's ids.
        members: Vec<(NodeName, u64)>,
    },
}

impl Phase {
    /// Whether a node was told to start in it.
    pub fn takes_part(&self, node: &NodeName) -> bool {
        match self {
            Self::Gathering => false,
            Self::Forming { members, .. } => members.contains(node),
            Self::Formed { members, .. } => members.iter().any(|(name, _)| name == node),
        }
    }
}

/// A token that was handed out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// HKDF of the secret; never the secret.
    pub proof_key: [u8; 32],
    /// Good for this cluster.
    pub cluster: ClusterName,
    /// Good for this node.
    pub node: NodeName,
    /// What it is good for.
    pub purpose: Purpose,
    /// Good until then.
    pub expires: Timestamp,
    /// SHA-256 of the public key that used it.
    pub used_by: Option<[u8; 32]>,
}

/// What a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// A node that has no identity.
    New,
    /// A node whose identity was lost with its card: the new one takes its place.
    Replace,
}

/// A node with an identity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// The identity in use.
    pub current: IdentityRecord,
    /// One that was issued and not used yet: its first use makes it the current one.
    pub pending: Option<IdentityRecord>,
    /// Number of the current identity: rises with each that takes its place.
    pub sequence: u64,
    /// When a person denied it: it may not speak, nor come back with a key of these.
    pub denied: Option<Timestamp>,
    /// The address of eth0 that it is known by.
    pub address: Ipv4Addr,
    /// When it joined.
    pub joined: Timestamp,
    /// Serials that a person wants replaced; of no effect once the node holds others.
    pub replace: BTreeMap<Profile, Vec<u8>>,
    /// Generation of its desired state.
    pub generation: u64,
    /// SHA-256 of that desired state.
    pub desired_hash: Vec<u8>,
}

/// An identity that was handed out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityRecord {
    /// SHA-256 of its public key.
    pub key_hash: [u8; 32],
    /// The certificate, DER: the answer to the same request again.
    pub certificate: Vec<u8>,
    /// The certificate's serial.
    pub serial: Vec<u8>,
    /// The certificate's end.
    pub not_after: Timestamp,
}

/// An address that a person approved for a node, beside the spec.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalRecord {
    /// The address.
    pub address: Ipv4Addr,
}

/// To whom a public key belongs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// The cluster.
    pub cluster: ClusterName,
    /// The node.
    pub node: NodeName,
}
