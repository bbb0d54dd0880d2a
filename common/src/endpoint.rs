//! Where a coordinator is dialled.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Help;

/// Longest text: a host name of 253 bytes, brackets or a colon, and a port.
const BYTES_MAX: usize = 260;

/// `host:port`, of printable ASCII and with a port above 0. A host is a name or an address; it is
/// not looked up here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Endpoint(String);

/// What is no `host:port`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no host:port")]
pub struct BadEndpoint(String);

impl Help for BadEndpoint {
    fn help(&self) -> Option<String> {
        Some("give a name or an address, and a port, such as 192.168.7.2:7443".into())
    }
}

impl Endpoint {
    /// The part before the port.
    pub fn host(&self) -> &str {
        self.0.rsplit_once(':').map_or("", |(host, _)| host)
    }
}

impl FromStr for Endpoint {
    type Err = BadEndpoint;

    fn from_str(text: &str) -> Result<Self, BadEndpoint> {
        let is_good = text.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0)
        });
        let is_plain = text.len() <= BYTES_MAX && text.chars().all(|c| c.is_ascii_graphic());
        if is_good && is_plain { Ok(Self(text.into())) } else { Err(BadEndpoint(text.into())) }
    }
}

impl TryFrom<String> for Endpoint {
    type Error = BadEndpoint;

    fn try_from(text: String) -> Result<Self, BadEndpoint> {
        text.parse()
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> Self {
        endpoint.0
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl AsRef<str> for Endpoint {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_a_host_and_a_port() {
        for good in ["192.168.7.2:7443", "ws.lan:1", "[fd00::1]:7443"] {
            assert_eq!(good.parse::<Endpoint>().expect(good).to_string(), good);
        }
        assert_eq!("[fd00::1]:7443".parse::<Endpoint>().expect("good").host(), "[fd00::1]");
        for bad in ["", ":1", "a:", "a", "a:0", "a:65536", "a b:1", "a:1\n", "ä:1"] {
            assert!(bad.parse::<Endpoint>().is_err(), "{bad}");
        }
        assert!(format!("{}:1", "a".repeat(259)).parse::<Endpoint>().is_err());
    }
}
