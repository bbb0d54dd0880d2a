//! Decides by which address a node is known: the spec's, or the reported one where it lies in the
//! spec's network (promise 2).
//!
//! Pure. The address that a connection comes from is not asked: it is evidence to show, not proof.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;
use pilaster_common::error::Help;
use pilaster_common::name::{InterfaceName, NodeName};

use super::view::ClusterView;
use crate::spec::{ClusterSpec, is_host_of};
use crate::store::records::Phase;

/// Why no address can be chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoAddress {
    #[error("{node} is not a member of {cluster}")]
    NotInSpec { node: NodeName, cluster: String },
    /// The spec's address is not on eth0.
    #[error("{node} is to have the address {wanted}, but its {interface} has {reported}")]
    Differs {
        node: NodeName,
        interface: InterfaceName,
        /// As in the spec.
        wanted: Ipv4Addr,
        reported: String,
    },
    /// Nothing on eth0.
    #[error("{interface} of {node} has no global IPv4 address")]
    None { node: NodeName, interface: InterfaceName },
    /// More than one on eth0, and the spec does not choose.
    #[error("{interface} of {node} has more than one global IPv4 address: {reported}")]
    Several { node: NodeName, interface: InterfaceName, reported: String },
    #[error(
        "{interface} of {node} has {address}, which is not a host's address in the network {network}"
    )]
    Outside { node: NodeName, interface: InterfaceName, address: Ipv4Addr, network: Ipv4Net },
    #[error("{interface} of {node} has {address}, which is the address of {other}")]
    Taken { node: NodeName, interface: InterfaceName, address: Ipv4Addr, other: NodeName },
    /// In every server certificate: others could pass for the node.
    #[error("{interface} of {node} has {address}, which is among the extra_addresses of the spec")]
    Extra { node: NodeName, interface: InterfaceName, address: Ipv4Addr },
    /// The spec does not say where addresses may lie.
    #[error(
        "{interface} of {node} has {address}, and the spec has neither an address for it nor a network"
    )]
    NotApproved { node: NodeName, interface: InterfaceName, address: Ipv4Addr },
}

impl Help for NoAddress {
    fn help(&self) -> Option<String> {
        Some(match self {
            Self::NotInSpec { node, .. } => {
                format!("add {node} to the members of the spec: coordctl apply FILE")
            }
            Self::Differs { node, .. } => {
                format!("give the node that address, or take what it has: coordctl approve {node}")
            }
            Self::None { interface, .. } => {
                format!("give {interface} an address first: ip addr show {interface}")
            }
            Self::Several { node, .. } => format!(
                "say which one: coordctl approve {node} --address ADDRESS, or address: beside {node} in the spec"
            ),
            Self::Outside { node, .. } => format!(
                "take it all the same (coordctl approve {node}), or mend network: in the spec"
            ),
            Self::Extra { .. } => {
                "give the node an address of its own, or take that one out of extra_addresses"
                    .into()
            }
            Self::NotApproved { node, .. } => format!(
                "take it (coordctl approve {node}), or add network: or address: to the spec"
            ),
            Self::Taken { other, .. } => {
                format!("give one of the two another address; is {other} switched off?")
            }
        })
    }
}

/// By which address each member that has joined is known now, and why one has none. Before the
/// formation that follows the spec, what a person approved, and what its eth0 has; from then on
/// etcd knows it by its address, which stays.
pub(crate) fn assign(view: &ClusterView) -> BTreeMap<NodeName, (Ipv4Addr, Option<NoAddress>)> {
    let spec = &view.cluster.0.spec;
    let gathering = view.formation.0.phase == Phase::Gathering;
    let taken: Vec<_> = view.joined().map(|(node, address)| (node.clone(), address)).collect();
    let known = view.nodes.iter().filter_map(|node| Some((node, node.address()?)));
    let assigned = known.map(|(node, address)| {
        let name = &node.id.node;
        let chosen = match (gathering, node.report()) {
            (true, Some(report)) => {
                let approved = node.wishes().approved;
                choose(spec, name, &report.facts.addresses, approved, &taken)
            }
            _ => Ok(address),
        };
        let assigned = match chosen {
            Ok(chosen) => (chosen, None),
            Err(why) => (address, Some(why)),
        };
        (name.clone(), assigned)
    });
    assigned.collect()
}

