//! The one file that holds a certificate chain and its key, so that one rename replaces both
//! (promise 7).
//!
//! The chain stands first, the leaf at its head, and the PKCS#8 key last: etcd takes the file for
//! `cert-file` and `key-file` alike.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use zeroize::Zeroizing;

use crate::error::Help;
use crate::secret::{KeyError, PrivateKey};

const KEY_BEGINS: &str = "-----BEGIN PRIVATE KEY-----";

/// Why a file is no pair of a chain and its key.
#[derive(Debug, thiserror::Error)]
pub enum BadPair {
    /// No certificate in it.
    #[error("no certificate in the file")]
    NoCertificate,
    /// A block that does not decode.
    #[error("a PEM block does not decode")]
    Pem(#[source] rustls_pki_types::pem::Error),
    /// The key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The leaf is not readable.
    #[error(transparent)]
    Certificate(#[from] crate::certificate::BadCertificate),
    /// The key belongs to another certificate.
    #[error("the key is not the one of the certificate")]
    Mismatch,
}

impl Help for BadPair {}

/// A chain, leaf first, and the leaf's key.
#[derive(Debug)]
pub struct Pair {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKey,
}

impl Pair {
    /// Puts a chain and a key together.
    ///
    /// # Errors
    /// When the chain is empty or its leaf has another key.
    pub fn new(chain: Vec<CertificateDer<'static>>, key: PrivateKey) -> Result<Self, BadPair> {
        let leaf = chain.first().ok_or(BadPair::NoCertificate)?;
        if crate::certificate::read(leaf)?.public_key != key.public_key() {
            return Err(BadPair::Mismatch);
        }
        Ok(Self { chain, key })
    }

    /// Reads the file's content.
    ///
    /// # Errors
    /// When a part is missing, does not decode, or does not fit the other.
    pub fn from_pem(text: &[u8]) -> Result<Self, BadPair> {
        Self::new(certificates(text)?, PrivateKey::from_pem(text)?)
    }

    /// The file's content.
    pub fn to_pem(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(encode_certificates(&self.chain));
        text.push_str(&self.key.to_pem());
        text
    }

    /// The chain, leaf first.
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The leaf.
    pub fn leaf(&self) -> &CertificateDer<'static> {
        &self.chain[0]
    }

    /// The leaf's key.
    pub fn key(&self) -> &PrivateKey {
        &self.key
    }
}

/// Every certificate of a PEM text; other blocks are passed over.
///
/// # Errors
/// When a block does not decode.
pub fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, BadPair> {
    CertificateDer::pem_slice_iter(text).collect::<Result<_, _>>().map_err(BadPair::Pem)
}

/// Certificates as PEM text, in the order given.
pub fn encode_certificates<'a>(
    chain: impl IntoIterator<Item = &'a CertificateDer<'static>>,
) -> String {
    chain.into_iter().map(|der| encode_block("CERTIFICATE", der)).collect()
}

/// The part of a file that may be hashed, shown or sent: all before the key (promise 1).
pub fn public_part(text: &str) -> &str {
    text.find(KEY_BEGINS).map_or(text, |at| &text[..at])
}

fn encode_block(label: &str, der: &[u8]) -> String {
    let body = data_encoding::BASE64.encode(der);
    let mut text = format!("-----BEGIN {label}-----\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64)); // RFC 7468, 2
        text.push_str(line);
        text.push('\n');
        rest = more;
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}
