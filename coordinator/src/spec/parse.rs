//! From text to a checked spec: strict, so that a misspelt key is told and not passed over.

use std::net::Ipv4Addr;
use std::time::Duration;

use ipnet::Ipv4Net;
use pilaster_common::error::Help;
use pilaster_common::name::{BadName, ClusterName, DomainName, NodeName};
use serde::Deserialize;

use super::cluster::{ClusterSpec, EtcdSettings, Lifetimes, MemberSpec, Names, Storage};
use super::span::parse_span;

/// Why a spec is refused.
#[derive(Debug, thiserror::Error)]
pub enum BadSpec {
    /// Not YAML, an unknown key, a wrong type, a bad name.
    #[error("line {line}, column {column}: {message}\n{excerpt}")]
    Yaml {
        /// 1 for the first.
        line: usize,
        /// 1 for the first.
        column: usize,
        /// What is wrong.
        message: String,
        /// The line, and a caret below the column.
        excerpt: String,
    },
    /// YAML without a place, such as an empty file.
    #[error("{0}")]
    Shape(String),
    /// No members.
    #[error("members is empty")]
    NoMembers,
    /// A member twice.
    #[error("members: {name} stands there twice")]
    DuplicateMember {
        /// Which.
        name: NodeName,
    },
    /// An address twice.
    #[error("members: {first} and {second} have the same address {address}")]
    DuplicateAddress {
        /// The first.
        first: NodeName,
        /// The second.
        second: NodeName,
        /// Which.
        address: Ipv4Addr,
    },
    /// An address outside the network.
    #[error(
        "members: {name} has the address {address}, which is not a host's address in the network {network}"
    )]
    Outside {
        /// Which.
        name: NodeName,
        /// Its address.
        address: Ipv4Addr,
        /// The network.
        network: Ipv4Net,
    },
    /// Nothing says where an address may lie.
    #[error(
        "members: {name} has no address, and the spec has no network that a reported address could lie in"
    )]
    NoNetwork {
        /// Which.
        name: NodeName,
    },
    /// A service name outside the domain.
    #[error("service: {service} does not lie under the domain {domain}")]
    ServiceOutside {
        /// The service name.
        service: DomainName,
        /// The domain.
        domain: DomainName,
    },
    /// A service name that is a member's.
    #[error("service: {service} is the host name of member {name}")]
    ServiceIsMember {
        /// The service name.
        service: DomainName,
        /// The member.
        name: NodeName,
    },
    /// A life that cannot be.
    #[error("certificates: {field}: {why}")]
    Lifetime {
        /// Which.
        field: &'static str,
        /// What is allowed.
        why: String,
    },
    /// The derived service name does not fit.
    #[error("service: etcd.{domain} is no name")]
    Service {
        /// The domain.
        domain: DomainName,
        /// Why.
        source: BadName,
    },
}

impl Help for BadSpec {
    fn help(&self) -> Option<String> {
        Some(match self {
            Self::Yaml { .. } | Self::Shape(_) => {
                "mend that line; `coordctl init --help` tells how a spec is begun".into()
            }
            Self::Lifetime { .. } => {
                "the defaults are leaf: 365d, autonomy: 270d, identity: 90d".into()
            }
            Self::NoMembers => "name at least one: members: [{name: x-k3s-m-1}]".into(),
            Self::DuplicateMember { name } => format!("remove one of the two lines of {name}"),
            Self::DuplicateAddress { .. } => "give each member an address of its own".into(),
            Self::Outside { .. } => "mend the address or the network".into(),
            Self::NoNetwork { name } => {
                format!("add network: 192.168.7.0/24 (yours), or an address to {name}")
            }
            Self::ServiceOutside { domain, .. } => {
                format!("choose a name under it, such as etcd.{domain}")
            }
            Self::ServiceIsMember { .. } => {
                "choose a name that no member has, such as etcd.DOMAIN".into()
            }
            Self::Service { .. } => "give a service name of your own: service: NAME".into(),
        })
    }
}

