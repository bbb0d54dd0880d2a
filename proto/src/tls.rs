//! TLS as both sides do it: ring, TLS 1.3 only, no resumption, and gRPC over a stream of our own.

use std::sync::Arc;
use std::time::Duration;

use pilaster_common::clock::{Clock, Timestamp};
use rustls::RootCertStore;
use rustls::crypto::{CryptoProvider, ring};
use rustls::time_provider::TimeProvider;
use rustls_pki_types::{CertificateDer, UnixTime};

#[doc(hidden)]
pub use rustls;
#[doc(hidden)]
pub use rustls_pki_types;

/// The protocol that is asked for and answered: HTTP/2, which gRPC needs.
pub const ALPN: &[u8] = b"h2";

/// The provider of all cryptography in TLS.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// A configuration of a client: TLS 1.3, and nothing else said yet.
pub fn client_config() -> rustls::ConfigBuilder<rustls::ClientConfig, rustls::WantsVerifier> {
    rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("ring has TLS 1.3")
}

/// A configuration of a server: TLS 1.3, and nothing else said yet.
pub fn server_config() -> rustls::ConfigBuilder<rustls::ServerConfig, rustls::WantsVerifier> {
    rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("ring has TLS 1.3")
}

/// The time by which certificates are held: that of a clock of ours.
#[derive(Debug)]
pub struct ByClock(pub Arc<dyn Clock>);

impl TimeProvider for ByClock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(unix_time(self.0.now()))
    }
}

/// For verifiers: what lies before 1970 is 1970.
pub fn unix_time(now: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now.unix()).unwrap_or(0)))
}

/// These certificates as trust anchors.
///
/// # Errors
/// One of them is none.
pub fn anchors<'a>(
    certificates: impl IntoIterator<Item = &'a CertificateDer<'static>>,
) -> Result<Arc<RootCertStore>, rustls::Error> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate.clone())?;
    }
    Ok(Arc::new(roots))
}

/// The part of a verifier that holds the signature in the handshake against the certificate's key:
/// ring's, TLS 1.3 only. Stands inside an `impl` of rustls's `ServerCertVerifier`.
#[macro_export]
macro_rules! tls13_signatures {
    () => {
        fn verify_tls12_signature(
            &self,
            _: &[u8],
            _: &$crate::tls::rustls_pki_types::CertificateDer<'_>,
            _: &$crate::tls::rustls::DigitallySignedStruct,
        ) -> ::core::result::Result<
            $crate::tls::rustls::client::danger::HandshakeSignatureValid,
            $crate::tls::rustls::Error,
        > {
            // never asked: no other version is offered
            Err($crate::tls::rustls::Error::General("TLS 1.3 only".into()))
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &$crate::tls::rustls_pki_types::CertificateDer<'_>,
            signature: &$crate::tls::rustls::DigitallySignedStruct,
        ) -> ::core::result::Result<
            $crate::tls::rustls::client::danger::HandshakeSignatureValid,
            $crate::tls::rustls::Error,
        > {
            let algorithms = $crate::tls::provider().signature_verification_algorithms;
            $crate::tls::rustls::crypto::verify_tls13_signature(
                message,
                certificate,
                signature,
                &algorithms,
            )
        }

        fn supported_verify_schemes(
            &self,
        ) -> ::std::vec::Vec<$crate::tls::rustls::SignatureScheme> {
            $crate::tls::provider().signature_verification_algorithms.supported_schemes()
        }
    };
}
