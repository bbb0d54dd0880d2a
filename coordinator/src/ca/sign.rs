//! Makes certificates: a CA's key, a public key and what [`super::issue`] decided in; DER out.

use pilaster_common::certificate::{self, BadCertificate};
use pilaster_common::clock::Timestamp;
use pilaster_common::error::Help;
use pilaster_common::pem::{BadPair, Pair};
use pilaster_common::profile::Usages;
use pilaster_common::secret::{KeyError, PrivateKey};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyUsagePurpose, SanType, SerialNumber, SubjectPublicKeyInfo,
};
use ring::rand::{SecureRandom, SystemRandom};
use rustls_pki_types::CertificateDer;

use super::issue::{Leaf, ROOT_BACKDATED, ROOT_LIFE};

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// rcgen refuses the values.
    #[error("cannot make the certificate of {subject}")]
    Make {
        /// Common name.
        subject: String,
        /// Why.
        source: rcgen::Error,
    },
    /// A name that a certificate cannot carry.
    #[error("{name:?} cannot stand in a certificate")]
    Name {
        /// Which.
        name: String,
        /// Why.
        source: rcgen::Error,
    },
    /// No random bytes.
    #[error("the operating system has no random bytes to give")]
    Random,
    /// The CA's end has come.
    #[error("the CA {ca} ended on {end}")]
    Ended {
        /// Its common name.
        ca: String,
        /// Its last day.
        end: String,
    },
    /// The key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The pair.
    #[error(transparent)]
    Pair(#[from] BadPair),
    /// A certificate of ours does not read back.
    #[error(transparent)]
    Certificate(#[from] BadCertificate),
}

impl Help for SignError {
    fn help(&self) -> Option<String> {
        match self {
            Self::Ended { .. } => Some("look at the clock of this machine: date".into()),
            _ => None,
        }
    }
}

/// How far below a root its certificates may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathLength {
    /// `pathlen:1`: leaves, and a cross-certificate in between. With 0, Go refuses the cross chain.
    One,
    /// The control root.
    Unbounded,
}

/// A CA: its root certificate and key.
#[derive(Debug)]
pub struct Authority {
    pair: Pair,
    common_name: String,
    not_after: Timestamp,
    key_id: Vec<u8>,
}

impl Authority {
    /// Makes a new root: `<label> CA <date> <8 hex digits of its key id>`, so that no two
    /// generations share a name.
    ///
    /// # Errors
    /// When there are no random bytes or rcgen refuses.
    pub fn generate(
        label: &str,
        path_length: PathLength,
        now: Timestamp,
    ) -> Result<Self, SignError> {
        let key = PrivateKey::generate()?;
        let mut params = CertificateParams::default();
        let id = params.key_identifier(key.pair());
        let subject =
            format!("{label} CA {} {}", now.date(), data_encoding::HEXLOWER.encode(&id[..4]));
        let subject = &subject[subject.len().saturating_sub(64)..]; // ASCII: a label is a DNS label and a word
        params.distinguished_name = name(subject);
        params.is_ca = IsCa::Ca(match path_length {
            PathLength::One => BasicConstraints::Constrained(1),
            PathLength::Unbounded => BasicConstraints::Unconstrained,
        });
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.serial_number = Some(serial()?);
        params.not_before = now.minus(ROOT_BACKDATED).to_offset_date_time();
        params.not_after = now.plus(ROOT_LIFE).to_offset_date_time();
        let root = params
            .self_signed(key.pair())
            .map_err(|source| SignError::Make { subject: subject.into(), source })?;
        Self::from_pair(Pair::new(vec![root.der().clone()], key)?)
    }

    /// Takes up a root that was made before.
    ///
    /// # Errors
    /// When its certificate does not read.
    pub fn from_pair(pair: Pair) -> Result<Self, SignError> {
        let facts = certificate::read(pair.leaf())?;
        Ok(Self {
            common_name: facts.common_name,
            not_after: facts.not_after,
            key_id: facts.key_id,
            pair,
        })
    }

    /// Signs `public_key` (SubjectPublicKeyInfo, DER) as what `leaf` says; ends with the CA at the
    /// latest.
    ///
    /// # Errors
    /// When the CA has ended, or rcgen refuses.
    pub fn sign(
        &self,
        leaf: &Leaf,
        public_key: &[u8],
    ) -> Result<CertificateDer<'static>, SignError> {
        if self.not_after <= leaf.not_before {
            return Err(SignError::Ended {
                ca: self.common_name.clone(),
                end: self.not_after.date(),
            });
        }
        let make = |source| SignError::Make { subject: leaf.common_name.clone(), source };
        let mut params = CertificateParams::default();
        params.distinguished_name = name(&leaf.common_name);
        params.subject_alt_names = alternative_names(leaf)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = extended_usages(leaf.usages);
        params.serial_number = Some(serial()?);
        params.use_authority_key_identifier_extension = true;
        params.not_before = leaf.not_before.to_offset_date_time();
        params.not_after = leaf.not_after.min(self.not_after).to_offset_date_time();
        let public_key = SubjectPublicKeyInfo::from_der(public_key).map_err(make)?;
        let issuer =
            Issuer::from_ca_cert_der(self.pair.leaf(), self.pair.key().pair()).map_err(make)?;
        let certificate = params.signed_by(&public_key, &issuer).map_err(make)?;
        Ok(certificate.der().clone())
    }

    /// The root certificate.
    pub fn root(&self) -> &CertificateDer<'static> {
        self.pair.leaf()
    }

    /// What everybody may know of it.
    pub fn to_root(&self) -> Root {
        let (certificate, key_id) = (self.root().clone(), self.key_id.clone());
        Root { certificate, key_id, not_after: self.not_after }
    }

    /// Root and key, for the vault.
    pub(super) fn pair(&self) -> &Pair {
        &self.pair
    }

    /// Subject key identifier of the root.
    pub fn key_id(&self) -> &[u8] {
        &self.key_id
    }

    /// When the root ends.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// SHA-256 of the root's public key: what a token pins.
    pub fn pin(&self) -> [u8; 32] {
        certificate::key_hash(&self.pair.key().public_key())
    }
}

