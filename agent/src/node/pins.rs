//! Pins: by which control roots the coordinator is known (docs/PROTOCOL.md, One verified
//! connection).

use pilaster_common::certificate;
use rustls_pki_types::CertificateDer;

/// SHA-256 of the SubjectPublicKeyInfo of each control root that is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pins(Vec<[u8; 32]>);

impl Pins {
    /// The pin of a token.
    pub(crate) fn one(pin: [u8; 32]) -> Self {
        Self(vec![pin])
    }

    /// The pins of the roots that an identity came with.
    pub(crate) fn of_roots(roots: &[CertificateDer<'static>]) -> Self {
        Self(roots.iter().filter_map(pin).collect())
    }

    /// Whether this certificate's key is pinned.
    pub(crate) fn fit(&self, certificate: &CertificateDer<'_>) -> bool {
        pin(certificate).is_some_and(|pin| self.0.contains(&pin))
    }
}

fn pin(certificate: &CertificateDer<'_>) -> Option<[u8; 32]> {
    certificate::read(certificate).ok().map(|facts| certificate::key_hash(&facts.public_key))
}
