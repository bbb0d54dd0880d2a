//! What a decision is made from: each node as recorded and as it last reported.

use ipnet::Ipv4Net;
use pilaster_common::clock::Timestamp;
use pilaster_common::error::Told;
use pilaster_common::etcd_conf::{BadValue, EtcdVersion, Processor, ServiceManager};
use pilaster_common::name::NodeName;
use pilaster_common::profile::Profile;

use crate::enrollment::address::NoAddress;

/// A cluster's members, in the spec's order.
#[derive(Debug, Clone, Default)]
pub struct ClusterView {
    /// One for each member of the spec.
    pub nodes: Vec<NodeView>,
    /// Whether a person has accepted an etcd that is known to be bad.
    pub bad_etcd_accepted: bool,
}

/// One member.
#[derive(Debug, Clone)]
pub struct NodeView {
    /// Its name.
    pub name: NodeName,
    /// Whether it has an identity.
    pub joined: bool,
    /// Generation of its desired state; 0 where none could be made yet.
    pub desired_generation: u64,
    /// The last report since this coordinator started, and when it came.
    pub report: Option<(Report, Timestamp)>,
    /// Whether its stream stands.
    pub connected: bool,
    /// Why none of the addresses that it has now can be its own.
    pub no_address: Option<NoAddress>,
    /// What its etcd would not start with: then nothing was sent.
    pub bad_value: Option<BadValue>,
}

impl NodeView {
    /// What its etcd last said, whether the node is connected now or not.
    pub fn etcd(&self) -> Option<&EtcdState> {
        self.report.as_ref().and_then(|(report, _)| report.etcd.as_ref())
    }
}

/// What a node observes.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Facts of the host.
    pub facts: Facts,
    /// Epoch that it accepted last.
    pub epoch: u64,
    /// Generation that is wholly in place.
    pub generation: u64,
    /// Certificates in its files.
    pub certificates: Vec<Held>,
    /// The etcd service.
    pub service: ServiceState,
    /// etcd itself; `None` where it did not answer.
    pub etcd: Option<EtcdState>,
    /// What keeps it from being as desired.
    pub problems: Vec<Told>,
}

/// Facts of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Global IPv4 addresses of eth0.
    pub eth0: Vec<Ipv4Net>,
    /// As uname says.
    pub architecture: String,
    /// Of the binary on disk; `None` where there is none, or one that is not known.
    pub etcd_version: Option<EtcdVersion>,
    /// What the binary on disk was built for; `None` where an agent does not say.
    pub etcd_processor: Option<Processor>,
    /// What keeps services.
    pub service_manager: ServiceManager,
    /// Bytes.
    pub memory_bytes: u64,
    /// Template versions that the agent can render.
    pub template_versions: Vec<u32>,
}

/// A certificate in a file of the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its profile.
    pub profile: Profile,
    /// Its serial.
    pub serial: Vec<u8>,
    /// Until when it is valid.
    pub not_after: Timestamp,
    /// Until when the one is valid that the port serves; `None` where it could not be asked.
    pub served_not_after: Option<Timestamp>,
}

/// State of the etcd service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceState {
    /// No such service.
    Absent,
    /// Not running.
    Stopped,
    /// Running, as far as the service manager knows.
    Started,
    /// The service manager gave up.
    Crashed,
}

/// What a member says of itself and of its cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EtcdState {
    /// Leader, no alarm, and a linearizable read.
    pub healthy: bool,
    /// Its id.
    pub member_id: u64,
    /// Its cluster's id.
    pub cluster_id: u64,
    /// 0 for none.
    pub leader_id: u64,
    /// Does not vote.
    pub is_learner: bool,
    /// Errors that it reports, alarms among them.
    pub errors: Vec<String>,
    /// Ids and names of all members; empty where it could not tell.
    pub members: Vec<(u64, String)>,
}
