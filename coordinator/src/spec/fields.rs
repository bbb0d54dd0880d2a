//! The one table of what a spec may say: each key, its kind, its range, its default, and what it is for.
//!
//! The reader ([`super::shape`]) checks by it and names what is allowed; the JSON Schema ([`super::schema()`]) is made of it. What keys
//! mean together is in [`super::check`].

use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use ipnet::Ipv4Net;
use pilaster_common::error::Help;
use pilaster_common::name::{ClusterName, DomainName, HostName, InterfaceName, NodeName};

use super::cluster::{LogLevel, Metrics, Names, Storage};

/// One key.
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) needed: bool,
    /// What it is for: a sentence of the schema.
    pub(super) about: &'static str,
    /// What holds where it is missing.
    pub(super) default: &'static str,
}

/// What a value has to be.
pub(super) enum Kind {
    Text(&'static Text),
    /// One of these.
    Word(&'static [&'static str]),
    Bool,
    /// A whole number in this range.
    Count(u64, u64),
    /// A time span in this range of milliseconds.
    Span(u64, u64),
    /// A size in this range of bytes.
    Size(u64, u64),
    /// A list of these.
    List(&'static Kind),
    /// Keys of its own.
    Section(&'static Section),
}

/// Keys that stand together.
pub(super) struct Section {
    /// As a person finds it: `etcd:`.
    pub(super) title: &'static str,
    pub(super) fields: &'static [Field],
}

/// A text with a form of its own.
pub(super) struct Text {
    pub(super) example: &'static str,
    /// The same for an editor, as far as a regular expression can tell it.
    pub(super) pattern: &'static str,
    pub(super) check: fn(&str) -> Result<(), Wrong>,
}

/// What is wrong with a text, and what is allowed.
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) help: String,
}

impl Section {
    pub(super) fn field(&self, name: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == name)
    }
}

const LABEL: &str = "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$";
const LABELS: &str = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$";
const DOMAIN: &str = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)+$";

const CLUSTER_NAME: Text = Text { example: "x-k3s", pattern: LABEL, check: named::<ClusterName> };
const NODE_NAME: Text = Text { example: "x-k3s-m-1", pattern: LABEL, check: named::<NodeName> };
const DOMAIN_NAME: Text =
    Text { example: "edge.example.net", pattern: DOMAIN, check: named::<DomainName> };
const HOST_NAME: Text =
    Text { example: "etcd-lb.example.net", pattern: LABELS, check: named::<HostName> };
const INTERFACE: Text =
    Text { example: "eth0", pattern: "^[A-Za-z0-9._-]{1,15}$", check: named::<InterfaceName> };
const NETWORK: Text = Text {
    example: "192.168.7.0/24",
    pattern: "^[0-9]{1,3}([.][0-9]{1,3}){3}/[0-9]{1,2}$",
    check: check_network,
};
const ADDRESS: Text = Text {
    example: "192.168.7.11",
    pattern: "^[0-9]{1,3}([.][0-9]{1,3}){3}$",
    check: check_address::<Ipv4Addr>,
};
const ANY_ADDRESS: Text =
    Text { example: "192.168.7.10", pattern: "^[0-9a-fA-F:.]+$", check: check_address::<IpAddr> };

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// A hundred years: what still fits into the dates of a certificate.
const EVER: u64 = 36_500 * DAY;

/// The whole file.
pub(super) static SPEC: Section = Section {
    title: "a spec",
    fields: &[
        needed("cluster", Kind::Text(&CLUSTER_NAME), "The cluster's name: one DNS label."),
        needed("domain", Kind::Text(&DOMAIN_NAME), "Members are NAME.DOMAIN."),
        field(
            "service",
            Kind::Text(&DOMAIN_NAME),
            "etcd.DOMAIN",
            "The name that leads to all members. It lies under the domain, and belongs to one cluster.",
        ),
        field(
            "network",
            Kind::Text(&NETWORK),
            "none: then each node that has no address here waits for `coordctl approve`",
            "Where an address that a node reports may lie.",
        ),
        field(
            "names",
            Kind::Word(Names::WORDS),
            "hosts",
            "How members find each other. hosts: the agents keep their names in /etc/hosts. dns: you keep them in DNS.",
        ),
        needed(
            "members",
            Kind::List(&Kind::Section(&MEMBER)),
            "The members, at least one; odd numbers survive more.",
        ),
        field(
            "extra_names",
            Kind::List(&Kind::Text(&HOST_NAME)),
            "none",
            "Further names in the server certificate of every member: those of a load balancer.",
        ),
        field(
            "extra_addresses",
            Kind::List(&Kind::Text(&ANY_ADDRESS)),
            "none",
            "Further addresses in the server certificate of every member: those of a load balancer, a virtual IP.",
        ),
        field(
            "etcd",
            Kind::Section(&ETCD),
            "as below",
            "etcd's own settings. etcd reads them when it starts.",
        ),
        field(
            "certificates",
            Kind::Section(&CERTIFICATES),
            "as below",
            "How long certificates live.",
        ),
    ],
};

