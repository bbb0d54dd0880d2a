//! What every conversion of a message needs: the error that names a field, and checks at the door.

use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use pilaster_common::error::{Code, Help, code};
use pilaster_common::etcd_conf::ServiceManager;
use pilaster_common::profile::Profile;
use rustls_pki_types::CertificateDer;

use crate::agent::v1 as pb;

/// A message that is not as agreed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the other side sent {field} that cannot be used: {cause}")]
pub struct BadMessage {
    /// Which field, as in the `.proto` file.
    pub field: &'static str,
    /// Why.
    pub cause: String,
}

impl Help for BadMessage {
    fn help(&self) -> Option<String> {
        Some("agent and coordinator must fit each other: pilaster-agent --version and pilaster-coordinator --version".into())
    }

    fn code(&self) -> Code {
        code::MESSAGE
    }
}

pub(crate) fn bad(field: &'static str, cause: impl ToString) -> BadMessage {
    BadMessage { field, cause: cause.to_string() }
}

pub(crate) fn unknown(field: &'static str) -> BadMessage {
    bad(field, "unknown value")
}

pub(crate) fn required<T>(field: &'static str, value: Option<T>) -> Result<T, BadMessage> {
    value.ok_or_else(|| bad(field, "missing"))
}

pub(crate) fn parsed<T: FromStr<Err: ToString>>(
    field: &'static str,
    text: &str,
) -> Result<T, BadMessage> {
    text.parse().map_err(|cause: T::Err| bad(field, cause))
}

pub(crate) fn each<T, U>(
    values: impl IntoIterator<Item = T>,
    convert: impl FnMut(T) -> Result<U, BadMessage>,
) -> Result<Vec<U>, BadMessage> {
    values.into_iter().map(convert).collect()
}

/// Exactly so many bytes.
pub(crate) fn sized<const N: usize>(
    field: &'static str,
    bytes: &[u8],
) -> Result<[u8; N], BadMessage> {
    bytes.try_into().map_err(|_| bad(field, format!("{} bytes, {N} are wanted", bytes.len())))
}

pub(crate) fn span(field: &'static str, seconds: i64) -> Result<Duration, BadMessage> {
    u64::try_from(seconds).map(Duration::from_secs).map_err(|_| bad(field, "below zero"))
}

pub(crate) fn seconds(span: Duration) -> i64 {
    span.as_secs().try_into().unwrap_or(i64::MAX)
}

/// Empty is none.
pub(crate) fn some_bytes(bytes: Vec<u8>) -> Option<Vec<u8>> {
    (!bytes.is_empty()).then_some(bytes)
}

/// IP addresses, sorted.
pub(crate) fn addresses(field: &'static str, texts: &[String]) -> Result<Vec<IpAddr>, BadMessage> {
    let mut addresses: Vec<IpAddr> = each(texts, |text| parsed(field, text))?;
    addresses.sort();
    Ok(addresses)
}

pub(crate) fn texts<T: ToString>(values: impl IntoIterator<Item = T>) -> Vec<String> {
    values.into_iter().map(|value| value.to_string()).collect()
}

pub(crate) fn certificates(chain: Vec<Vec<u8>>) -> Vec<CertificateDer<'static>> {
    chain.into_iter().map(CertificateDer::from).collect()
}

pub(crate) fn bytes(chain: &[CertificateDer<'static>]) -> Vec<Vec<u8>> {
    chain.iter().map(|certificate| certificate.to_vec()).collect()
}

/// Both directions between an enumeration of ours and a message's, whose variants have the same
/// names.
macro_rules! enumeration {
    ($ours:ty, $theirs:ident: $($name:ident = $number:ident),* $(,)?) => {
        impl From<$ours> for pb::$theirs {
            fn from(value: $ours) -> Self {
                match value {
                    $(<$ours>::$name => Self::$number),*
                }
            }
        }

        impl pb::$theirs {
            /// Ours; `None` where it is not said, or not known here.
            pub(crate) fn ours(number: i32) -> Option<$ours> {
                match Self::try_from(number) {
                    $(Ok(Self::$number) => Some(<$ours>::$name),)*
                    Ok(Self::Unspecified) | Err(_) => None,
                }
            }
        }
    };
}
pub(crate) use enumeration;

enumeration!(Profile, Profile: Agent = Agent, Server = Server, Peer = Peer, Client = Client);
enumeration!(ServiceManager, ServiceManager: OpenRc = Openrc, Systemd = Systemd);

pub(crate) fn profile(field: &'static str, number: i32) -> Result<Profile, BadMessage> {
    pb::Profile::ours(number).ok_or_else(|| unknown(field))
}

/// The profile of one of a node's certificates for etcd.
pub(crate) fn leaf_profile(field: &'static str, number: i32) -> Result<Profile, BadMessage> {
    match profile(field, number)? {
        Profile::Agent => Err(bad(field, "the identity is no certificate of etcd's")),
        leaf => Ok(leaf),
    }
}
