//! The desired state of one node: from the spec, what was recorded and what the node reported.

use std::net::Ipv4Addr;
use std::time::Duration;

use pilaster_common::etcd_conf::{BadValue, EtcdConf};
use pilaster_common::hosts_block::HostEntry;
use pilaster_common::name::NodeName;
use pilaster_common::profile::{LEAVES, Profile};
use pilaster_common::templates::{
    RenderedFiles, TEMPLATE_VERSIONS, highest_common, not_expressed, render_files,
};

use super::client_env::host_entries;
use super::hold::{Held, Notice, hold};
use super::values::{Basis, etcd_conf};
use crate::ca::issue::{LeafNames, node_names, node_usages};
use crate::ca::vault::ClusterAuthorities;
use crate::plan::view::Facts;
use crate::spec::{ClusterSpec, Names};
use crate::store::records::{Configured, FormationRecord, NodeRecord};

/// Everything that a node should have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// Values of all rendered files.
    pub etcd: EtcdConf,
    /// The highest that coordinator and agent know; ours where they have none in common, which the agent then says.
    pub template_version: u32,
    /// Their texts.
    pub files: RenderedFiles,
    /// The block in `/etc/hosts`; empty with `names: dns`.
    pub hosts: Vec<HostEntry>,
    /// The certificates for etcd.
    pub certificates: Vec<WantedCertificate>,
    /// PEM.
    pub client_ca: String,
    /// PEM.
    pub peer_ca: String,
    /// Whether etcd runs.
    pub service: WantedService,
    /// Where the coordinator is found, best first.
    pub endpoints: Vec<String>,
    /// The agent's own identity is renewed when less than this is left.
    pub identity_renew_before: Duration,
    /// The agent's own identity is renewed at once while it has this serial.
    pub identity_replace: Option<Vec<u8>>,
}

/// A certificate that a node should hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedCertificate {
    /// Its profile.
    pub profile: Profile,
    /// Its names.
    pub names: LeafNames,
    /// Whether it is a server's that etcd's gateway shows as a client.
    pub gateway: bool,
    /// Key id of the CA that signs it.
    pub issuer_key_id: Vec<u8>,
    /// Renewed when less than this is left.
    pub renew_before: Duration,
    /// Renewed at once while it has this serial.
    pub replace: Option<Vec<u8>>,
}

/// Whether etcd runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WantedService {
    /// Not started by the agent: the formation has not begun.
    Hold,
    /// In the default runlevel, and started.
    Run,
}

/// What a desired state is made from.
#[derive(Debug, Clone, Copy)]
pub struct DesiredInput<'a> {
    /// The spec.
    pub spec: &'a ClusterSpec,
    /// How far the formation is.
    pub formation: &'a FormationRecord,
    /// The node.
    pub node: &'a NodeName,
    /// Its record.
    pub record: &'a NodeRecord,
    /// What it was configured with last, where it takes part in its cluster.
    pub configured: Option<&'a Configured>,
    /// What it reported.
    pub facts: &'a Facts,
    /// Addresses of all members that have joined, in the spec's order.
    pub joined: &'a [(NodeName, Ipv4Addr)],
    /// The cluster's CAs.
    pub authorities: &'a ClusterAuthorities,
    /// Where the coordinator is found, best first.
    pub endpoints: &'a [String],
}

/// A desired state, and what comes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// It.
    pub desired: Desired,
    /// What is to be remembered of a member that takes part in its cluster.
    pub configured: Option<Configured>,
    /// What a person is told.
    pub notices: Vec<Notice>,
}

/// The desired state, or nothing while the node has no etcd that files could be rendered for.
///
/// # Errors
/// A value that its etcd would not start with: then nothing is sent.
pub fn desired(input: DesiredInput<'_>) -> Result<Option<Made>, BadValue> {
    let DesiredInput {
        spec,
        formation,
        node,
        record,
        configured,
        facts,
        joined,
        authorities,
        endpoints,
    } = input;
    let taking_part = formation.phase.takes_part(node);
    let configured = configured.filter(|_| taking_part);
    let basis = match configured {
        Some(configured) => Some(Basis::of_member(configured, Some(facts))),
        None => Basis::of(facts),
    };
    let Some(basis) = basis else { return Ok(None) };
    let wanted_conf = etcd_conf(spec, formation, node, record.address, &basis);
    let Held { etcd, template_version, waits, newer_template } = match configured {
        Some(configured) => hold(configured, wanted_conf, &facts.template_versions),
        None => Held {
            etcd: wanted_conf,
            template_version: highest_common(&facts.template_versions)
                .unwrap_or(TEMPLATE_VERSIONS[0]),
            waits: vec![],
            newer_template: None,
        },
    };
    etcd.check()?;
    let newer =
        newer_template.map(|newest| Notice::NewerTemplate { has: template_version, newest });
    let passed_over = not_expressed(template_version, &etcd).into_iter().map(Notice::NotExpressed);
    let notices = newer.into_iter().chain(waits.into_iter().map(Notice::Waits)).chain(passed_over);
    let desired = Desired {
        template_version,
        files: render_files(template_version, &etcd).expect("it is one of ours"),
        hosts: match spec.names {
            Names::Hosts => host_entries(spec, joined),
            Names::Dns => vec![],
        },
        certificates: LEAVES
            .map(|profile| wanted(profile, spec, node, record, authorities))
            .to_vec(),
        client_ca: pilaster_common::pem::encode_certificates([authorities.client.root()]),
        peer_ca: pilaster_common::pem::encode_certificates([authorities.peer.root()]),
        service: if taking_part { WantedService::Run } else { WantedService::Hold },
        endpoints: endpoints.to_vec(),
        identity_renew_before: spec.certificates.identity_renew_before(),
        identity_replace: record.replace.get(&Profile::Agent).cloned(),
        etcd: etcd.clone(),
    };
    let configured = taking_part.then_some(Configured {
        template_version,
        memory_bytes: basis.memory_bytes,
        etcd,
    });
    Ok(Some(Made { desired, configured, notices: notices.collect() }))
}

fn wanted(
    profile: Profile,
    spec: &ClusterSpec,
    node: &NodeName,
    record: &NodeRecord,
    authorities: &ClusterAuthorities,
) -> WantedCertificate {
    let ca = match profile {
        Profile::Peer => &authorities.peer,
        _ => &authorities.client,
    };
    WantedCertificate {
        profile,
        names: node_names(profile, spec, node, record.address),
        gateway: profile == Profile::Server && node_usages(profile, spec).client_auth,
        issuer_key_id: ca.key_id().to_vec(),
        renew_before: spec.certificates.autonomy,
        replace: record.replace.get(&profile).cloned(),
    }
}
