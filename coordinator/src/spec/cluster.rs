//! One cluster as a person wants it.

use std::net::Ipv4Addr;
use std::time::Duration;

use ipnet::Ipv4Net;
use pilaster_common::name::{ClusterName, DomainName, NodeName};
use serde::{Deserialize, Serialize};

/// A checked spec. Made by [`super::parse()`] only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterSpec {
    /// Its name.
    pub cluster: ClusterName,
    /// The domain of its members' hosts.
    pub domain: DomainName,
    /// The name that leads to all members; lies under the domain.
    pub service: DomainName,
    /// Where a reported address may lie.
    pub network: Option<Ipv4Net>,
    /// How members find each other.
    pub names: Names,
    /// At least one, each name and address once.
    pub members: Vec<MemberSpec>,
    /// etcd's own settings.
    pub etcd: EtcdSettings,
    /// How long certificates live.
    pub certificates: Lifetimes,
}

/// One member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberSpec {
    /// Its name.
    pub name: NodeName,
    /// Its address, where the person decides it.
    pub address: Option<Ipv4Addr>,
}

/// How members find each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Names {
    /// By a block in `/etc/hosts` that the agent keeps: works while the router boots.
    #[default]
    Hosts,
    /// By DNS, which the person keeps.
    Dns,
}

/// What etcd's data lies on: decides its timing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Storage {
    /// Stalls of over a second happen: heartbeat 500 ms, election 5000 ms.
    #[default]
    Sdcard,
    /// Heartbeat 100 ms, election 1000 ms.
    Ssd,
}

/// etcd's own settings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EtcdSettings {
    /// What the data lies on.
    pub storage: Storage,
}

/// How long certificates live, and when they are renewed (docs/PROTOCOL.md, Certificates).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// Life of etcd's leaves.
    pub leaf: Duration,
    /// How long the cluster goes on without the coordinator: leaves are renewed when less is left.
    pub autonomy: Duration,
    /// Life of an agent's identity, renewed at two thirds.
    pub identity: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self { leaf: 365 * DAY, autonomy: 270 * DAY, identity: 90 * DAY }
    }
}

impl Lifetimes {
    /// An identity is renewed when less than this is left.
    pub fn identity_renew_before(&self) -> Duration {
        self.identity / 3
    }
}

const DAY: Duration = Duration::from_secs(86_400);

impl ClusterSpec {
    /// The member of that name.
    pub fn member(&self, name: &NodeName) -> Option<&MemberSpec> {
        self.members.iter().find(|member| member.name == *name)
    }

    /// A member's full host name.
    pub fn host(&self, name: &NodeName) -> String {
        self.domain.host(name)
    }
}