/// One member.
pub(super) static MEMBER: Section = Section {
    title: "a member",
    fields: &[
        needed(
            "name",
            Kind::Text(&NODE_NAME),
            "The node's host name: one DNS label. Also its name in etcd.",
        ),
        field(
            "address",
            Kind::Text(&ADDRESS),
            "the one that its interface has, if it lies in network",
            "Its address, where you decide it.",
        ),
        field(
            "addresses",
            Kind::List(&Kind::Text(&ANY_ADDRESS)),
            "none",
            "Further addresses of its own, for its certificates.",
        ),
        field(
            "interface",
            Kind::Text(&INTERFACE),
            "eth0",
            "Which of its network interfaces has its address.",
        ),
    ],
};

/// `etcd:`. Defaults that are Pilaster's own differ from etcd's where the text says so.
pub(super) static ETCD: Section = Section {
    title: "etcd:",
    fields: &[
        field(
            "storage",
            Kind::Word(Storage::WORDS),
            "sdcard",
            "What the data lies on. sdcard: slow timing, no needless elections. ssd: etcd's own timing.",
        ),
        field(
            "heartbeat_interval",
            Kind::Span(1, 10 * SECOND),
            "500ms on sdcard, 100ms on ssd",
            "How often the leader is heard from.",
        ),
        field(
            "election_timeout",
            Kind::Span(5, 50 * SECOND),
            "5s on sdcard, 1s on ssd",
            "After how long without the leader another is elected: at least five heartbeats, at most 50s.",
        ),
        field(
            "snapshot_count",
            Kind::Count(1, u32::MAX as u64),
            "10000",
            "Writes between two snapshots of the log. More need more memory (etcd: 100000 until 3.5).",
        ),
        field(
            "snapshot_catchup_entries",
            Kind::Count(1, u32::MAX as u64),
            "5000",
            "Log entries kept behind a snapshot for a slow member.",
        ),
        field(
            "quota",
            Kind::Size(16 * MIB, 8 * GIB),
            "512MiB where the node has less than 1.5 GiB of memory or etcd has 32 bits, else 2GiB",
            "How large the database may grow. All of it is mapped into memory, and etcd suggests 8GiB at most.",
        ),
        field(
            "compaction_retention",
            Kind::Span(MINUTE, 3650 * DAY),
            "1h",
            "How long old revisions are kept.",
        ),
        field(
            "max_request_size",
            Kind::Size(64 * KIB, 10 * MIB),
            "1536KiB",
            "The largest request. etcd warns above 10MiB.",
        ),
        field("max_txn_ops", Kind::Count(1, 1_000_000), "128", "Operations in one transaction."),
        field(
            "max_concurrent_streams",
            Kind::Count(1, u32::MAX as u64),
            "4294967295",
            "Streams that one client may have open.",
        ),
        field("max_wals", Kind::Count(1, 1000), "5", "Files of the log that are kept: 64 MB each."),
        field(
            "backend_batch_interval",
            Kind::Span(1, 10 * SECOND),
            "100ms",
            "Between two commits of the database. Longer writes less to the card; the log is written at once either way.",
        ),
        field(
            "backend_batch_limit",
            Kind::Count(1, 10_000_000),
            "10000",
            "Operations before a commit of the database.",
        ),
        field(
            "grpc_keepalive_min_time",
            Kind::Span(SECOND, HOUR),
            "5s",
            "A client that pings more often is cut off.",
        ),
        field(
            "grpc_keepalive_interval",
            Kind::Span(SECOND, DAY),
            "2h",
            "How often a silent client is pinged.",
        ),
        field(
            "grpc_keepalive_timeout",
            Kind::Span(SECOND, HOUR),
            "20s",
            "How long its answer may take.",
        ),
        field(
            "grpc_gateway",
            Kind::Bool,
            "false",
            "Serve JSON over HTTP too. Server certificates are then for clients as well, because etcd dials itself.",
        ),
        field("metrics", Kind::Word(Metrics::WORDS), "basic", "extensive adds histograms."),
        field("log_level", Kind::Word(LogLevel::WORDS), "info", "How much etcd's log says."),
        field(
            "watch_progress_notify_interval",
            Kind::Span(100, HOUR),
            "5s",
            "How often a silent watch is told that it is current (etcd: 10m; 5s is what Kubernetes wants).",
        ),
        field(
            "initial_corrupt_check",
            Kind::Bool,
            "true",
            "Compare the data with the other members' at each start (etcd: false).",
        ),
        field(
            "compact_hash_check",
            Kind::Bool,
            "true",
            "Compare hashes with the other members' after compactions: cheap (etcd: false).",
        ),
        field(
            "compact_hash_check_interval",
            Kind::Span(10 * SECOND, DAY),
            "5m",
            "How often (etcd: 1m).",
        ),
        field(
            "corrupt_check_interval",
            Kind::Span(MINUTE, 365 * DAY),
            "never",
            "How often the whole database is compared: reads all of it each time.",
        ),
        field(
            "max_learners",
            Kind::Count(1, 100),
            "1",
            "Members that may learn at once (etcd 3.6 and later).",
        ),
        field(
            "memory_limit",
            Kind::Size(32 * MIB, 1024 * GIB),
            "300MiB where the node has less than 1.5 GiB of memory, else none",
            "From where on etcd's garbage collector works harder (GOMEMLIMIT). Not a cap.",
        ),
    ],
};

