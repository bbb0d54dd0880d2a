//! Decides what each certificate says: who gets which names, for what, and for how long (promise
//! 2).
//!
//! Pure: the profile, the node as approved, the spec and the time in; every field of the
//! certificate out. The CSR is not among the arguments.

use std::iter;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use pilaster_common::clock::Timestamp;
use pilaster_common::name::{NodeId, NodeName};
use pilaster_common::profile::{Profile, Usages};
use pilaster_proto::names;
use pilaster_proto::node_uri::NodeUri;

use crate::spec::ClusterSpec;

const DAY: Duration = Duration::from_secs(86_400);

/// Back-dating, so that a clock that is a day slow accepts a new leaf (docs/PROTOCOL.md,
/// Certificates).
pub const LEAF_BACKDATED: Duration = DAY;
/// Back-dating of roots.
pub const ROOT_BACKDATED: Duration = Duration::from_secs(2 * 86_400);
/// Life of a root.
pub const ROOT_LIFE: Duration = Duration::from_secs(3650 * 86_400);
/// Life of the coordinator's own certificate.
pub const COORDINATOR_LIFE: Duration = Duration::from_secs(90 * 86_400);

/// What a leaf will say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaf {
    /// Common name of the subject.
    pub common_name: String,
    /// DNS names, sorted.
    pub names: Vec<String>,
    /// IP addresses, sorted.
    pub addresses: Vec<IpAddr>,
    /// SPIFFE id of an agent.
    pub uri: Option<String>,
    /// Extended key usages.
    pub usages: Usages,
    /// From when it is valid.
    pub not_before: Timestamp,
    /// Until when it is valid; signing cuts it at the CA's end.
    pub not_after: Timestamp,
}

/// Names of a leaf: the part that does not move with time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeafNames {
    /// Common name of the subject.
    pub common_name: String,
    /// DNS names, sorted.
    pub names: Vec<String>,
    /// IP addresses, sorted.
    pub addresses: Vec<IpAddr>,
}

/// The identity of an agent.
pub fn identity(installation: &str, spec: &ClusterSpec, node: &NodeName, now: Timestamp) -> Leaf {
    let names = LeafNames { common_name: node.to_string(), names: vec![], addresses: vec![] };
    let leaf = leaf(Profile::Agent, names, spec.certificates.identity, now);
    let uri = NodeUri { installation: installation.into(), node: NodeId::new(&spec.cluster, node) };
    Leaf { uri: Some(uri.to_string()), ..leaf }
}

/// One of a node's certificates for etcd.
pub fn node_leaf(
    profile: Profile,
    spec: &ClusterSpec,
    node: &NodeName,
    address: Ipv4Addr,
    now: Timestamp,
) -> Leaf {
    let leaf = leaf(profile, node_names(profile, spec, node, address), spec.certificates.leaf, now);
    Leaf { usages: node_usages(profile, spec), ..leaf }
}

/// The usages of a node's certificate: its profile's, and of a server also clientAuth where etcd's
/// REST gateway is on, since etcd then dials its own port with it (etcd: server/embed/serve.go,
/// `registerGateway`). It is signed by the client CA: no peer trusts it.
pub fn node_usages(profile: Profile, spec: &ClusterSpec) -> Usages {
    let usages = profile.usages();
    let gateway = profile == Profile::Server && spec.etcd.grpc_gateway == Some(true);
    Usages { client_auth: usages.client_auth || gateway, ..usages }
}

/// The certificate of a person or a program that speaks to etcd; `user` is its common name.
pub fn client(user: &str, life: Duration, now: Timestamp) -> Leaf {
    let names = LeafNames { common_name: user.into(), names: vec![], addresses: vec![] };
    leaf(Profile::Client, names, life, now)
}

/// The coordinator's own certificate.
pub fn coordinator(now: Timestamp) -> Leaf {
    let name = names::COORDINATOR.to_owned();
    let names = LeafNames { common_name: name.clone(), names: vec![name], addresses: vec![] };
    let usages = Usages { server_auth: true, client_auth: false };
    Leaf { usages, ..leaf(Profile::Server, names, COORDINATOR_LIFE, now) }
}