/// Chooses the address of `node` among those that its eth0 has. `approved` is what a person
/// approved for it, wherever it lies; `taken` holds the other nodes' addresses.
///
/// # Errors
/// [`NoAddress`], which says what a person can do.
pub(crate) fn choose(
    spec: &ClusterSpec,
    node: &NodeName,
    reported: &[Ipv4Net],
    approved: Option<Ipv4Addr>,
    taken: &[(NodeName, Ipv4Addr)],
) -> Result<Ipv4Addr, NoAddress> {
    let node = node.clone();
    let Some(member) = spec.member(&node) else {
        return Err(NoAddress::NotInSpec { node, cluster: spec.cluster.to_string() });
    };
    let listed =
        || reported.iter().map(|net| net.addr().to_string()).collect::<Vec<_>>().join(", ");
    let interface = member.interface.clone();
    let address = match (approved.or(member.address), reported) {
        (_, []) => return Err(NoAddress::None { node, interface }),
        (Some(wanted), _) if reported.iter().any(|net| net.addr() == wanted) => wanted,
        (Some(wanted), _) => {
            return Err(NoAddress::Differs { node, interface, wanted, reported: listed() });
        }
        (None, [only]) => only.addr(),
        (None, _) => return Err(NoAddress::Several { node, interface, reported: listed() }),
    };
    match spec.network.filter(|_| approved.is_none()) {
        Some(network) if !is_host_of(network, address) => {
            return Err(NoAddress::Outside { node, interface, address, network });
        }
        None if approved.or(member.address).is_none() => {
            return Err(NoAddress::NotApproved { node, interface, address });
        }
        _ => {}
    }
    if spec.extra_addresses.contains(&address.into()) {
        return Err(NoAddress::Extra { node, interface, address });
    }
    let owned = spec.members.iter().flat_map(|other| {
        let own = other.address.map(IpAddr::V4).into_iter().chain(other.addresses.iter().copied());
        own.map(|address| (&other.name, address))
    });
    let others = taken.iter().map(|(name, address)| (name, IpAddr::V4(*address))).chain(owned);
    match others.into_iter().find(|(name, other)| **name != node && *other == address) {
        Some((other, _)) => {
            Err(NoAddress::Taken { node, interface, address, other: other.clone() })
        }
        None => Ok(address),
    }
}

