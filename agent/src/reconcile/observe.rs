//! Looks at the node. Reads a few small files; starts no process and writes nothing.

use std::collections::BTreeMap;

use pilaster_common::certificate::{self, CertificateFacts, key_hash};
use pilaster_common::clock::Timestamp;
use pilaster_common::error::Told;
use pilaster_common::node_file::NodeFile;
use pilaster_common::pem::Pair;
use pilaster_common::profile::{LEAVES, Profile};
use pilaster_proto::facts::Facts;
use pilaster_proto::report::ServiceState;

use super::memory::{Accepted, Memory, MemoryError};
use super::proof::Proof;
use crate::apply::{Host, ManagedFile, Present};
use crate::facts::{Known, PortHolder};

/// The files that hold no key.
const PLAIN_FILES: [ManagedFile; 5] = [
    ManagedFile::Text(NodeFile::EtcdConf),
    ManagedFile::Text(NodeFile::ServiceConf),
    ManagedFile::Text(NodeFile::ServiceScript),
    ManagedFile::ClientCa,
    ManagedFile::PeerCa,
];

/// What the node is, as far as deciding needs it.
#[derive(Debug, Clone)]
pub(crate) struct Observed {
    pub(crate) now: Timestamp,
    pub(crate) facts: Facts,
    /// Why there is no etcd that could be run, where there is none.
    pub(crate) no_etcd: Option<Told>,
    pub(crate) accepted: Accepted,
    /// The formation in which etcd was started.
    pub(crate) started: Option<String>,
    pub(crate) folder_in_order: bool,
    pub(crate) files: BTreeMap<ManagedFile, PresentFile>,
    /// Whole pairs only.
    pub(crate) held: BTreeMap<Profile, Held>,
    /// Empty where there is none; `None` where it cannot be read as text.
    pub(crate) hosts: Option<String>,
    pub(crate) service: ServiceState,
    pub(crate) enabled: bool,
    pub(crate) etcd_user: bool,
    /// An upgrade of the host's packages could bring another minor version.
    pub(crate) etcd_may_jump: bool,
    /// Those who hold etcd's ports and are not etcd's own service.
    pub(crate) port_holders: Vec<PortHolder>,
    /// What else is known of the leaves.
    pub(crate) proofs: BTreeMap<Profile, Proof>,
    /// etcd runs and answers.
    pub(crate) etcd_answers: bool,
}

/// A file without a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PresentFile {
    pub(crate) sha256: [u8; 32],
    /// Owner and mode are right.
    pub(crate) in_order: bool,
}

/// A certificate with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) leaf: CertificateFacts,
    /// Owner and mode are right.
    pub(crate) in_order: bool,
}

/// Looks at everything but what is `known`, which is older.
pub(crate) fn observe<H: Host>(
    host: &H,
    memory: &Memory,
    known: &Known,
    now: Timestamp,
) -> Result<Observed, MemoryError> {
    let service = host.service();
    Ok(Observed {
        now,
        facts: known.facts.clone(),
        no_etcd: known.no_etcd.clone(),
        accepted: memory.accepted()?,
        started: memory.started(),
        folder_in_order: host.folder_in_order(),
        files: PLAIN_FILES
            .into_iter()
            .filter_map(|file| Some((file, present_file(&read(host, file)?))))
            .collect(),
        held: LEAVES
            .into_iter()
            .filter_map(|profile| Some((profile, held(&read(host, ManagedFile::Leaf(profile))?)?)))
            .collect(),
        hosts: hosts(host),
        service,
        enabled: host.is_enabled(),
        etcd_user: host.etcd_user().is_some(),
        etcd_may_jump: host.etcd_may_jump(),
        port_holders: port_holders(host, &known.facts, service),
        proofs: BTreeMap::new(), // the reconciler knows more
        etcd_answers: false,
    })
}

/// What a file with chain and key holds; `None` where it is not whole.
pub(crate) fn held_certificate(content: &[u8]) -> Option<CertificateFacts> {
    certificate::read(Pair::from_pem(content).ok()?.leaf()).ok()
}

/// The pair before of a profile, while it is kept.
pub(crate) fn before<H: Host>(host: &H, profile: Profile) -> Option<CertificateFacts> {
    held_certificate(&read(host, ManagedFile::Before(profile))?.content)
}

/// One that cannot be read counts as absent: it is replaced.
fn read<H: Host>(host: &H, file: ManagedFile) -> Option<Present> {
    host.read(file).ok().flatten()
}

fn present_file(present: &Present) -> PresentFile {
    PresentFile { sha256: key_hash(&present.content), in_order: present.in_order }
}

fn held(present: &Present) -> Option<Held> {
    Some(Held { leaf: held_certificate(&present.content)?, in_order: present.in_order })
}

fn hosts<H: Host>(host: &H) -> Option<String> {
    match host.read(ManagedFile::Hosts).ok()? {
        Some(present) => String::from_utf8(present.content.to_vec()).ok(),
        None => Some(String::new()),
    }
}

/// While our own service runs, it is the one that holds them.
fn port_holders<H: Host>(host: &H, facts: &Facts, service: ServiceState) -> Vec<PortHolder> {
    let script = read(host, ManagedFile::Text(NodeFile::ServiceScript));
    let is_ours = script.is_some_and(|script| is_written_by_pilaster(&script.content));
    if is_ours && matches!(service, ServiceState::Started | ServiceState::Crashed) {
        return Vec::new();
    }
    let addresses: Vec<_> = facts.addresses.iter().map(ipnet::Ipv4Net::addr).collect();
    host.port_holders(&addresses)
}

/// Whether a service script is from `common::service_files`, and not a package's.
pub(crate) fn is_written_by_pilaster(script: &[u8]) -> bool {
    String::from_utf8_lossy(script).contains("Written by Pilaster")
}
