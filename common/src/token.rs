//! The join token, and the proof that its holder knows it (docs/PROTOCOL.md, Token and Join).
//!
//! `pj1_<id>_<pin>_<secret>_<check>` in lower-case Crockford base32. The secret never travels: the
//! agent sends a MAC over the TLS connection's exporter, its CSR and its name, so that a proof
//! cannot be moved to another connection or another key.

use std::fmt;
use std::str::FromStr;

use data_encoding::{Encoding, Specification};
use ring::{digest, hkdf, hmac};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::error::Help;

const PREFIX: &str = "pj1";
const CHECK_LENGTH: usize = 4;

/// Binds a proof to its connection (RFC 9266, 4.2): 32 bytes of TLS exporter with this label and no
/// context.
pub const EXPORTER_LABEL: &[u8] = b"EXPORTER-Channel-Binding";

/// 32 bytes that both ends of one TLS connection know and nobody else does.
pub type Exporter = [u8; 32];

/// Why a text is no token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadToken {
    /// Another prefix or another number of parts.
    #[error("the text is no join token: one reads pj1_…_…_…_…")]
    Shape,
    /// A part that does not decode, or has another length.
    #[error("the {part} of the token has a wrong length or a character that no token has")]
    Part {
        /// Which.
        part: &'static str,
    },
    /// The check does not fit.
    #[error("the token was cut short or has a typing error: its check does not fit")]
    Check,
}

impl Help for BadToken {
    fn help(&self) -> Option<String> {
        Some("copy the whole token, pj1_ included, or make a new one: coordctl enroll NODE".into())
    }
}

/// A one-time token: which one it is, whom to trust, and what proves it.
#[derive(ZeroizeOnDrop)]
pub struct JoinToken {
    /// Public; the coordinator's key for it.
    #[zeroize(skip)]
    pub id: [u8; 8],
    /// SHA-256 of the control root's SubjectPublicKeyInfo.
    #[zeroize(skip)]
    pub pin: [u8; 32],
    secret: [u8; 16],
}

/// What the coordinator keeps in place of the secret.
#[derive(ZeroizeOnDrop)]
pub struct ProofKey([u8; 32]);

impl JoinToken {
    /// A new token for the control root with this pin.
    ///
    /// # Errors
    /// When the operating system has no random bytes to give.
    pub fn generate(pin: [u8; 32]) -> Result<Self, ring::error::Unspecified> {
        let random = ring::rand::SystemRandom::new();
        let mut token = Self { id: [0; 8], pin, secret: [0; 16] };
        ring::rand::SecureRandom::fill(&random, &mut token.id)?;
        ring::rand::SecureRandom::fill(&random, &mut token.secret)?;
        Ok(token)
    }

    /// The token as a person passes it on. Shown once.
    pub fn reveal(&self) -> Zeroizing<String> {
        let base32 = crockford();
        let text = Zeroizing::new(format!(
            "{PREFIX}_{}_{}_{}",
            base32.encode(&self.id),
            base32.encode(&self.pin),
            base32.encode(&self.secret)
        ));
        Zeroizing::new(format!("{}_{}", *text, base32.encode(&check(&text))))
    }

    /// `HKDF-SHA256(secret, "pilaster join v1")`.
    pub fn proof_key(&self) -> ProofKey {
        let mut key = [0; 32];
        hkdf::Salt::new(hkdf::HKDF_SHA256, &[])
            .extract(&self.secret)
            .expand(&[b"pilaster join v1"], hkdf::HKDF_SHA256)
            .and_then(|okm| okm.fill(&mut key))
            .expect("HKDF-SHA256 gives 32 bytes");
        ProofKey(key)
    }
}

