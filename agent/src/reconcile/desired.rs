//! What the node should be, in checked types; `link::wire` makes it from the message.

use std::net::IpAddr;
use std::time::Duration;

use pilaster_common::certificate::CertificateFacts;
use pilaster_common::etcd_conf::EtcdConf;
use pilaster_common::hosts_block::HostEntry;
use pilaster_common::name::DomainName;
use pilaster_common::profile::Profile;
use rustls_pki_types::CertificateDer;

use crate::apply::TextFile;

/// What the node should be, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Desired {
    pub(crate) epoch: u64,
    pub(crate) generation: u64,
    pub(crate) etcd: EtcdConf,
    pub(crate) template_version: u32,
    /// As the coordinator renders them.
    pub(crate) files: Vec<(TextFile, String)>,
    pub(crate) hosts: Vec<HostEntry>,
    /// No host outside it is named; `None` where /etc/hosts is not used.
    pub(crate) hosts_domain: Option<DomainName>,
    pub(crate) certificates: Vec<WantedCertificate>,
    pub(crate) client_ca: Vec<CertificateDer<'static>>,
    pub(crate) peer_ca: Vec<CertificateDer<'static>>,
    pub(crate) service: WantedService,
}

/// Whether etcd may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WantedService {
    /// The cluster has not been formed: nothing is started.
    Hold,
    /// At each boot, and now.
    Run,
}

/// A certificate that the node should hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WantedCertificate {
    pub(crate) profile: Profile,
    /// DNS names, sorted.
    pub(crate) names: Vec<String>,
    /// Sorted.
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) common_name: String,
    /// Subject key identifier of the CA.
    pub(crate) issuer_key_id: Vec<u8>,
    /// It is replaced when less than this is left.
    pub(crate) renew_before: Duration,
}

impl WantedCertificate {
    /// Whether a certificate says what is wanted; how long it lasts is another question.
    pub(crate) fn is_met_by(&self, held: &CertificateFacts) -> bool {
        held.names == self.names
            && held.addresses == self.addresses
            && held.common_name == self.common_name
            && held.issuer_key_id == self.issuer_key_id
    }
}
