//! How people and programs reach a cluster: endpoints, the CA, and the members' names.

use pilaster_common::hosts_block::HostEntry;
use pilaster_common::name::{ClusterName, NodeName};
use pilaster_common::pem;
use pilaster_common::ports::client_url;
use serde::{Deserialize, Serialize};

use super::{Shown, Sight, api_version};
use crate::render::host_entries;

/// How a cluster is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Access {
    /// `pilaster/v1`.
    pub api_version: String,
    /// Its name.
    pub cluster: ClusterName,
    /// `https://host:2379` of every member.
    pub endpoints: Vec<String>,
    /// What clients trust, PEM.
    pub client_ca: String,
    /// The members' names, for `/etc/hosts`; of those that have joined.
    pub hosts: Vec<HostEntry>,
    /// Members that have not joined, so that their addresses are not known.
    pub without_address: Vec<NodeName>,
}

impl Shown for Access {
    const NAME: &'static str = "access";

    fn of(sight: &Sight<'_>) -> Self {
        let view = sight.view;
        let spec = &view.cluster.0.spec;
        let joined: Vec<_> = view.joined().map(|(name, address)| (name.clone(), address)).collect();
        let missing = view.nodes.iter().filter(|node| node.address().is_none());
        let members = spec.members.iter();
        Self {
            api_version: api_version(),
            cluster: spec.cluster.clone(),
            endpoints: members.map(|member| client_url(&spec.host(&member.name))).collect(),
            client_ca: pem::encode_certificates([&view.roots.client.certificate]),
            hosts: host_entries(spec, &joined),
            without_address: missing.map(|node| node.id.node.clone()).collect(),
        }
    }
}
