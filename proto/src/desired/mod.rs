//! What a node should be, sent down: whole each time; the agent compares and does what is missing.
//!
//! Every field is named and checked here, none is passed over: what comes out holds no control
//! character, no unknown value and no name that is not one (promise 13). Whether it is *acceptable*
//! is for the agent's `reconcile`.

use std::net::IpAddr;
use std::time::Duration;

use pilaster_common::certificate::key_hash;
use pilaster_common::endpoint::Endpoint;
use pilaster_common::etcd_conf::EtcdConf;
use pilaster_common::hosts_block::HostEntry;
use pilaster_common::name::DomainName;
use pilaster_common::node_file::NodeFile;
use pilaster_common::pem;
use pilaster_common::profile::Profile;
use rustls_pki_types::CertificateDer;
use serde::Serialize;

use crate::agent::v1 as pb;
use crate::checked::{
    BadMessage, addresses, bad, each, enumeration, leaf_profile, parsed, required, seconds,
    some_bytes, span, texts, unknown,
};
use crate::etcd_values::host_name;

/// Endpoints of a coordinator in one message: a workstation with containers has dozens of
/// addresses.
pub const ENDPOINTS_MAX: usize = 16;

/// What a node should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// Number of the coordinator's leadership.
    pub epoch: u64,
    /// Number of this desired state of this node; only rises.
    pub generation: u64,
    /// All else.
    pub state: NodeState,
}

/// What a node should be, whatever its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeState {
    /// Every value that a rendered file depends on.
    pub etcd: EtcdConf,
    /// Of the templates of the files.
    pub template_version: u32,
    /// As the coordinator renders them.
    pub files: Vec<(NodeFile, String)>,
    /// For the block in `/etc/hosts`; empty with `names: dns`.
    pub hosts: Vec<HostEntry>,
    /// No host outside it is named.
    pub hosts_domain: DomainName,
    /// The certificates for etcd.
    pub certificates: Vec<WantedCertificate>,
    /// What etcd's client port trusts; never empty.
    #[serde(serialize_with = "as_pem")]
    pub client_ca: Vec<CertificateDer<'static>>,
    /// What etcd's peer port trusts; never empty.
    #[serde(serialize_with = "as_pem")]
    pub peer_ca: Vec<CertificateDer<'static>>,
    /// Whether etcd may run.
    pub service: WantedService,
    /// Where the coordinator is found, best first; never empty, at most [`ENDPOINTS_MAX`].
    pub endpoints: Vec<Endpoint>,
    /// The agent's own certificate.
    pub identity: WantedIdentity,
}

/// How the agent's own certificate should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WantedIdentity {
    /// It is renewed when less than this is left.
    pub renew_before: Duration,
    /// It is renewed at once while it has this serial.
    pub replace_serial: Option<Vec<u8>>,
}

/// Whether etcd may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum WantedService {
    /// The cluster has not been formed: nothing is started.
    Hold,
    /// At each boot, and now.
    Run,
}

/// A certificate for etcd that a node should hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WantedCertificate {
    /// Its kind; never the agent's own.
    pub profile: Profile,
    /// DNS names, sorted.
    pub names: Vec<String>,
    /// Sorted.
    pub addresses: Vec<IpAddr>,
    /// Of the subject.
    pub common_name: String,
    /// Whether it is a server's that etcd's gateway shows as a client, to etcd itself.
    pub gateway: bool,
    /// Subject key identifier of the CA that signs it.
    pub issuer_key_id: Vec<u8>,
    /// It is replaced when less than this is left.
    pub renew_before: Duration,
    /// It is replaced at once while it has this serial.
    pub replace_serial: Option<Vec<u8>>,
}

impl NodeState {
    /// SHA-256 over these values, as JSON: whether a node was sent the same before. It is compared
    /// with one that the same coordinator has made, and never sent.
    pub fn digest(&self) -> [u8; 32] {
        key_hash(&serde_json::to_vec(self).expect("plain data"))
    }
}

