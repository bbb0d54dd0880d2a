//! One cluster as a person wants it: the tables of a spec's keys, those of etcd's settings
//! excepted.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ipnet::Ipv4Net;
use pilaster_common::name::{ClusterName, DomainName, HostName, InterfaceName, NodeName};

use super::settings::EtcdSettings;
use super::table::Kind::{List, Span};
use super::table::{Field, Kind, Scalar, Section, Slot, section, words};
use super::texts::{
    ADDRESS, ANY_ADDRESS, CLUSTER_NAME, DOMAIN_NAME, HOST_NAME, INTERFACE, NETWORK, NODE_NAME,
};
use super::yaml::Node;

/// How members find each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Names {
    /// By a block in `/etc/hosts` that the agent keeps: works while the router boots.
    Hosts,
    /// By DNS, which the person keeps.
    Dns,
}

words!(NAMES: Names { Hosts = "hosts", Dns = "dns" });

section! {
    /// A checked spec. Made by [`super::parse()`] only.
    pub struct ClusterSpec as "a spec" {
        cluster: ClusterName = CLUSTER_NAME, needed, "The cluster's name: one DNS label.";

        domain: DomainName = DOMAIN_NAME, needed, "Members are NAME.DOMAIN.";

        service: DomainName = DOMAIN_NAME, "etcd.DOMAIN",
            "The name that leads to all members. It lies under the domain, \
            and belongs to one cluster.";

        network: Option<Ipv4Net> = NETWORK,
            "none: then each node that has no address here waits for `coordctl approve`",
            "Where an address that a node reports may lie.";

        names: Names = NAMES, "hosts",
            "How members find each other. hosts: the agents keep their names in /etc/hosts. \
            dns: you keep them in DNS.";

        /// Each name and address once.
        members: Vec<MemberSpec> = List(&Kind::Section(&MemberSpec::SECTION)), needed,
            "The members, at least one; odd numbers survive more.";

        /// No member's own.
        extra_names: Vec<HostName> = List(&HOST_NAME), "none",
            "Further names in the server certificate of every member: \
            those of a load balancer.";

        /// No member's own.
        extra_addresses: Vec<IpAddr> = List(&ANY_ADDRESS), "none",
            "Further addresses in the server certificate of every member: \
            those of a load balancer, a virtual IP.";

        etcd: EtcdSettings = Kind::Section(&EtcdSettings::SECTION), "as below",
            "etcd's own settings. etcd reads them when it starts.";

        certificates: Lifetimes = Kind::Section(&Lifetimes::SECTION), "as below",
            "How long certificates live.";
    }
}

section! {
    /// One member.
    pub struct MemberSpec as "a member" {
        name: NodeName = NODE_NAME, needed,
            "The node's host name: one DNS label. Also its name in etcd.";

        address: Option<Ipv4Addr> = ADDRESS,
            "the one that its interface has, if it lies in network",
            "Its address, where you decide it.";

        addresses: Vec<IpAddr> = List(&ANY_ADDRESS), "none",
            "Further addresses of its own, for its certificates.";

        interface: InterfaceName = INTERFACE, INTERFACE_DEFAULT,
            "Which of its network interfaces has its address.";
    }
}

/// The one that an agent looks at unless told otherwise.
const INTERFACE_DEFAULT: &str = "eth0";

section! {
    /// How long certificates live, and when they are renewed (docs/PROTOCOL.md, Certificates).
    #[derive(Copy)]
    pub struct Lifetimes as "certificates:" {
        leaf: Duration = Span(10_000, EVER), "365d", "Life of etcd's certificates.";

        autonomy: Duration = Span(0, EVER), "270d",
            "How long the cluster goes on without the coordinator: \
            certificates are renewed when less is left. At most nine tenths of leaf.";

        identity: Duration = Span(10_000, EVER), "90d",
            "Life of an agent's own certificate, renewed at two thirds.";
    }
}

/// A hundred years in milliseconds: what still fits into the dates of a certificate.
const EVER: u64 = 36_500 * 86_400_000;

/// Members stand in a list, and differ each by its name.
impl Slot for Vec<MemberSpec> {
    fn read(_: &Field, node: Option<&Node>) -> Self {
        node.map_or(&[][..], Node::items).iter().map(|item| MemberSpec::of(Some(item))).collect()
    }

    fn said(&self, _: &Field) -> Option<String> {
        None // each says something of its own
    }
}

impl ClusterSpec {
    /// The member of that name.
    pub fn member(&self, name: &NodeName) -> Option<&MemberSpec> {
        self.members.iter().find(|member| member.name == *name)
    }

    /// A member's full host name.
    pub fn host(&self, name: &NodeName) -> String {
        self.domain.host(name)
    }
}

impl MemberSpec {
    /// Its interface where that is not the one that an agent looks at unless told otherwise.
    pub fn own_interface(&self) -> Option<&InterfaceName> {
        Some(&self.interface)
            .filter(|interface| AsRef::<str>::as_ref(interface) != INTERFACE_DEFAULT)
    }
}

impl Lifetimes {
    /// An identity is renewed when less than this is left.
    pub fn identity_renew_before(&self) -> Duration {
        self.identity / 3
    }
}
