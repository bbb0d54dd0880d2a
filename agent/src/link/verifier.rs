//! Whom the agent takes for its coordinator: pins, not addresses (promise 3; docs/PROTOCOL.md, One verified connection).
//!
//! Of the certificates that were sent, one whose key has a pinned hash becomes the only trust anchor; webpki then verifies the chain
//! for server authentication and one fixed name. The dialled address does not matter: a workstation has DHCP.

use std::sync::Arc;

use pilaster_common::certificate;
use pilaster_proto::names::COORDINATOR;
use pilaster_proto::tls;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::{CertificateError, Error};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

/// What the verifier answers when no pin fits; `link::dial` knows it again.
pub(super) const NO_PIN_FITS: CertificateError = CertificateError::ApplicationVerificationFailure;

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

/// Verifies the coordinator by pins.
#[derive(Debug)]
pub(super) struct PinVerifier {
    pub(super) pins: Pins,
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _dialled: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let pinned = intermediates.iter().find(|certificate| self.pins.fit(certificate));
        let anchor = pinned.ok_or(NO_PIN_FITS)?.clone().into_owned();
        let roots = tls::anchors([&anchor]).map_err(|_| CertificateError::BadEncoding)?;
        let name = ServerName::try_from(COORDINATOR).expect("a DNS name");
        WebPkiServerVerifier::builder_with_provider(roots, tls::provider())
            .build()
            .map_err(|error| Error::General(error.to_string()))?
            .verify_server_cert(end_entity, intermediates, &name, ocsp_response, now)
    }

    pilaster_proto::tls13_signatures!();
}

/// Takes every certificate whose key the other end has: for connections over which nothing is said.
#[derive(Debug)]
struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    pilaster_proto::tls13_signatures!();
}

/// Builds the verifier for a TLS configuration.
pub(super) fn by_pins(pins: Pins) -> Arc<PinVerifier> {
    Arc::new(PinVerifier { pins })
}

/// For looking at what is shown, and for nothing else: see `etcd::served`.
pub(crate) fn any_certificate() -> Arc<dyn ServerCertVerifier> {
    Arc::new(AnyCertificate)
}
