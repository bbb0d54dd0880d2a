//! What a person is told about the packages: where they are, and the key that signs them.

use std::fmt;
use std::net::SocketAddr;

use pilaster_proto::admin::v1 as pb;

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

    /// For the admin API: at the address that it listens on or, where that is every one, at the host of the first endpoint. None without one.
    pub(crate) fn to_wire(&self, endpoints: &[String]) -> Option<pb::Repository> {
        let place = if self.listens.ip().is_unspecified() {
            format!("{}:{}", endpoints.first()?.rsplit_once(':')?.0, self.listens.port())
        } else {
            self.listens.to_string()
        };
        Some(pb::Repository {
            url: format!("http://{place}"),
            key_name: self.key.name.clone(),
            key_sha256: self.key.sha256.clone(),
        })
    }
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
        let endpoints: Vec<String> = endpoints.iter().map(|&endpoint| endpoint.into()).collect();
        Some(Offer::new(key, listens.parse().expect("good")).to_wire(&endpoints)?.url)
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