/// The public part of a CA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Self-signed.
    pub certificate: CertificateDer<'static>,
    /// Its subject key identifier.
    pub key_id: Vec<u8>,
    /// Its end.
    pub not_after: Timestamp,
}

fn name(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

fn alternative_names(leaf: &Leaf) -> Result<Vec<SanType>, SignError> {
    let text = |name: &String| {
        name.as_str().try_into().map_err(|source| SignError::Name { name: name.clone(), source })
    };
    let mut all = Vec::new();
    for dns in &leaf.names {
        all.push(SanType::DnsName(text(dns)?));
    }
    all.extend(leaf.addresses.iter().map(|address| SanType::IpAddress(*address)));
    if let Some(uri) = &leaf.uri {
        all.push(SanType::URI(text(uri)?));
    }
    Ok(all)
}

fn extended_usages(usages: Usages) -> Vec<ExtendedKeyUsagePurpose> {
    let mut all = Vec::new();
    if usages.server_auth {
        all.push(ExtendedKeyUsagePurpose::ServerAuth);
    }
    if usages.client_auth {
        all.push(ExtendedKeyUsagePurpose::ClientAuth);
    }
    all
}

/// 128 random bits, positive and not zero (RFC 5280, 4.1.2.2). rcgen's default would repeat with
/// the key.
fn serial() -> Result<SerialNumber, SignError> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| SignError::Random)?;
    bytes[0] = bytes[0] & 0x7f | 0x40;
    Ok(SerialNumber::from_slice(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ca::issue;

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
    const LIFE: std::time::Duration = std::time::Duration::from_secs(365 * 86_400);

    /// What a leaf is made of, signed for the key of a request that asks for more.
    fn signed_for(
        change: impl FnOnce(&mut CertificateParams),
    ) -> (Authority, CertificateDer<'static>) {
        let key = rcgen::KeyPair::generate().expect("random bytes");
        let mut params = CertificateParams::new(vec!["other.example".to_owned()]).expect("good");
        change(&mut params);
        let csr = params.serialize_request(&key).expect("signs");
        let public_key = certificate::read_request(csr.der()).expect("signed by its key");
        let ca = Authority::generate("x client", PathLength::One, NOW).expect("makes");
        let leaf = ca.sign(&issue::client("admin", LIFE, NOW), &public_key).expect("signs");
        (ca, leaf)
    }

    #[test]
    fn csr_asking_for_ca_true_gets_a_leaf() {
        let (ca, leaf) = signed_for(|params| {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        });
        let (_, parsed) = x509_parser::parse_x509_certificate(&leaf).expect("parses");
        assert!(!parsed.is_ca());
        let usages = parsed.key_usage().expect("parses").expect("has some").value;
        assert!(usages.digital_signature() && !usages.key_cert_sign());
        assert_eq!(certificate::read(&leaf).expect("reads").issuer_key_id, ca.key_id());
    }

    #[test]
    fn csr_with_foreign_names_gets_own_names() {
        let (_, leaf) = signed_for(|params| {
            params.distinguished_name.push(rcgen::DnType::CommonName, "root");
        });
        let facts = certificate::read(&leaf).expect("reads");
        assert!(facts.names.is_empty());
        assert_eq!(facts.common_name, "admin");
    }

    #[test]
    fn a_leaf_never_outlives_its_ca() {
        let ca = Authority::generate("x client", PathLength::One, NOW).expect("makes");
        let key = PrivateKey::generate().expect("random bytes");
        let late = ca.not_after().minus(std::time::Duration::from_secs(3600));
        let leaf = ca.sign(&issue::client("admin", LIFE, late), &key.public_key()).expect("signs");
        assert_eq!(certificate::read(&leaf).expect("reads").not_after, ca.not_after());
        let after = ca.not_after().plus(std::time::Duration::from_secs(2 * 86_400));
        assert!(matches!(
            ca.sign(&issue::client("admin", LIFE, after), &key.public_key()),
            Err(SignError::Ended { .. })
        ));
    }

    #[test]
    fn the_same_key_gets_another_serial_each_time() {
        let ca = Authority::generate("x client", PathLength::One, NOW).expect("makes");
        let key = PrivateKey::generate().expect("random bytes");
        let serial = || {
            let leaf =
                ca.sign(&issue::client("admin", LIFE, NOW), &key.public_key()).expect("signs");
            certificate::read(&leaf).expect("reads").serial
        };
        let (one, two) = (serial(), serial());
        assert_ne!(one, two);
        assert_eq!(one.len(), 16);
    }
}
