//! What one node should be: from the spec, what was recorded and what the node reported. Pure.

use std::net::Ipv4Addr;

use pilaster_common::etcd_conf::BadValue;
use pilaster_common::name::NodeName;
use pilaster_common::profile::{LEAVES, Profile};
use pilaster_common::templates::TEMPLATES;
use pilaster_proto::desired::{NodeState, WantedCertificate, WantedIdentity, WantedService};

use super::hold::{Held, Notice, hold};
use super::values::{Basis, etcd_conf};
use super::view::{ClusterView, NodeView};
use crate::ca::issue::{LeafNames, node_names, node_usages};
use crate::render::host_entries;
use crate::spec::{ClusterSpec, Names};
use crate::store::records::{Configured, FormationRecord};

/// A desired state, and what comes with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Made {
    /// What the node should be.
    pub state: NodeState,
    /// What is to be remembered of a member that takes part in its cluster.
    pub configured: Option<Configured>,
    /// What a person is told.
    pub notices: Vec<Notice>,
}

/// What `node` should be while the formation is as in `formation`; nothing while it has no etcd
/// that files could be rendered for, or has not reported since the coordinator started.
///
/// # Errors
/// A value that its etcd would not start with: then nothing is sent.
pub(super) fn node_state(
    view: &ClusterView,
    formation: &FormationRecord,
    node: &NodeView,
    joined: &[(NodeName, Ipv4Addr)],
) -> Result<Option<Made>, BadValue> {
    let spec = &view.cluster.0.spec;
    let name = &node.id.node;
    let address = joined.iter().find(|(other, _)| other == name).map(|(_, address)| *address);
    let (Some(address), Some(report)) = (address, node.report()) else { return Ok(None) };
    let taking_part = formation.phase.takes_part(name);
    let configured = node.configured().filter(|_| taking_part);
    let basis = match configured {
        Some(configured) => Some(Basis::of_member(configured, Some(&report.facts))),
        None => Basis::of(&report.facts),
    };
    let Some(basis) = basis else { return Ok(None) };
    let known = &report.facts.template_versions[..];
    let wanted_conf = etcd_conf(spec, formation, name, address, &basis);
    let Held { etcd, template_version, waits, newer_template } = match configured {
        Some(configured) => hold(configured, wanted_conf, known, TEMPLATES),
        None => Held {
            etcd: wanted_conf,
            template_version: TEMPLATES.best_for(known),
            waits: vec![],
            newer_template: None,
        },
    };
    etcd.check()?;
    let newer =
        newer_template.map(|newest| Notice::NewerTemplate { has: template_version, newest });
    let passed_over = TEMPLATES.passed_over(template_version, &etcd);
    let passed_over = passed_over.into_iter().map(Notice::NotExpressed);
    let notices = newer.into_iter().chain(waits.into_iter().map(Notice::Waits)).chain(passed_over);
    let wishes = node.wishes();
    let certificate = |profile| WantedCertificate {
        replace_serial: wishes.replace.get(&profile).cloned(),
        ..wanted_certificate(profile, view, name, address)
    };
    let state = NodeState {
        template_version,
        files: TEMPLATES.render(template_version, &etcd).expect("it is one of ours"),
        hosts: hosts(spec, joined),
        hosts_domain: spec.domain.clone(),
        certificates: LEAVES.map(certificate).to_vec(),
        client_ca: vec![view.roots.client.certificate.clone()],
        peer_ca: vec![view.roots.peer.certificate.clone()],
        service: if taking_part { WantedService::Run } else { WantedService::Hold },
        endpoints: view.endpoints.clone(),
        identity: WantedIdentity {
            renew_before: spec.certificates.identity_renew_before(),
            replace_serial: wishes.replace.get(&Profile::Agent).cloned(),
        },
        etcd: etcd.clone(),
    };
    let configured = taking_part.then_some(Configured {
        template_version,
        memory_bytes: basis.memory_bytes,
        etcd,
    });
    Ok(Some(Made { state, configured, notices: notices.collect() }))
}

/// The block in `/etc/hosts`; empty with `names: dns`.
pub(super) fn hosts(
    spec: &ClusterSpec,
    joined: &[(NodeName, Ipv4Addr)],
) -> Vec<pilaster_common::hosts_block::HostEntry> {
    match spec.names {
        Names::Hosts => host_entries(spec, joined),
        Names::Dns => vec![],
    }
}

fn wanted_certificate(
    profile: Profile,
    view: &ClusterView,
    node: &NodeName,
    address: Ipv4Addr,
) -> WantedCertificate {
    let spec = &view.cluster.0.spec;
    let ca = match profile {
        Profile::Peer => &view.roots.peer,
        Profile::Server | Profile::Client | Profile::Agent => &view.roots.client,
    };
    let LeafNames { common_name, names, addresses } = node_names(profile, spec, node, address);
    WantedCertificate {
        profile,
        names,
        addresses,
        common_name,
        gateway: profile == Profile::Server && node_usages(profile, spec).client_auth,
        issuer_key_id: ca.key_id.clone(),
        renew_before: spec.certificates.autonomy,
        replace_serial: None,
    }
}