fn as_pem<S: serde::Serializer>(
    certificates: &[CertificateDer<'static>],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&pem::encode_certificates(certificates))
}

enumeration!(WantedService, WantedService: Hold = Hold, Run = Run);

impl TryFrom<pb::Desired> for Desired {
    type Error = BadMessage;

    fn try_from(desired: pb::Desired) -> Result<Self, BadMessage> {
        let pb::Desired {
            epoch,
            generation,
            etcd,
            template_version,
            files,
            hosts,
            certificates,
            client_ca,
            peer_ca,
            service,
            hosts_domain,
            endpoints,
            identity,
        } = desired;
        let state = NodeState {
            etcd: required("etcd", etcd)?.try_into()?,
            template_version,
            files: each(files, |pb::RenderedFile { file, text }| {
                Ok((pb::File::ours(file).ok_or_else(|| unknown("files.file"))?, text))
            })?,
            hosts: each(hosts, host_entry)?,
            hosts_domain: parsed("hosts_domain", &hosts_domain)?,
            certificates: each(certificates, TryInto::try_into)?,
            client_ca: authority("client_ca", &client_ca)?,
            peer_ca: authority("peer_ca", &peer_ca)?,
            service: pb::WantedService::ours(service).ok_or_else(|| unknown("service"))?,
            endpoints: checked_endpoints(&endpoints)?,
            identity: required("identity", identity)?.try_into()?,
        };
        Ok(Self { epoch, generation, state })
    }
}

impl From<Desired> for pb::Desired {
    fn from(desired: Desired) -> Self {
        let Desired { epoch, generation, state } = desired;
        let NodeState {
            etcd,
            template_version,
            files,
            hosts,
            hosts_domain,
            certificates,
            client_ca,
            peer_ca,
            service,
            endpoints,
            identity,
        } = state;
        let file = |(file, text)| pb::RenderedFile { file: pb::File::from(file).into(), text };
        let entry =
            |HostEntry { address, names }| pb::HostEntry { address: address.to_string(), names };
        Self {
            epoch,
            generation,
            etcd: Some(etcd.into()),
            template_version,
            files: files.into_iter().map(file).collect(),
            hosts: hosts.into_iter().map(entry).collect(),
            certificates: certificates.into_iter().map(Into::into).collect(),
            client_ca: pem::encode_certificates(&client_ca).into_bytes(),
            peer_ca: pem::encode_certificates(&peer_ca).into_bytes(),
            service: pb::WantedService::from(service).into(),
            hosts_domain: hosts_domain.into(),
            endpoints: texts(endpoints),
            identity: Some(identity.into()),
        }
    }
}

/// One to [`ENDPOINTS_MAX`].
pub(crate) fn checked_endpoints(texts: &[String]) -> Result<Vec<Endpoint>, BadMessage> {
    const FIELD: &str = "endpoints";
    if !(1..=ENDPOINTS_MAX).contains(&texts.len()) {
        return Err(bad(FIELD, format!("{} of them, not 1 to {ENDPOINTS_MAX}", texts.len())));
    }
    each(texts, |text| parsed(FIELD, text))
}

fn host_entry(entry: pb::HostEntry) -> Result<HostEntry, BadMessage> {
    let pb::HostEntry { address, names } = entry;
    if names.is_empty() {
        return Err(bad("hosts.names", "an address without a name"));
    }
    let names = each(names, |name| host_name("hosts.names", name))?;
    Ok(HostEntry { address: parsed("hosts.address", &address)?, names })
}

/// One CA certificate or several, written again by us: no other text gets into the file.
fn authority(field: &'static str, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, BadMessage> {
    let certificates = pem::certificates(text).map_err(|cause| bad(field, cause))?;
    if certificates.is_empty() {
        return Err(bad(field, "no certificate"));
    }
    crate::tls::anchors(&certificates).map_err(|cause| bad(field, cause))?;
    Ok(certificates)
}

impl TryFrom<pb::WantedIdentity> for WantedIdentity {
    type Error = BadMessage;

    fn try_from(wanted: pb::WantedIdentity) -> Result<Self, BadMessage> {
        let pb::WantedIdentity { renew_before_seconds, replace_serial } = wanted;
        Ok(Self {
            renew_before: span("identity.renew_before_seconds", renew_before_seconds)?,
            replace_serial: some_bytes(replace_serial),
        })
    }
}

impl From<WantedIdentity> for pb::WantedIdentity {
    fn from(wanted: WantedIdentity) -> Self {
        let WantedIdentity { renew_before, replace_serial } = wanted;
        Self {
            renew_before_seconds: seconds(renew_before),
            replace_serial: replace_serial.unwrap_or_default(),
        }
    }
}

impl TryFrom<pb::WantedCertificate> for WantedCertificate {
    type Error = BadMessage;

    fn try_from(wanted: pb::WantedCertificate) -> Result<Self, BadMessage> {
        let pb::WantedCertificate {
            profile,
            mut names,
            addresses: ips,
            common_name,
            issuer_key_id,
            renew_before_seconds,
            replace_serial,
            gateway,
        } = wanted;
        names.sort();
        Ok(Self {
            profile: leaf_profile("certificates.profile", profile)?,
            names,
            addresses: addresses("certificates.addresses", &ips)?,
            common_name,
            gateway,
            issuer_key_id,
            renew_before: span("certificates.renew_before_seconds", renew_before_seconds)?,
            replace_serial: some_bytes(replace_serial),
        })
    }
}

impl From<WantedCertificate> for pb::WantedCertificate {
    fn from(wanted: WantedCertificate) -> Self {
        let WantedCertificate {
            profile,
            names,
            addresses,
            common_name,
            gateway,
            issuer_key_id,
            renew_before,
            replace_serial,
        } = wanted;
        Self {
            profile: pb::Profile::from(profile).into(),
            names,
            addresses: texts(addresses),
            common_name,
            issuer_key_id,
            renew_before_seconds: seconds(renew_before),
            replace_serial: replace_serial.unwrap_or_default(),
            gateway,
        }
    }
}

#[cfg(test)]
mod tests;
