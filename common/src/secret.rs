//! Private keys that cannot be printed, cloned or put into a message (promise 1).

use std::fmt;

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use zeroize::{Zeroize, Zeroizing};

use crate::error::Help;

/// Why a key could not be made, read or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The operating system gave no random bytes.
    #[error("cannot make a P-256 key")]
    Generate(#[source] rcgen::Error),
    /// Not a PKCS#8 P-256 key.
    #[error("not a private key in PKCS#8 of curve P-256")]
    Parse(#[source] rcgen::Error),
    /// No PEM block of a PKCS#8 key.
    #[error("no PKCS#8 private key in the text")]
    NoKey(#[source] rustls_pki_types::pem::Error),
    /// A CSR could not be signed.
    #[error("cannot sign a certificate request")]
    Request(#[source] rcgen::Error),
}

impl Help for KeyError {}

/// An ECDSA P-256 private key. No `Clone`, no `Serialize`, no `Display`; its bytes are zeroed when
/// dropped.
pub struct PrivateKey {
    pair: KeyPair,
}

impl PrivateKey {
    /// Makes a new key with random bytes of the operating system.
    ///
    /// # Errors
    /// When the operating system has none to give.
    pub fn generate() -> Result<Self, KeyError> {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(KeyError::Generate)?;
        Ok(Self { pair })
    }

    /// Reads the first PKCS#8 key of a PEM text.
    ///
    /// # Errors
    /// When there is none, or it is of another kind.
    pub fn from_pem(text: &[u8]) -> Result<Self, KeyError> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(text).map_err(KeyError::NoKey)?;
        let pair = KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_ECDSA_P256_SHA256)
            .map_err(KeyError::Parse)?;
        Ok(Self { pair })
    }

    /// The key as a PEM block, for the key file only.
    pub fn to_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(self.pair.serialize_pem())
    }

    /// The key for a TLS configuration.
    pub fn to_der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(self.pair.serialize_der().into())
    }

    /// DER of the public half as SubjectPublicKeyInfo (RFC 5280, 4.1.2.7).
    pub fn public_key(&self) -> Vec<u8> {
        self.pair.subject_public_key_info()
    }

    /// The pair, for signing.
    pub fn pair(&self) -> &KeyPair {
        &self.pair
    }

    /// A certificate request, DER, with this key and no names: the coordinator decides those
    /// (promise 2).
    ///
    /// # Errors
    /// When the request cannot be signed.
    pub fn to_csr(&self) -> Result<Vec<u8>, KeyError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        let request = params.serialize_request(&self.pair).map_err(KeyError::Request)?;
        Ok(request.der().to_vec())
    }
}

impl Drop for PrivateKey {
    /// Zeroes the PKCS#8 bytes. The signing half inside ring keeps a copy of the scalar that ring
    /// does not let us reach.
    fn drop(&mut self) {
        self.pair.zeroize();
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_does_not_print_itself() {
        let key = PrivateKey::generate().expect("random bytes");
        assert_eq!(format!("{key:?}"), "PrivateKey(..)");
    }

    #[test]
    fn a_key_survives_its_file() {
        let key = PrivateKey::generate().expect("random bytes");
        let again = PrivateKey::from_pem(key.to_pem().as_bytes()).expect("what was written");
        assert_eq!(key.public_key(), again.public_key());
        assert!(
            PrivateKey::from_pem(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
                .is_err()
        );
        assert!(PrivateKey::from_pem(b"").is_err());
    }
}
