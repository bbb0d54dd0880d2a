//! What a person is told about the packages: where they are, and the key that signs them.

use std::fmt;
use std::net::SocketAddr;

use pilaster_common::endpoint::Endpoint;
use serde::{Deserialize, Serialize};

use super::PublicKey;

/// Packages that nodes may fetch.
#[derive(Debug, Clone)]
pub struct Offer {
    key: PublicKey,
    listens: SocketAddr,
}

impl Offer {
    /// Signed by `key`, at `listens`.
    pub fn new(key: PublicKey, listens: SocketAddr) -> Self {
        Self { key, listens }
    }

    /// For a node: at the address that it listens on or, where that is every one, at the host of
    /// the first endpoint. None without one.
    pub(crate) fn to_source(&self, endpoints: &[Endpoint]) -> Option<PackageSource> {
        let place = if self.listens.ip().is_unspecified() {
            format!("{}:{}", endpoints.first()?.host(), self.listens.port())
        } else {
            self.listens.to_string()
        };
        Some(PackageSource {
            url: format!("http://{place}"),
            key_name: self.key.name.clone(),
            key_sha256: self.key.sha256.clone(),
        })
    }
}

/// Where nodes get the agent's package. The hash comes by a way that can be trusted; the key itself
/// does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageSource {
    /// `http://host:port`.
    pub url: String,
    /// As apk knows it.
    pub key_name: String,
    /// Of the key's file, in hex.
    pub key_sha256: String,
}

impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}, signed by {}", self.listens, self.key.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(listens: &str, endpoints: &[&str]) -> Option<String> {
        let key = PublicKey { name: "k.rsa.pub".into(), sha256: "00".into() };
        let endpoints: Vec<Endpoint> =
            endpoints.iter().map(|endpoint| endpoint.parse().expect("good")).collect();
        Some(Offer::new(key, listens.parse().expect("good")).to_source(&endpoints)?.url)
    }

    #[test]
    fn nodes_fetch_packages_where_they_dial_the_coordinator() {
        let endpoints = ["192.168.7.2:7443", "10.0.0.2:7443"];
        assert_eq!(url("0.0.0.0:7480", &endpoints).as_deref(), Some("http://192.168.7.2:7480"));
        assert_eq!(url("10.0.0.2:80", &endpoints).as_deref(), Some("http://10.0.0.2:80"));
        assert_eq!(url("[fd00::1]:7480", &endpoints).as_deref(), Some("http://[fd00::1]:7480"));
        assert_eq!(url("[::]:7480", &["[fd00::2]:7443"]).as_deref(), Some("http://[fd00::2]:7480"));
        assert_eq!(url("0.0.0.0:7480", &[]), None);
    }
}
