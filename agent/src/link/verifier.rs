//! Whom the agent takes for its coordinator: pins, not addresses (promise 3; docs/PROTOCOL.md, One
//! verified connection).
//!
//! Of the certificates that were sent, one whose key has a pinned hash becomes the only trust
//! anchor; webpki then verifies the chain for server authentication and one fixed name. The dialled
//! address does not matter: a workstation has DHCP.

use pilaster_proto::names::COORDINATOR;
use pilaster_proto::tls;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{ServerCertVerified, ServerCertVerifier};
use rustls::{CertificateError, Error};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::node::Pins;

/// What the verifier answers when no pin fits; `link::dial` knows it again.
pub(super) const NO_PIN_FITS: CertificateError = CertificateError::ApplicationVerificationFailure;

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
