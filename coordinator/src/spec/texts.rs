//! The texts with a form of their own: names, addresses, networks.

use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use ipnet::Ipv4Net;
use pilaster_common::error::Help;
use pilaster_common::name::{ClusterName, DomainName, HostName, InterfaceName, NodeName};

use super::table::{Kind, Text, Wrong, wrong};

const LABEL: &str = "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$";
const LABELS: &str = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$";
const DOMAIN: &str = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)+$";

pub(super) const CLUSTER_NAME: Kind = text("x-k3s", LABEL, named::<ClusterName>);
pub(super) const NODE_NAME: Kind = text("x-k3s-m-1", LABEL, named::<NodeName>);
pub(super) const DOMAIN_NAME: Kind = text("edge.example.net", DOMAIN, named::<DomainName>);
pub(super) const HOST_NAME: Kind = text("etcd-lb.example.net", LABELS, named::<HostName>);
pub(super) const INTERFACE: Kind = text("eth0", "^[A-Za-z0-9._-]{1,15}$", named::<InterfaceName>);
pub(super) const NETWORK: Kind =
    text("192.168.7.0/24", "^[0-9]{1,3}([.][0-9]{1,3}){3}/[0-9]{1,2}$", check_network);
pub(super) const ADDRESS: Kind =
    text("192.168.7.11", "^[0-9]{1,3}([.][0-9]{1,3}){3}$", check_address::<Ipv4Addr>);
pub(super) const ANY_ADDRESS: Kind =
    text("192.168.7.10", "^[0-9a-fA-F:.]+$", check_address::<IpAddr>);

const fn text(
    example: &'static str,
    pattern: &'static str,
    check: fn(&str) -> Result<(), Wrong>,
) -> Kind {
    Kind::Text(Text { example, pattern, check })
}

fn named<T: FromStr<Err: Help>>(text: &str) -> Result<(), Wrong> {
    match text.parse::<T>() {
        Ok(_) => Ok(()),
        Err(error) => wrong(error.to_string(), error.help().unwrap_or_default()),
    }
}

fn check_network(text: &str) -> Result<(), Wrong> {
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
    let Ok(address) = text.parse::<T>().map(Into::into) else {
        let bare = text.split('/').next().unwrap_or_default();
        let help = match (bare.parse::<T>(), text.parse::<IpAddr>()) {
            (Ok(_), _) => format!("without the network: {bare}"),
            (_, Ok(_)) => {
                "members reach each other by IPv4; further addresses go into addresses:".into()
            }
            _ => "give an address, such as 192.168.7.11; names go elsewhere".into(),
        };
        return wrong(format!("{text:?} is no address that can stand here"), help);
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
