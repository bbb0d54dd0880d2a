//! Small CAs, and certificates of them, made as the coordinator makes them.

use std::net::IpAddr;

use pilaster_common::certificate::{self, CertificateFacts};
use pilaster_common::clock::Timestamp;
use pilaster_common::pem::Pair;
use pilaster_common::profile::Profile;
use pilaster_common::secret::PrivateKey;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    SanType,
};
use rustls_pki_types::CertificateDer;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(86_400);

/// A CA.
pub(crate) struct TestCa {
    pub(crate) root: CertificateDer<'static>,
    params: CertificateParams,
    key: KeyPair,
}

/// What a leaf says.
#[derive(Default)]
pub(crate) struct Says<'a> {
    pub(crate) common_name: &'a str,
    pub(crate) names: &'a [&'a str],
    pub(crate) addresses: &'a [IpAddr],
    pub(crate) uri: Option<&'a str>,
}

impl TestCa {
    pub(crate) fn new(name: &str) -> Self {
        let key = KeyPair::generate().expect("random bytes");
        let mut params = dated();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).expect("signs").der().clone();
        Self { root, params, key }
    }

    pub(crate) fn pin(&self) -> [u8; 32] {
        certificate::key_hash(&certificate::read(&self.root).expect("own").public_key)
    }

    /// A pair whose chain is the leaf alone.
    pub(crate) fn leaf(&self, profile: Profile, says: &Says<'_>) -> Pair {
        let key = PrivateKey::generate().expect("random bytes");
        let leaf = self.sign(profile, &key.public_key(), says);
        Pair::new(vec![leaf], key).expect("own key")
    }

    /// A certificate for another's key, given as SubjectPublicKeyInfo.
    pub(crate) fn sign(
        &self,
        profile: Profile,
        key: &[u8],
        says: &Says<'_>,
    ) -> CertificateDer<'static> {
        let mut params = dated();
        params.distinguished_name.push(DnType::CommonName, says.common_name);
        params.subject_alt_names = says
            .names
            .iter()
            .map(|name| SanType::DnsName((*name).try_into().expect("ASCII")))
            .chain(says.addresses.iter().map(|address| SanType::IpAddress(*address)))
            .chain(says.uri.iter().map(|uri| SanType::URI((*uri).try_into().expect("ASCII"))))
            .collect();
        params.is_ca = IsCa::ExplicitNoCa;
        params.use_authority_key_identifier_extension = true;
        let usages = profile.usages();
        if usages.server_auth {
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        }
        if usages.client_auth {
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
        }
        let issuer = Issuer::from_params(&self.params, &self.key);
        let key = rcgen::SubjectPublicKeyInfo::from_der(key).expect("a public key");
        params.signed_by(&key, &issuer).expect("signs").der().clone()
    }
}

/// When each test begins.
pub(crate) const fn now() -> Timestamp {
    Timestamp::from_unix(1_800_000_000)
}

/// What a leaf with this serial says: a day old, and good for so long.
pub(crate) fn leaf(serial: u8, left: Duration) -> CertificateFacts {
    CertificateFacts {
        serial: vec![serial],
        not_before: now().minus(DAY),
        not_after: now().plus(left),
        common_name: String::new(),
        names: Vec::new(),
        addresses: Vec::new(),
        client_auth: false,
        uris: Vec::new(),
        public_key: vec![serial],
        key_id: Vec::new(),
        issuer_key_id: Vec::new(),
    }
}

/// A day old, ten days to go.
fn dated() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.not_before = now().minus(DAY).to_offset_date_time();
    params.not_after = now().plus(10 * DAY).to_offset_date_time();
    params
}