impl ProofKey {
    /// From the coordinator's record.
    pub fn from_bytes(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// For the coordinator's record.
    pub fn to_bytes(&self) -> [u8; 32] {
        self.0
    }

    /// The proof for one connection, one request and one name.
    pub fn prove(&self, exporter: &Exporter, csr: &[u8], node: &str) -> Vec<u8> {
        hmac::sign(&self.key(), &message(exporter, csr, node)).as_ref().to_vec()
    }

    /// Whether `mac` is that proof; takes the same time either way.
    pub fn verify(&self, exporter: &Exporter, csr: &[u8], node: &str, mac: &[u8]) -> bool {
        hmac::verify(&self.key(), &message(exporter, csr, node), mac).is_ok()
    }

    fn key(&self) -> hmac::Key {
        hmac::Key::new(hmac::HMAC_SHA256, &self.0)
    }
}

fn message(exporter: &Exporter, csr: &[u8], node: &str) -> Vec<u8> {
    let csr = digest::digest(&digest::SHA256, csr);
    [b"join".as_slice(), exporter, csr.as_ref(), node.as_bytes()].concat()
}

impl FromStr for JoinToken {
    type Err = BadToken;

    fn from_str(text: &str) -> Result<Self, BadToken> {
        let text = text.trim();
        let (body, given) = text.rsplit_once('_').ok_or(BadToken::Shape)?;
        let [PREFIX, id, pin, secret] = body.split('_').collect::<Vec<_>>()[..] else {
            return Err(BadToken::Shape);
        };
        if crockford().decode(given.as_bytes()).ok().as_deref() != Some(&check(body)) {
            return Err(BadToken::Check);
        }
        let mut token = Self { id: [0; 8], pin: [0; 32], secret: [0; 16] };
        decode("id", id, &mut token.id)?;
        decode("pin", pin, &mut token.pin)?;
        decode("secret", secret, &mut token.secret)?;
        Ok(token)
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinToken(..)")
    }
}

impl fmt::Debug for ProofKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProofKey(..)")
    }
}

fn decode(part: &'static str, text: &str, into: &mut [u8]) -> Result<(), BadToken> {
    let mut bytes = crockford().decode(text.as_bytes()).map_err(|_| BadToken::Part { part })?;
    if bytes.len() != into.len() {
        return Err(BadToken::Part { part });
    }
    into.copy_from_slice(&bytes);
    bytes.zeroize();
    Ok(())
}

fn check(body: &str) -> [u8; CHECK_LENGTH] {
    let mut check = [0; CHECK_LENGTH];
    check.copy_from_slice(
        &digest::digest(&digest::SHA256, body.as_bytes()).as_ref()[..CHECK_LENGTH],
    );
    check
}

/// Crockford's alphabet, lower case, no padding.
fn crockford() -> Encoding {
    let mut alphabet = Specification::new();
    alphabet.symbols.push_str("0123456789abcdefghjkmnpqrstvwxyz");
    alphabet.encoding().expect("32 different symbols")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> JoinToken {
        JoinToken::generate([7; 32]).expect("random bytes")
    }

    #[test]
    fn a_token_reads_back_and_has_about_105_characters() {
        let token = token();
        let text = token.reveal();
        let again: JoinToken = text.parse().expect("own text");
        assert_eq!((again.id, again.pin, again.secret), (token.id, token.pin, token.secret));
        assert_eq!(text.len(), 105);
        assert_eq!(format!("{token:?}"), "JoinToken(..)");
    }

    #[test]
    fn every_cut_and_every_changed_character_is_told() {
        let text = token().reveal();
        for length in 0..text.len() {
            assert!(text[..length].parse::<JoinToken>().is_err(), "{length}");
        }
        for at in 0..text.len() {
            let mut wrong = text.as_bytes().to_vec();
            wrong[at] = if wrong[at] == b'0' { b'1' } else { b'0' };
            let wrong = String::from_utf8(wrong).expect("ASCII");
            assert!(wrong.parse::<JoinToken>().is_err(), "{at}");
        }
    }

    #[test]
    fn a_proof_is_bound_to_connection_request_and_name() {
        let key = token().proof_key();
        let mac = key.prove(&[1; 32], b"csr", "m-1");
        assert!(key.verify(&[1; 32], b"csr", "m-1", &mac));
        assert!(!key.verify(&[2; 32], b"csr", "m-1", &mac));
        assert!(!key.verify(&[1; 32], b"other", "m-1", &mac));
        assert!(!key.verify(&[1; 32], b"csr", "m-2", &mac));
        assert!(!token().proof_key().verify(&[1; 32], b"csr", "m-1", &mac));
    }
}
