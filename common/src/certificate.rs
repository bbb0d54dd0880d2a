//! What a certificate or a certificate request says, read from its DER.

use std::net::IpAddr;

use ring::digest;
use rustls_pki_types::CertificateDer;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::clock::Timestamp;
use crate::error::Help;

/// A certificate or a request that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadCertificate {
    /// Not DER, or not a certificate.
    #[error("not an X.509 certificate")]
    Malformed,
    /// Bytes behind the end.
    #[error("bytes after the end")]
    Trailing,
    /// A CSR that is not PKCS#10.
    #[error("not a PKCS#10 certificate request")]
    MalformedRequest,
    /// Another key or signature algorithm than P-256 with ecdsa-with-SHA256.
    #[error("a certificate request of another algorithm than P-256 with SHA-256")]
    Algorithm,
    /// The request is not signed by its own key.
    #[error("the certificate request is not signed by its own key")]
    Signature,
    /// Larger than a request of ours ever is.
    #[error("a certificate request of {length} bytes, {max} are allowed")]
    TooLarge {
        /// Bytes given.
        length: usize,
        /// Bytes allowed.
        max: usize,
    },
}

impl Help for BadCertificate {}

/// What a certificate says, as far as Pilaster cares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Big-endian, without leading zeros.
    pub serial: Vec<u8>,
    /// From when it is valid.
    pub not_before: Timestamp,
    /// Until when it is valid.
    pub not_after: Timestamp,
    /// Common name of the subject; empty where there is none.
    pub common_name: String,
    /// DNS names, sorted.
    pub names: Vec<String>,
    /// IP addresses, sorted.
    pub addresses: Vec<IpAddr>,
    /// URIs, in order.
    pub uris: Vec<String>,
    /// Whether its extended key usages have clientAuth (RFC 5280, 4.2.1.12).
    pub client_auth: bool,
    /// DER of the SubjectPublicKeyInfo.
    pub public_key: Vec<u8>,
    /// Subject key identifier; empty where there is none.
    pub key_id: Vec<u8>,
    /// Authority key identifier; empty where there is none.
    pub issuer_key_id: Vec<u8>,
}

/// SHA-256 of a SubjectPublicKeyInfo: how a key is pinned, and known.
pub fn key_hash(public_key: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest::digest(&digest::SHA256, public_key).as_ref());
    hash
}

/// Reads a certificate.
///
/// # Errors
/// When it is not one, or bytes follow it.
pub fn read(der: &CertificateDer<'_>) -> Result<CertificateFacts, BadCertificate> {
    let (rest, certificate) =
        X509Certificate::from_der(der).map_err(|_| BadCertificate::Malformed)?;
    if !rest.is_empty() {
        return Err(BadCertificate::Trailing);
    }
    let mut facts = CertificateFacts {
        serial: certificate.tbs_certificate.serial.to_bytes_be(),
        not_before: Timestamp::from_unix(certificate.validity().not_before.timestamp()),
        not_after: Timestamp::from_unix(certificate.validity().not_after.timestamp()),
        common_name: certificate
            .subject()
            .iter_common_name()
            .find_map(|name| name.as_str().ok())
            .unwrap_or_default()
            .into(),
        names: Vec::new(),
        addresses: Vec::new(),
        uris: Vec::new(),
        client_auth: false,
        public_key: certificate.public_key().raw.to_vec(),
        key_id: Vec::new(),
        issuer_key_id: Vec::new(),
    };
    for extension in certificate.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(san) => {
                san.general_names.iter().for_each(|name| add_name(&mut facts, name));
            }
            ParsedExtension::ExtendedKeyUsage(usages) => facts.client_auth = usages.client_auth,
            ParsedExtension::SubjectKeyIdentifier(id) => facts.key_id = id.0.to_vec(),
            ParsedExtension::AuthorityKeyIdentifier(id) => {
                facts.issuer_key_id =
                    id.key_identifier.as_ref().map(|id| id.0.to_vec()).unwrap_or_default();
            }
            _ => {}
        }
    }
    facts.names.sort();
    facts.addresses.sort();
    Ok(facts)
}

fn add_name(facts: &mut CertificateFacts, name: &GeneralName<'_>) {
    match name {
        GeneralName::DNSName(name) => facts.names.push((*name).into()),
        GeneralName::URI(uri) => facts.uris.push((*uri).into()),
        GeneralName::IPAddress(bytes) => {
            if let Ok(v4) = <[u8; 4]>::try_from(*bytes) {
                facts.addresses.push(v4.into());
            } else if let Ok(v6) = <[u8; 16]>::try_from(*bytes) {
                facts.addresses.push(v6.into());
            }
        }
        _ => {}
    }
}

/// Checks a certificate request and answers its public key, DER. Whatever else it asks for is
/// ignored (promise 2).
///
/// # Errors
/// When it is too large, malformed, of another algorithm, or not signed by its own key.
pub fn read_request(der: &[u8]) -> Result<Vec<u8>, BadCertificate> {
    const MAX: usize = 2048; // docs/PROTOCOL.md, Join: a P-256 request without names has about 200 bytes
    if der.len() > MAX {
        return Err(BadCertificate::TooLarge { length: der.len(), max: MAX });
    }
    let (rest, request) =
        X509CertificationRequest::from_der(der).map_err(|_| BadCertificate::MalformedRequest)?;
    if !rest.is_empty() {
        return Err(BadCertificate::Trailing);
    }
    let public_key = &request.certification_request_info.subject_pki;
    let key_algorithm = x509_parser::oid_registry::OID_KEY_TYPE_EC_PUBLIC_KEY;
    let curve = public_key.algorithm.parameters.as_ref().and_then(|any| any.as_oid().ok());
    if request.signature_algorithm.algorithm != x509_parser::oid_registry::OID_SIG_ECDSA_WITH_SHA256
        || public_key.algorithm.algorithm != key_algorithm
        || curve != Some(x509_parser::oid_registry::OID_EC_P256)
    {
        return Err(BadCertificate::Algorithm);
    }
    ring::signature::UnparsedPublicKey::new(
        &ring::signature::ECDSA_P256_SHA256_ASN1,
        &public_key.subject_public_key.data,
    )
    .verify(request.certification_request_info.raw, &request.signature_value.data)
    .map_err(|_| BadCertificate::Signature)?;
    Ok(public_key.raw.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::PrivateKey;

    #[test]
    fn a_request_gives_its_key_and_nothing_else() {
        let key = PrivateKey::generate().expect("random bytes");
        let csr = key.to_csr().expect("signs");
        assert_eq!(read_request(&csr).expect("good"), key.public_key());
    }

    #[test]
    fn bad_requests_are_refused() {
        let csr = PrivateKey::generate().and_then(|key| key.to_csr()).expect("signs");
        let mut tampered = csr.clone();
        let last = tampered.len() - 1;
        tampered[last] ^= 1;
        assert!(matches!(
            read_request(&tampered),
            Err(BadCertificate::Signature | BadCertificate::MalformedRequest)
        ));
        let mut trailing = csr.clone();
        trailing.push(0);
        assert_eq!(read_request(&trailing), Err(BadCertificate::Trailing));
        assert_eq!(read_request(b"nonsense"), Err(BadCertificate::MalformedRequest));
        assert!(matches!(read_request(&[0; 3000]), Err(BadCertificate::TooLarge { .. })));
        let other =
            rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).expect("random bytes");
        let csr = rcgen::CertificateParams::default().serialize_request(&other).expect("signs");
        assert_eq!(read_request(csr.der()), Err(BadCertificate::Algorithm));
    }
}
