//! Names, checked at the door: once a value has one of these types nothing further in checks again.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use serde::de::{Deserialize, Deserializer, Visitor};

use crate::error::Help;

/// Names that mean something else in a file name, in etcd or on a host, so that no node may have
/// them.
const RESERVED: [&str; 7] = ["server", "client", "ca", "peer-ca", "etcd", "localhost", "default"];

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// Nothing there.
    #[error("{kind} is empty")]
    Empty {
        /// What was being named.
        kind: &'static str,
    },
    /// Longer than DNS allows.
    #[error("{kind} {name:?} has {length} characters, {max} are allowed")]
    TooLong {
        /// What was being named.
        kind: &'static str,
        /// As given.
        name: String,
        /// Bytes given.
        length: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// Dots where one label is wanted.
    #[error("{kind} {name:?} is not one DNS label: it has a dot")]
    Dotted {
        /// What was being named.
        kind: &'static str,
        /// As given.
        name: String,
    },
    /// A character that a DNS label cannot have (RFC 1123, 2.1), or upper case.
    #[error("{kind} {name:?} is not made of DNS labels: {found:?} is not allowed there")]
    Character {
        /// What was being named.
        kind: &'static str,
        /// As given.
        name: String,
        /// The first character that is not allowed.
        found: char,
    },
    /// A reserved word.
    #[error("{kind} {name:?} is reserved")]
    Reserved {
        /// What was being named.
        kind: &'static str,
        /// As given.
        name: String,
    },
    /// A domain of one label.
    #[error("{kind} {name:?} has no dot")]
    NoDot {
        /// What was being named.
        kind: &'static str,
        /// As given.
        name: String,
    },
    /// Ends in a number, as an address does.
    #[error("{kind} {name:?} ends in a number, as an address does")]
    Number {
        /// What was being named.
        kind: &'static str,
        /// As given.
        name: String,
    },
    /// A character that the name of an interface cannot have.
    #[error("interface name {name:?} has {found:?}, which no interface's name has")]
    Interface {
        /// As given.
        name: String,
        /// The first character that is not allowed.
        found: char,
    },
}

impl Help for BadName {
    fn help(&self) -> Option<String> {
        Some(match self {
            Self::Reserved { .. } => format!("these are reserved: {}", RESERVED.join(", ")),
            Self::NoDot { .. } => {
                "give a domain of two labels or more, such as edge.example.net".into()
            }
            Self::Dotted { name, .. } => {
                let label = name.split('.').next().unwrap_or_default();
                format!("use the short name, such as {label:?}; the domain stands in the spec")
            }
            Self::Number { .. } => "an address is no name; names end in letters".into(),
            Self::Interface { .. } => {
                "`ip addr` on the node lists their names, such as eth0".into()
            }
            _ => "use lower-case letters, digits and inner hyphens, 1 to 63 characters a label"
                .into(),
        })
    }
}

/// A node's name: one DNS label (RFC 1123, 2.1), lower case, 1 to 63 bytes, not reserved. Also its
/// etcd member name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "String")]
pub struct NodeName(String);

/// A cluster's name: one DNS label, lower case, 1 to 63 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "String")]
pub struct ClusterName(String);

/// A DNS name of two labels or more, lower case, at most 189 bytes so that `<node>.<domain>` stays
/// within DNS's 253.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "String")]
pub struct DomainName(String);

/// The name of a host, or of what stands before hosts: DNS labels (RFC 1123, 2.1), lower case, at
/// most 253 bytes; one label is enough. Its last label is not a number, so that no address reads as
/// one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "String")]
pub struct HostName(String);

/// The name of a network interface: 1 to 15 bytes (Linux, `IFNAMSIZ` less its end) of letters,
/// digits, `.`, `_` and `-`: narrower than the kernel, which refuses only `/`, `:` and white space
/// (`dev_valid_name`), because it stands in commands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(into = "String")]
pub struct InterfaceName(String);

/// A node of a cluster: what a record, a stream and an identity belong to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, serde::Deserialize)]
pub struct NodeId {
    /// Its cluster.
    pub cluster: ClusterName,
    /// Its name in it.
    pub node: NodeName,
}

impl NodeId {
    /// The node of this name in a cluster.
    pub fn new(cluster: &ClusterName, node: &NodeName) -> Self {
        Self { cluster: cluster.clone(), node: node.clone() }
    }
}

impl fmt::Display for NodeId {
    /// `x-k3s/x-k3s-m-1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/{}", self.cluster, self.node))
    }
}

impl DomainName {
    /// `<label>.<self>`.
    pub fn host(&self, node: &NodeName) -> String {
        format!("{node}.{self}")
    }

    /// Whether `name` is this domain or lies under it.
    pub fn covers(&self, name: &str) -> bool {
        name == self.0 || name.strip_suffix(&self.0).is_some_and(|rest| rest.ends_with('.'))
    }
}

impl FromStr for NodeName {
    type Err = BadName;

    fn from_str(name: &str) -> Result<Self, BadName> {
        one_label("node name", name)?;
        if RESERVED.contains(&name) {
            return Err(BadName::Reserved { kind: "node name", name: name.into() });
        }
        Ok(Self(name.into()))
    }
}

impl FromStr for ClusterName {
    type Err = BadName;

    fn from_str(name: &str) -> Result<Self, BadName> {
        one_label("cluster name", name).map(|()| Self(name.into()))
    }
}

impl FromStr for DomainName {
    type Err = BadName;

    fn from_str(name: &str) -> Result<Self, BadName> {
        const KIND: &str = "domain";
        const MAX: usize = 189;
        if !name.is_empty() && !name.contains('.') {
            return Err(BadName::NoDot { kind: KIND, name: name.into() });
        }
        check_labels(KIND, name, MAX)?;
        Ok(Self(name.into()))
    }
}

