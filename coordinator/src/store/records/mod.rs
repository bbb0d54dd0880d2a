//! Every record there is. An older format lies as a file in `testdata/records`, and is read by a
//! test.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use pilaster_common::clock::Timestamp;
use pilaster_common::etcd_conf::EtcdConf;
use pilaster_common::name::{ClusterName, NodeId, NodeName};
use pilaster_common::profile::Profile;
use serde::{Deserialize, Serialize};

use super::record::Record;
use crate::spec::ClusterSpec;

/// This installation. Written by each start, which is the fence of all that the start before it
/// would still write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installation {
    /// 16 hex digits, in every identity.
    pub id: String,
    /// Number of the leadership: rises with each start.
    pub epoch: u64,
}

impl Record for Installation {
    const ROOM: &'static str = "v1/installation";
    type Key = ();
}

/// What a person wants of a cluster. Written by `coordctl apply`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterRecord {
    /// The spec as it was understood when it was applied: reading it judges nothing again.
    pub spec: ClusterSpec,
    /// The text that it was read from, for a person.
    pub text: String,
    /// Risks that a person has accepted by name.
    #[serde(default)]
    pub accepted: BTreeSet<Risk>,
}

impl Record for ClusterRecord {
    const ROOM: &'static str = "v1/cluster";
    type Key = ClusterName;
}

/// What a person may accept by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[derive(clap::ValueEnum)]
pub enum Risk {
    /// A release of etcd that is known to be bad
    KnownBadEtcd,
}

impl Risk {
    /// As it is written on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::KnownBadEtcd => "known-bad-etcd",
        }
    }
}

/// How far a cluster's first formation is. Made with the cluster, written by the passes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormationRecord {
    /// `initial-cluster-token`, random.
    pub token: String,
    /// How far it is.
    pub phase: Phase,
}

impl Record for FormationRecord {
    const ROOM: &'static str = "v1/formation";
    type Key = ClusterName;
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
        /// Whose etcd has written the formation to its disk: it is configured with `existing` from
        /// then on.
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

    /// Whether members were told to start.
    pub fn has_begun(&self) -> bool {
        *self != Self::Gathering
    }
}

/// Who a node is. Written by enrollment: Join, Renew, and the first use of what Renew gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityRecord {
    /// The identity in use.
    pub current: IssuedIdentity,
    /// One that was issued and not used yet: its first use makes it the current one.
    pub pending: Option<IssuedIdentity>,
    /// Number of the current identity: rises with each that takes its place.
    pub sequence: u64,
    /// The address of eth0 with which it joined.
    pub address: Ipv4Addr,
    /// When it joined.
    pub joined: Timestamp,
}

impl Record for IdentityRecord {
    const ROOM: &'static str = "v1/identity";
    type Key = NodeId;
}

impl IdentityRecord {
    /// The address that the node is known by: what it was sent last, else what it joined with.
    pub fn address(&self, only_state: Option<&StateRecord>) -> Ipv4Addr {
        let of_this_card = only_state.filter(|state| state.joined == self.joined);
        of_this_card.map_or(self.address, |state| state.address)
    }
}

/// An identity that was handed out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssuedIdentity {
    /// SHA-256 of its public key.
    pub key_hash: [u8; 32],
    /// The certificate, DER: the answer to the same request again.
    pub certificate: Vec<u8>,
    /// The certificate's serial.
    pub serial: Vec<u8>,
    /// The certificate's end.
    pub not_after: Timestamp,
}

/// What a node was sent last. Written by the passes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateRecord {
    /// Of the desired state; only ever rises, for a new card too.
    pub generation: u64,
    /// When the card joined that it was made for: a new card begins anew.
    pub joined: Timestamp,
    /// `NodeState::digest` of the desired state with that generation.
    pub digest: [u8; 32],
    /// The address of eth0 that the node is known by.
    pub address: Ipv4Addr,
    /// What its files say, where it takes part in its cluster: what its etcd reads at its next
    /// start, planned or not.
    pub configured: Option<Configured>,
}

impl Record for StateRecord {
    const ROOM: &'static str = "v1/state";
    type Key = NodeId;
}

/// What a member was configured with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configured {
    /// Version of the templates of its files.
    pub template_version: u32,
    /// Bytes, as reported then.
    pub memory_bytes: u64,
    /// The values.
    pub etcd: EtcdConf,
}

/// What people want of a node. Written by `coordctl deny`, `approve` and `rotate`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WishesRecord {
    /// When a person denied it: it may not speak, nor come back with a key that is known.
    pub denied: Option<Timestamp>,
    /// The address that a person approved for it, beside the spec.
    pub approved: Option<Ipv4Addr>,
    /// Serials that are to be replaced; of no effect once the node holds others.
    pub replace: BTreeMap<Profile, Vec<u8>>,
}

impl Record for WishesRecord {
    const ROOM: &'static str = "v1/wishes";
    type Key = NodeId;
}

/// A token that was handed out. Written by enrollment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// HKDF of the secret; never the secret.
    pub proof_key: [u8; 32],
    /// The node that it lets in.
    pub node: NodeId,
    /// What it is good for.
    pub purpose: Purpose,
    /// Good until then.
    pub expires: Timestamp,
    /// SHA-256 of the public key that used it.
    pub used_by: Option<[u8; 32]>,
}

impl Record for TokenRecord {
    const ROOM: &'static str = "v1/token";
    type Key = [u8; 8];
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

/// To whom a public key belongs: to one node, for ever. Written by enrollment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// The node.
    pub node: NodeId,
}

impl Record for KeyRecord {
    const ROOM: &'static str = "v1/key";
    /// SHA-256 of the SubjectPublicKeyInfo.
    type Key = [u8; 32];
}

#[cfg(test)]
mod tests;