/// The first address that `spec` would put into others' certificates although a node that has
/// joined is known by it.
pub(crate) fn given_away(
    spec: &ClusterSpec,
    joined: &[(NodeName, Ipv4Addr)],
) -> Option<(NodeName, Ipv4Addr)> {
    let anothers = |name: &NodeName, address: IpAddr| {
        let mut others = spec.members.iter().filter(|member| member.name != *name);
        spec.extra_addresses.contains(&address)
            || others.any(|other| {
                other.address.map(IpAddr::V4) == Some(address) || other.addresses.contains(&address)
            })
    };
    joined.iter().find(|(name, address)| anothers(name, (*address).into())).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEC: &str = "cluster: c\ndomain: a.b\nnetwork: 192.168.7.0/24\nmembers: [{name: m-1}, {name: m-2, address: 192.168.7.12}]\n";

    #[track_caller]
    fn check(node: &str, reported: &[&str], outcome: &str) {
        let spec = crate::spec::parse(SPEC).expect("good");
        let reported: Vec<Ipv4Net> =
            reported.iter().map(|net| net.parse().expect("good")).collect();
        let taken = [("m-9".parse().expect("good"), Ipv4Addr::new(192, 168, 7, 19))];
        match choose(&spec, &node.parse().expect("good"), &reported, None, &taken) {
            Ok(address) => assert_eq!(address.to_string(), outcome),
            Err(error) => assert!(error.to_string().contains(outcome), "{error}"),
        }
    }

    #[test]
    fn promise_02_an_address_is_the_specs_or_lies_in_its_network() {
        check("m-1", &["192.168.7.11/24"], "192.168.7.11");
        check("m-1", &["10.0.0.5/8"], "not a host's address in the network");
        check("m-1", &["192.168.7.255/24"], "not a host's address in the network");
        check("m-1", &[], "no global IPv4");
        check("m-1", &["192.168.7.11/24", "192.168.7.31/24"], "more than one");
        check("m-1", &["192.168.7.12/24"], "which is the address of m-2");
        check("m-1", &["192.168.7.19/24"], "which is the address of m-9");
        check("m-2", &["192.168.7.12/24", "10.0.0.5/8"], "192.168.7.12");
        check("m-2", &["192.168.7.13/24"], "m-2 is to have the address 192.168.7.12");
        check("m-3", &["192.168.7.13/24"], "not a member");
    }

    #[test]
    fn promise_02_an_address_in_anothers_certificate_is_no_nodes() {
        let spec = crate::spec::parse("cluster: c\ndomain: a.b\nnetwork: 10.0.0.0/24\nmembers: [{name: m-1, interface: end0}, {name: m-2, addresses: [10.0.0.7]}]\nextra_addresses: [10.0.0.9]\n").expect("good");
        let node = "m-1".parse().expect("good");
        let choose = |address: [u8; 4], approved: Option<Ipv4Addr>| {
            let net = Ipv4Net::new(address.into(), 24).expect("good");
            choose(&spec, &node, &[net], approved, &[]).map_err(|error| error.to_string())
        };
        assert_eq!(choose([10, 0, 0, 1], None), Ok([10, 0, 0, 1].into()));
        let taken = "end0 of m-1 has 10.0.0.7, which is the address of m-2";
        let extra = "end0 of m-1 has 10.0.0.9, which is among the extra_addresses of the spec";
        for approved in [false, true] {
            let asked = |address: [u8; 4]| choose(address, approved.then(|| address.into()));
            assert_eq!(asked([10, 0, 0, 7]).expect_err("m-2's"), taken);
            assert_eq!(asked([10, 0, 0, 9]).expect_err("extra"), extra);
        }
        let joined = |name: &str, last| {
            let name: NodeName = name.parse().expect("good");
            given_away(&spec, &[(name, Ipv4Addr::new(10, 0, 0, last))]).is_some()
        };
        assert!(joined("m-1", 9) && joined("m-1", 7) && joined("m-2", 9));
        assert!(!joined("m-1", 1) && !joined("m-2", 7));
    }

    #[test]
    fn without_a_network_a_node_waits_for_a_person() {
        let spec = crate::spec::parse(
            "cluster: c\ndomain: a.b\nmembers: [{name: m-1}, {name: m-2, address: 10.0.0.2}]\n",
        )
        .expect("good");
        let choose = |node: &str, address: &str, approved| {
            let (node, reported) = (node.parse().expect("good"), [address.parse().expect("good")]);
            choose(&spec, &node, &reported, approved, &[])
        };
        let error = choose("m-1", "10.0.0.1/24", None).expect_err("nobody said so");
        assert_eq!(
            error.to_string(),
            "eth0 of m-1 has 10.0.0.1, and the spec has neither an address for it nor a network"
        );
        assert!(error.help().is_some_and(|help| help.contains("coordctl approve m-1")));
        assert_eq!(
            choose("m-1", "10.0.0.1/24", Some([10, 0, 0, 1].into())),
            Ok([10, 0, 0, 1].into())
        );
        assert_eq!(choose("m-2", "10.0.0.2/24", None), Ok([10, 0, 0, 2].into()));
    }

    #[test]
    fn what_a_person_approved_may_lie_anywhere_but_must_be_there_and_be_nobody_elses() {
        let spec = crate::spec::parse(SPEC).expect("good");
        let (node, reported) =
            ("m-1".parse().expect("good"), ["10.0.0.5/8".parse().expect("good")]);
        let approve = |address: [u8; 4], taken: &[(NodeName, Ipv4Addr)]| {
            choose(&spec, &node, &reported, Some(address.into()), taken)
        };
        assert_eq!(approve([10, 0, 0, 5], &[]), Ok([10, 0, 0, 5].into()));
        assert!(matches!(approve([10, 0, 0, 6], &[]), Err(NoAddress::Differs { .. })));
        let taken = [("m-2".parse().expect("good"), [10, 0, 0, 5].into())];
        assert!(matches!(approve([10, 0, 0, 5], &taken), Err(NoAddress::Taken { .. })));
    }
}