/// The file as written. Names and types are checked here, where the reader knows the place.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    cluster: ClusterName,
    domain: DomainName,
    service: Option<DomainName>,
    network: Option<Ipv4Net>,
    #[serde(default)]
    names: Names,
    members: Vec<Member>,
    #[serde(default)]
    etcd: Etcd,
    #[serde(default)]
    certificates: Certificates,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Member {
    name: NodeName,
    address: Option<Ipv4Addr>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Etcd {
    storage: Storage,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Certificates {
    leaf: Option<Span>,
    autonomy: Option<Span>,
    identity: Option<Span>,
}

struct Span(Duration);

/// By a visitor of its own, so that the reader knows the place of a bad one.
impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl serde::de::Visitor<'_> for Text {
            type Value = Span;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a time span such as 90s, 15m, 1h or 365d")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Span, E> {
                parse_span(text).map(Span).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// Reads and checks a spec.
///
/// # Errors
/// [`BadSpec`] with the place, where there is one.
pub fn parse(text: &str) -> Result<ClusterSpec, BadSpec> {
    let File { cluster, domain, service, network, names, members, etcd, certificates } =
        serde_yaml::from_str(text).map_err(|error| yaml_error(text, &error))?;
    let service = match service {
        Some(service) => service,
        None => format!("etcd.{domain}")
            .parse()
            .map_err(|source| BadSpec::Service { domain: domain.clone(), source })?,
    };
    let members =
        members.into_iter().map(|Member { name, address }| MemberSpec { name, address }).collect();
    let Etcd { storage } = etcd;
    let default = Lifetimes::default();
    let life = |given: Option<Span>, default| given.map_or(default, |Span(span)| span);
    let certificates = Lifetimes {
        leaf: life(certificates.leaf, default.leaf),
        autonomy: life(certificates.autonomy, default.autonomy),
        identity: life(certificates.identity, default.identity),
    };
    let etcd = EtcdSettings { storage };
    let spec =
        ClusterSpec { cluster, domain, service, network, names, members, etcd, certificates };
    check_lifetimes(spec.certificates)?;
    check_members(&spec)?;
    check_service(&spec)?;
    Ok(spec)
}

fn check_members(spec: &ClusterSpec) -> Result<(), BadSpec> {
    if spec.members.is_empty() {
        return Err(BadSpec::NoMembers);
    }
    for (i, member) in spec.members.iter().enumerate() {
        let before = &spec.members[..i];
        if before.iter().any(|other| other.name == member.name) {
            return Err(BadSpec::DuplicateMember { name: member.name.clone() });
        }
        let Some(address) = member.address else {
            if spec.network.is_none() {
                return Err(BadSpec::NoNetwork { name: member.name.clone() });
            }
            continue;
        };
        if let Some(other) = before.iter().find(|other| other.address == Some(address)) {
            let (first, second) = (other.name.clone(), member.name.clone());
            return Err(BadSpec::DuplicateAddress { first, second, address });
        }
        if let Some(network) = spec.network.filter(|network| !is_host_of(*network, address)) {
            return Err(BadSpec::Outside { name: member.name.clone(), address, network });
        }
    }
    Ok(())
}

/// Whether `address` lies in `network` and is neither its own address nor its broadcast.
pub(crate) fn is_host_of(network: Ipv4Net, address: Ipv4Addr) -> bool {
    let edges = network.prefix_len() < 31
        && (address == network.network() || address == network.broadcast());
    network.contains(&address) && !edges
}

/// A life too short for a clock that is a minute off, or an autonomy that a fresh leaf does not have, would renew without end.
fn check_lifetimes(lifetimes: Lifetimes) -> Result<(), BadSpec> {
    const LIFE_MIN: Duration = Duration::from_secs(10);
    let Lifetimes { leaf, autonomy, identity } = lifetimes;
    let wrong = |field, why: &str| Err(BadSpec::Lifetime { field, why: why.into() });
    if leaf < LIFE_MIN || identity < LIFE_MIN {
        return wrong("leaf and identity", "at least 10s");
    }
    if autonomy > leaf / 10 * 9 {
        return wrong(
            "autonomy",
            "at most nine tenths of leaf, so that a fresh leaf is not renewed at once",
        );
    }
    Ok(())
}

fn check_service(spec: &ClusterSpec) -> Result<(), BadSpec> {
    let service = &spec.service;
    if !spec.domain.covers(service.as_ref()) || service == &spec.domain {
        return Err(BadSpec::ServiceOutside {
            service: service.clone(),
            domain: spec.domain.clone(),
        });
    }
    match spec.members.iter().find(|member| spec.host(&member.name) == service.as_ref()) {
        Some(member) => {
            Err(BadSpec::ServiceIsMember { service: service.clone(), name: member.name.clone() })
        }
        None => Ok(()),
    }
}

fn yaml_error(text: &str, error: &serde_yaml::Error) -> BadSpec {
    let whole = error.to_string();
    let Some(place) = error.location() else { return BadSpec::Shape(whole) };
    let (line, column) = (place.line(), place.column());
    let message = whole.split(" at line ").next().unwrap_or(&whole).to_owned();
    let shown: String =
        text.lines().nth(line.saturating_sub(1)).unwrap_or_default().chars().take(100).collect();
    let number = line.to_string();
    let gutter = " ".repeat(number.len());
    let caret = format!("{}^", " ".repeat(column.saturating_sub(1).min(100)));
    BadSpec::Yaml {
        line,
        column,
        message,
        excerpt: format!("{number} | {shown}\n{gutter} | {caret}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "cluster: x-k3s\ndomain: edge.huatai.me\nnetwork: 192.168.7.0/24\nmembers:\n  - name: x-k3s-m-1\n  - name: x-k3s-m-2\n    address: 192.168.7.12\n";

    #[track_caller]
    fn refused(text: &str, words: &str) {
        let error = parse(text).expect_err(text);
        assert!(error.to_string().contains(words), "{error}");
        assert!(error.help().is_some());
    }

    #[test]
    fn name_domain_network_and_members_are_enough() {
        let spec = parse(GOOD).expect("good");
        assert_eq!(spec.service.to_string(), "etcd.edge.huatai.me");
        assert_eq!((spec.names, spec.etcd.storage), (Names::Hosts, Storage::Sdcard));
        assert_eq!(spec.members[1].address, Some([192, 168, 7, 12].into()));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        refused(&format!("{GOOD}colour: red\n"), "unknown field `colour`");
        refused(&GOOD.replace("edge.huatai.me", "edge"), "line 2, column 9");
        refused(&GOOD.replace("edge.huatai.me", "Edge_.me"), "is not made of DNS labels");
        refused(&GOOD.replace("x-k3s-m-2", "x-k3s-m-1"), "x-k3s-m-1 stands there twice");
        refused(&GOOD.replace("x-k3s-m-2", "etcd"), "reserved");
        refused(&GOOD.replace("x-k3s-m-2", "m_2"), "'_'");
        refused(&GOOD.replace("7.12", "8.12"), "not a host's address in the network");
        refused(&GOOD.replace("7.12", "7.255"), "not a host's address in the network");
        refused(&GOOD.replace("network: 192.168.7.0/24\n", ""), "has no address");
        refused(&format!("{GOOD}service: etcd.other.me\n"), "does not lie under");
        refused(
            &format!("{GOOD}service: x-k3s-m-1.edge.huatai.me\n"),
            "is the host name of member",
        );
        refused("cluster: x\ndomain: a.b\nmembers: []\n", "members is empty");
        refused(&format!("{GOOD}certificates: {{leaf: 90}}\n"), "time span");
        refused(&format!("{GOOD}certificates: {{leaf: 1s}}\n"), "at least 10s");
        refused(&format!("{GOOD}certificates: {{leaf: 30d}}\n"), "nine tenths");
        refused("", "");
        refused("[", "line");
        refused(
            &GOOD.replace("x-k3s-m-1\n", "x-k3s-m-1\n    address: 192.168.7.12\n"),
            "same address",
        );
    }

    #[test]
    fn the_excerpt_points_at_the_column() {
        let error =
            parse(&GOOD.replace("edge.huatai.me", "edge")).expect_err("one label").to_string();
        assert!(error.ends_with("2 | domain: edge\n  |         ^"), "{error}");
    }
}