/// `certificates:`.
pub(super) static CERTIFICATES: Section = Section {
    title: "certificates:",
    fields: &[
        field("leaf", Kind::Span(10 * SECOND, EVER), "365d", "Life of etcd's certificates."),
        field(
            "autonomy",
            Kind::Span(0, EVER),
            "270d",
            "How long the cluster goes on without the coordinator: certificates are renewed when less is left. At most nine tenths of leaf.",
        ),
        field(
            "identity",
            Kind::Span(10 * SECOND, EVER),
            "90d",
            "Life of an agent's own certificate, renewed at two thirds.",
        ),
    ],
};

const fn needed(name: &'static str, kind: Kind, about: &'static str) -> Field {
    Field { name, kind, needed: true, about, default: "" }
}

const fn field(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    about: &'static str,
) -> Field {
    Field { name, kind, needed: false, about, default }
}

fn named<T: FromStr<Err: Help>>(text: &str) -> Result<(), Wrong> {
    let wrong = |error: T::Err| Wrong {
        message: error.to_string(),
        help: error.help().unwrap_or_default(),
    };
    text.parse::<T>().map(drop).map_err(wrong)
}

fn check_network(text: &str) -> Result<(), Wrong> {
    let wrong = |message, help| Err(Wrong { message, help });
    let Ok(network) = text.parse::<Ipv4Net>() else {
        let help = match text.parse::<Ipv4Addr>() {
            Ok(address) => format!("say how many bits of it are the network's: {address}/24"),
            Err(_) => "give an IPv4 network, such as 192.168.7.0/24".into(),
        };
        return wrong(format!("{text:?} is no network"), help);
    };
    if network != network.trunc() {
        let message = format!("{text:?} is an address in a network, not the network");
        return wrong(message, format!("write {}", network.trunc()));
    }
    Ok(())
}

fn check_address<T: FromStr + Into<IpAddr>>(text: &str) -> Result<(), Wrong> {
    let wrong = |message, help: &str| Err(Wrong { message, help: help.into() });
    let address: IpAddr = match text.parse::<T>() {
        Ok(address) => address.into(),
        Err(_) => {
            let bare = text.split('/').next().unwrap_or_default();
            let help = match (bare.parse::<T>(), text.parse::<IpAddr>()) {
                (Ok(_), _) => format!("without the network: {bare}"),
                (_, Ok(_)) => {
                    "members reach each other by IPv4; further addresses go into addresses:".into()
                }
                _ => "give an address, such as 192.168.7.11; names go elsewhere".into(),
            };
            return wrong(format!("{text:?} is no address that can stand here"), &help);
        }
    };
    let special = match address {
        _ if address.is_loopback() => "is loopback, which every host has",
        _ if address.is_unspecified() => "means any address",
        _ if address.is_multicast() => "is a group's",
        IpAddr::V4(v4) if v4.is_broadcast() => "is everyone's",
        IpAddr::V4(v4) if v4.is_link_local() => "is good on one wire only",
        IpAddr::V6(v6) if v6.is_unicast_link_local() => "is good on one wire only",
        IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some() => "is an IPv4 address in IPv6 clothes",
        _ => return Ok(()),
    };
    wrong(format!("{text} {special}"), "give an address by which others reach it")
}
