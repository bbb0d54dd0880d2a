//! What the node is, as far as deciding needs it.

use std::collections::BTreeMap;

use pilaster_common::certificate::{self, CertificateFacts};
use pilaster_common::clock::Timestamp;
use pilaster_common::error::Told;
use pilaster_common::pem;
use pilaster_common::profile::{LEAVES, Profile};

use super::memory::{Accepted, Memory, MemoryError};
use crate::host::{File, Known, Seen, SeenFile};
use crate::trial::{Proof, Subject, Version};

/// What the node is.
#[derive(Debug, Clone)]
pub(crate) struct Observed {
    pub(crate) now: Timestamp,
    pub(crate) known: Known,
    pub(crate) seen: Seen,
    pub(crate) accepted: Accepted,
    /// The formation in which etcd was started.
    pub(crate) started: Option<String>,
    /// Whole pairs only.
    pub(crate) held: BTreeMap<Profile, Held>,
    /// What else is known of what is tried.
    pub(crate) proofs: BTreeMap<Subject, Proof>,
    /// What is not tried again for now, and why.
    pub(crate) taken_back: BTreeMap<Subject, Told>,
    /// etcd runs and answers.
    pub(crate) etcd_answers: bool,
}

/// A certificate whose key lies beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) leaf: CertificateFacts,
    /// Owner and mode are right.
    pub(crate) in_order: bool,
}

/// Puts together what was seen and what is remembered. What the ports show, the reconciler adds.
pub(crate) fn observe(
    known: &Known,
    seen: Seen,
    memory: &Memory,
    now: Timestamp,
) -> Result<Observed, MemoryError> {
    let held = |profile| {
        let file = seen.files.get(&File::Leaf(profile))?;
        Some((profile, Held { leaf: held_certificate(file)?, in_order: file.in_order }))
    };
    Ok(Observed {
        now,
        known: known.clone(),
        accepted: memory.accepted()?,
        started: memory.started(),
        held: LEAVES.into_iter().filter_map(held).collect(),
        seen,
        proofs: BTreeMap::new(),
        taken_back: BTreeMap::new(),
        etcd_answers: false,
    })
}

impl Observed {
    /// What was kept of a subject.
    pub(crate) fn before(&self, subject: Subject) -> Option<Version> {
        held_certificate(self.seen.before.get(&subject.file())?).map(|leaf| version(&leaf))
    }
}

/// A certificate, as something that is tried.
pub(crate) fn version(leaf: &CertificateFacts) -> Version {
    Version { mark: leaf.serial.clone(), valid_until: leaf.not_after }
}

/// The leaf in a file of certificates.
pub(crate) fn held_certificate(file: &SeenFile) -> Option<CertificateFacts> {
    certificate::read(pem::certificates(&file.content).ok()?.first()?).ok()
}