impl FromStr for HostName {
    type Err = BadName;

    fn from_str(name: &str) -> Result<Self, BadName> {
        const KIND: &str = "host name";
        check_labels(KIND, name, 253)?; // RFC 1035, 2.3.4, less the root's label and its length
        let last = name.rsplit('.').next().unwrap_or_default();
        if last.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(BadName::Number { kind: KIND, name: name.into() });
        }
        Ok(Self(name.into()))
    }
}

impl FromStr for InterfaceName {
    type Err = BadName;

    fn from_str(name: &str) -> Result<Self, BadName> {
        const KIND: &str = "interface name";
        const MAX: usize = 15;
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || name == "." || name == ".." {
            return Err(BadName::Empty { kind: KIND });
        }
        if name.len() > MAX {
            let (name, length) = (name.into(), name.len());
            return Err(BadName::TooLong { kind: KIND, name, length, max: MAX });
        }
        match name.chars().find(|c| !allowed(*c)) {
            Some(found) => Err(BadName::Interface { name: name.into(), found }),
            None => Ok(Self(name.into())),
        }
    }
}

/// Labels joined by dots, none of them empty.
fn check_labels(kind: &'static str, name: &str, max: usize) -> Result<(), BadName> {
    if name.is_empty() {
        return Err(BadName::Empty { kind });
    }
    if name.len() > max {
        return Err(BadName::TooLong { kind, name: name.into(), length: name.len(), max });
    }
    for label in name.split('.') {
        if label.is_empty() {
            return Err(BadName::Character { kind, name: name.into(), found: '.' });
        }
        check_label(kind, name, label)?;
    }
    Ok(())
}

fn one_label(kind: &'static str, name: &str) -> Result<(), BadName> {
    if name.is_empty() {
        return Err(BadName::Empty { kind });
    }
    if name.contains('.') {
        return Err(BadName::Dotted { kind, name: name.into() });
    }
    check_label(kind, name, name)
}

fn check_label(kind: &'static str, name: &str, label: &str) -> Result<(), BadName> {
    const MAX: usize = 63; // RFC 1035, 2.3.4
    if label.len() > MAX {
        return Err(BadName::TooLong { kind, name: name.into(), length: label.len(), max: MAX });
    }
    let last = label.chars().count() - 1;
    let allowed = |(i, c): &(usize, char)| {
        matches!(c, 'a'..='z' | '0'..='9') || (*c == '-' && *i != 0 && *i != last)
    };
    match label.chars().enumerate().find(|place| !allowed(place)) {
        Some((_, found)) => Err(BadName::Character { kind, name: name.into(), found }),
        None => Ok(()),
    }
}

macro_rules! string_like {
    ($($name:ident),*) => {$(
        /// By a visitor of its own, and not `try_from`, so that a reader of YAML knows the place of
        /// a bad name.
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Name;
                impl Visitor<'_> for Name {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a name")
                    }
                    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<$name, E> {
                        name.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Name)
            }
        }
        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    )*};
}
string_like!(NodeName, ClusterName, DomainName, HostName, InterfaceName);

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(name: &str, words: &str) {
        let error = name.parse::<NodeName>().expect_err(name);
        assert!(error.to_string().contains(words), "{name:?}: {error}");
        assert!(error.help().is_some());
    }

    #[test]
    fn a_node_name_is_one_label_and_not_reserved() {
        for good in ["x-k3s-m-1", "a", "1", "pi4", &"a".repeat(63)] {
            good.parse::<NodeName>().expect(good);
        }
        refused("", "empty");
        refused("m-1.edge", "not one DNS label");
        refused("M-1", "'M'");
        refused("-m", "'-'");
        refused("m-", "'-'");
        refused("m_1", "'_'");
        refused("m 1", "' '");
        refused("größe", "'ö'");
        refused(&"a".repeat(64), "64 characters");
        for reserved in RESERVED {
            refused(reserved, "reserved");
        }
    }

    #[test]
    fn a_domain_has_two_labels_or_more() {
        "edge.huatai.me".parse::<DomainName>().expect("good");
        for bad in ["", "local", "a..b", ".a.b", "a.b.", "A.b", "a b.c", "a.-b"] {
            assert!(bad.parse::<DomainName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_host_name_is_no_address_and_may_be_one_label() {
        for good in ["lb", "etcd-lb.example.net", "1password.example"] {
            good.parse::<HostName>().expect(good);
        }
        for bad in ["", "192.168.7.5", "7", "*.example.net", "a..b", "LB", &"a.".repeat(130)] {
            let error = bad.parse::<HostName>().expect_err(bad);
            assert!(error.help().is_some());
        }
    }

    #[test]
    fn an_interface_has_a_name_that_linux_takes() {
        for good in ["eth0", "enp1s0f0", "end0", "br-lan", "eth0.7"] {
            good.parse::<InterfaceName>().expect(good);
        }
        for bad in ["", "..", "eth 0", "eth0/1", "eth0;reboot", "sixteen-letters-"] {
            let error = bad.parse::<InterfaceName>().expect_err(bad);
            assert!(error.help().is_some());
        }
    }

    #[test]
    fn a_domain_covers_itself_and_what_lies_under_it() {
        let domain: DomainName = "edge.huatai.me".parse().expect("good");
        assert!(domain.covers("edge.huatai.me") && domain.covers("etcd.edge.huatai.me"));
        assert!(!domain.covers("knowledge.huatai.me") && !domain.covers("huatai.me"));
    }
}
