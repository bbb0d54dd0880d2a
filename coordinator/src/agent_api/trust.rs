//! Whom the listener trusts, swapped live: connections that stand stay, the next handshake is
//! verified by the new roots.

use std::sync::{Arc, RwLock};

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::ring as provider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};

/// Verifies client certificates against the control roots of the moment.
#[derive(Debug)]
pub struct ControlTrust {
    verifier: RwLock<Arc<dyn ClientCertVerifier>>,
}

impl ControlTrust {
    /// Trusts these roots; there is at least one, and they are our own.
    pub fn new(roots: &[CertificateDer<'static>]) -> Self {
        Self { verifier: RwLock::new(verifier(roots)) }
    }

    /// Trusts these and no others from the next handshake on.
    pub fn swap(&self, roots: &[CertificateDer<'static>]) {
        *self.verifier.write().expect("no holder panics") = verifier(roots);
    }

    fn now(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::clone(&self.verifier.read().expect("no holder panics"))
    }
}

fn verifier(roots: &[CertificateDer<'static>]) -> Arc<dyn ClientCertVerifier> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root.clone()).expect("our own root is a certificate");
    }
    let provider = Arc::new(provider::default_provider());
    WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider)
        .build()
        .expect("at least one root")
}

impl ClientCertVerifier for ControlTrust {
    /// None: agents have one certificate, and names of CAs are nobody's business before the
    /// handshake.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.now().verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.now().verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.now().verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.now().supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use pilaster_common::clock::{Clock, SystemClock};
    use pilaster_common::secret::PrivateKey;

    use super::*;
    use crate::ca::issue;
    use crate::ca::sign::{Authority, PathLength};

    #[test]
    fn the_next_handshake_is_verified_by_the_new_roots() {
        let now = SystemClock.now();
        let root = || Authority::generate("control", PathLength::Unbounded, now).expect("makes");
        let (old, new) = (root(), root());
        let key = PrivateKey::generate().expect("random bytes");
        let life = std::time::Duration::from_secs(3600);
        let leaf = |ca: &Authority| {
            ca.sign(&issue::client("m", life, now), &key.public_key()).expect("signs")
        };
        let trust = ControlTrust::new(&[old.root().clone()]);
        let takes = |ca| trust.verify_client_cert(&leaf(ca), &[], UnixTime::now()).is_ok();
        assert_eq!((takes(&old), takes(&new)), (true, false));
        trust.swap(&[old.root().clone(), new.root().clone()]);
        assert_eq!((takes(&old), takes(&new)), (true, true));
        trust.swap(&[new.root().clone()]);
        assert_eq!((takes(&old), takes(&new)), (false, true));
    }
}