/// The names of a node's certificate: its own and no other node's. The service name and the spec's
/// extra names and addresses are on servers alone: who stands before all members is no peer.
pub fn node_names(
    profile: Profile,
    spec: &ClusterSpec,
    node: &NodeName,
    address: Ipv4Addr,
) -> LeafNames {
    let host = spec.host(node);
    let further = spec.member(node).map(|member| &member.addresses[..]).unwrap_or_default();
    let own_names = [host.clone(), node.to_string()];
    let own_addresses = || iter::once(IpAddr::V4(address)).chain(further.iter().copied());
    let (mut names, mut addresses): (Vec<String>, Vec<IpAddr>) = match profile {
        Profile::Server => (
            [spec.service.to_string(), "localhost".into()]
                .into_iter()
                .chain(own_names)
                .chain(spec.extra_names.iter().map(ToString::to_string))
                .collect(),
            [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
                .into_iter()
                .chain(own_addresses())
                .chain(spec.extra_addresses.iter().copied())
                .collect(),
        ),
        Profile::Peer => (own_names.into(), own_addresses().collect()),
        Profile::Client | Profile::Agent => (vec![], vec![]),
    };
    names.sort();
    names.dedup();
    addresses.sort();
    addresses.dedup(); // a further address may be the reported one
    let common_name = match profile {
        Profile::Server | Profile::Peer => host,
        Profile::Client | Profile::Agent => node.to_string(),
    };
    LeafNames { common_name: fitting(common_name, node), names, addresses }
}

/// A common name has at most 64 characters (RFC 5280, A.1, ub-common-name); a longer host is named
/// by its short name, which always fits. Its full name is among the SANs either way.
fn fitting(common_name: String, node: &NodeName) -> String {
    if common_name.chars().count() <= 64 { common_name } else { node.to_string() }
}

fn leaf(profile: Profile, names: LeafNames, life: Duration, now: Timestamp) -> Leaf {
    let LeafNames { common_name, names, addresses } = names;
    Leaf {
        common_name,
        names,
        addresses,
        uri: None,
        usages: profile.usages(),
        not_before: now.minus(LEAF_BACKDATED),
        not_after: now.plus(life),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> ClusterSpec {
        crate::spec::parse(
            "cluster: x-k3s\ndomain: edge.huatai.me\nnetwork: 192.168.7.0/24\nmembers: [{name: m-1}, {name: m-2}]\n",
        )
        .expect("good")
    }

    #[test]
    fn promise_02_a_node_gets_its_own_names_and_no_other() {
        let (spec, node, address) =
            (spec(), "m-1".parse().expect("good"), Ipv4Addr::new(192, 168, 7, 11));
        let names = |profile| node_names(profile, &spec, &node, address);
        let server = names(Profile::Server);
        assert_eq!(server.names, ["etcd.edge.huatai.me", "localhost", "m-1", "m-1.edge.huatai.me"]);
        assert_eq!(
            server.addresses,
            ["127.0.0.1", "192.168.7.11", "::1"].map(|a| a.parse::<IpAddr>().expect("good"))
        );
        let peer = names(Profile::Peer);
        assert_eq!(peer.names, ["m-1", "m-1.edge.huatai.me"]);
        assert_eq!(peer.addresses, [IpAddr::from(address)]);
        let client = names(Profile::Client);
        assert!(client.names.is_empty() && client.addresses.is_empty());
    }

    #[test]
    fn promise_02_extra_names_are_on_servers_and_further_addresses_on_their_own_member() {
        let spec = crate::spec::parse(
            "cluster: c\ndomain: a.b\nmembers:\n- {name: m-1, addresses: ['fd00::1', 10.9.0.1]}\n- {name: m-2}\nextra_names: [lb.a.b]\nextra_addresses: [10.0.0.9, 'fd00::9']\n",
        )
        .expect("good");
        let names = |profile, node: &str, address: [u8; 4]| {
            node_names(profile, &spec, &node.parse().expect("good"), address.into())
        };
        let text = |names: &LeafNames| {
            names.addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        let server = names(Profile::Server, "m-1", [10, 0, 0, 1]);
        assert_eq!(server.names, ["etcd.a.b", "lb.a.b", "localhost", "m-1", "m-1.a.b"]);
        assert_eq!(text(&server), "10.0.0.1 10.0.0.9 10.9.0.1 127.0.0.1 ::1 fd00::1 fd00::9");
        let peer = names(Profile::Peer, "m-1", [10, 9, 0, 1]);
        assert_eq!(
            (peer.names.join(" "), text(&peer)),
            ("m-1 m-1.a.b".into(), "10.9.0.1 fd00::1".into())
        );
        let other = names(Profile::Server, "m-2", [10, 0, 0, 2]);
        assert_eq!(text(&other), "10.0.0.2 10.0.0.9 127.0.0.1 ::1 fd00::9");
        let client = names(Profile::Client, "m-1", [10, 0, 0, 1]);
        assert!(client.names.is_empty() && client.addresses.is_empty());
    }

    #[test]
    fn lifetimes_and_back_dating_are_as_written_down() {
        let now = Timestamp::from_unix(1_800_000_000);
        let leaf = node_leaf(
            Profile::Peer,
            &spec(),
            &"m-1".parse().expect("good"),
            Ipv4Addr::LOCALHOST,
            now,
        );
        assert_eq!(now.since(leaf.not_before), DAY);
        assert_eq!(leaf.not_after.since(now), 365 * DAY);
        assert_eq!(
            identity("i", &spec(), &"m-1".parse().expect("good"), now).not_after.since(now),
            90 * DAY
        );
    }
}
