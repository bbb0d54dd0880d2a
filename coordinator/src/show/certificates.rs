//! Every certificate of a cluster's nodes: what is served, who signed it, when it ends and is
//! renewed.

use std::time::Duration;

use pilaster_common::clock::Timestamp;
use pilaster_common::name::{ClusterName, NodeName};
use pilaster_common::profile::Profile;
use pilaster_proto::report::ServiceState;
use serde::{Deserialize, Serialize};

use super::{Shown, Sight, api_version, hex};
use crate::plan::view::{ClusterView, NodeView};

/// A cluster's certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Certificates {
    /// `pilaster/v1`.
    pub api_version: String,
    /// Its name.
    pub cluster: ClusterName,
    /// The one that ends first at the top.
    pub certificates: Vec<CertificateShown>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateShown {
    /// Who holds it.
    pub node: NodeName,
    /// Its kind.
    pub profile: Profile,
    /// Hex, of the file.
    pub serial: String,
    /// Hex, as shown in a handshake; of a client as accepted in one.
    pub served_serial: Option<String>,
    /// Whether it is the one that is in use: served where etcd runs, or the identity of a stream
    /// that stands.
    pub in_use: bool,
    /// Hex, the CA's key id.
    pub issuer: Option<String>,
    /// A date.
    pub ends: String,
    /// From now on.
    pub ends_in_days: u64,
    /// A date.
    pub renews: String,
}

impl Shown for Certificates {
    const NAME: &'static str = "certificates";

    fn of(&Sight { view, now, .. }: &Sight<'_>) -> Self {
        let mut dated: Vec<(Timestamp, CertificateShown)> =
            view.nodes.iter().flat_map(|node| of_node(view, node, now)).collect();
        dated.sort_by_key(|(not_after, _)| *not_after); // stable
        let certificates = dated.into_iter().map(|(_, certificate)| certificate).collect();
        let cluster = view.cluster.0.spec.cluster.clone();
        Self { api_version: api_version(), cluster, certificates }
    }
}

impl Certificates {
    /// The certificate of a node and a kind.
    pub fn find(&self, node: &NodeName, profile: Profile) -> Option<&CertificateShown> {
        self.certificates.iter().find(|one| one.node == *node && one.profile == profile)
    }
}

fn of_node(
    view: &ClusterView,
    node: &NodeView,
    now: Timestamp,
) -> Vec<(Timestamp, CertificateShown)> {
    let lifetimes = view.cluster.0.spec.certificates;
    let shown = |profile, serial: &[u8], not_after: Timestamp, renew_before: Duration| {
        let shown = CertificateShown {
            node: node.id.node.clone(),
            profile,
            serial: hex(serial),
            served_serial: None,
            in_use: false,
            issuer: None,
            ends: not_after.date(),
            ends_in_days: not_after.since(now).as_secs() / 86_400,
            renews: not_after.minus(renew_before).date(),
        };
        (not_after, shown)
    };
    let runs = node.report().is_some_and(|report| report.service == ServiceState::Started);
    let leaves = node.report().into_iter().flat_map(|report| &report.certificates).map(|held| {
        // what is served decides when it ends, as far as it is known
        let until = held.serves_until();
        let (until, leaf) = shown(held.profile, &held.serial, until, lifetimes.autonomy);
        let leaf = CertificateShown {
            served_serial: held.served.as_ref().map(|served| hex(&served.serial)),
            // asked of the service: an etcd that does not answer for a moment has served nothing
            // yet
            in_use: !runs || held.is_served(),
            issuer: Some(hex(&held.issuer_key_id)),
            ..leaf
        };
        (until, leaf)
    });
    let identity = node.identity.iter().map(|(record, _)| {
        let (current, before) = (&record.current, lifetimes.identity_renew_before());
        let (until, identity) = shown(Profile::Agent, &current.serial, current.not_after, before);
        let in_use = node.seen.connected;
        let served_serial = in_use.then(|| identity.serial.clone());
        (until, CertificateShown { served_serial, in_use, ..identity })
    });
    leaves.chain(identity).collect()
}
