//! The desired state of one node: from the spec, what was recorded and what the node reported.

use std::net::Ipv4Addr;
use std::time::Duration;

use pilaster_common::etcd_conf::{EtcdConf, InitialState, Member, Processor, Tuning};
use pilaster_common::hosts_block::HostEntry;
use pilaster_common::name::NodeName;
use pilaster_common::profile::{LEAVES, Profile};
use pilaster_common::templates::{RenderedFiles, TEMPLATE_VERSIONS, highest_common, render_files};

use super::client_env::host_entries;
use crate::ca::issue::{LeafNames, node_names};
use crate::ca::vault::ClusterAuthorities;
use crate::plan::view::Facts;
use crate::spec::{ClusterSpec, Names, Storage};
use crate::store::records::{FormationRecord, NodeRecord, Phase};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Transactions between snapshots: memory.
const SNAPSHOT_COUNT: u64 = 10_000;
/// History that is kept.
const COMPACTION_RETENTION: Duration = Duration::from_secs(3600);
/// A machine with less than this is a small one: a Pi 3 has 1 GiB.
const SMALL_MEMORY: u64 = 3 * GIB / 2;

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
    /// What it reported.
    pub facts: &'a Facts,
    /// Addresses of all members that have joined, in the spec's order.
    pub joined: &'a [(NodeName, Ipv4Addr)],
    /// The cluster's CAs.
    pub authorities: &'a ClusterAuthorities,
    /// Where the coordinator is found, best first.
    pub endpoints: &'a [String],
}

/// The desired state, or nothing while the node has no etcd that files could be rendered for.
pub fn desired(input: DesiredInput<'_>) -> Option<Desired> {
    let DesiredInput { spec, formation, node, record, facts, joined, authorities, endpoints } =
        input;
    let etcd = etcd_conf(spec, formation, node, record.address, facts)?;
    let template_version = highest_common(&facts.template_versions).unwrap_or(TEMPLATE_VERSIONS[0]);
    let taking_part = match &formation.phase {
        Phase::Gathering => false,
        Phase::Forming { members, .. } => members.contains(node),
        Phase::Formed { members, .. } => members.iter().any(|(name, _)| name == node),
    };
    Some(Desired {
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
        etcd,
    })
}

/// The values for a node's files: the only place where the spec's settings become etcd's.
fn etcd_conf(
    spec: &ClusterSpec,
    formation: &FormationRecord,
    node: &NodeName,
    address: Ipv4Addr,
    facts: &Facts,
) -> Option<EtcdConf> {
    let (heartbeat_ms, election_ms) = match spec.etcd.storage {
        Storage::Sdcard => (500, 5000),
        Storage::Ssd => (100, 1000),
    };
    let processor = facts.etcd_processor.or_else(|| Processor::of_machine(&facts.architecture))?;
    let small = facts.memory_bytes < SMALL_MEMORY;
    let members =
        spec.members.iter().map(|m| Member { name: m.name.clone(), host: spec.host(&m.name) });
    Some(EtcdConf {
        version: facts.etcd_version?,
        cluster: spec.cluster.clone(),
        domain: spec.domain.clone(),
        node: node.clone(),
        address,
        members: members.collect(),
        token: formation.token.clone(),
        initial_state: match &formation.phase {
            Phase::Forming { started, .. } if started.contains(node) => InitialState::Existing,
            Phase::Gathering | Phase::Forming { .. } => InitialState::New,
            Phase::Formed { .. } => InitialState::Existing,
        },
        heartbeat_ms,
        election_ms,
        snapshot_count: SNAPSHOT_COUNT,
        // On 32 bits the whole database must fit into the address space beside everything else.
        quota_bytes: if small || processor.is_32_bit() { 512 * MIB } else { 2 * GIB },
        compaction_retention_seconds: COMPACTION_RETENTION.as_secs(),
        architecture: facts.architecture.clone(),
        processor,
        service_manager: facts.service_manager,
        memory_limit_bytes: small.then_some(300 * MIB),
        tuning: Tuning::default(),
    })
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
        issuer_key_id: ca.key_id().to_vec(),
        renew_before: spec.certificates.autonomy,
        replace: record.replace.get(&profile).cloned(),
    }
}
