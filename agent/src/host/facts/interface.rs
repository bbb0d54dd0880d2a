//! The global IPv4 addresses of the interface that the cluster uses. All of them are reported; the
//! coordinator decides (promise 2).

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use nix::ifaddrs::{InterfaceAddress, getifaddrs};
use pilaster_common::error::Help;

/// An interface without an address that a cluster can use.
#[derive(Debug, thiserror::Error)]
pub(in crate::host) enum BadInterface {
    #[error("cannot list the network interfaces")]
    List(#[source] nix::Error),
    #[error("there is no interface {name}; there are: {present}")]
    Missing { name: String, present: String },
    #[error("{name} has no global IPv4 address")]
    NoAddress { name: String },
}

impl Help for BadInterface {
    fn help(&self) -> Option<String> {
        Some(match self {
            Self::List(_) => "look at: ip address show".into(),
            Self::Missing { .. } => {
                "name the right one in /etc/conf.d/pilaster-agent: export PILASTER_INTERFACE=\"…\""
                    .into()
            }
            Self::NoAddress { name } => {
                format!("give it one, then try again; what it has: ip address show dev {name}")
            }
        })
    }
}

/// The addresses of `interface`, in the kernel's order.
pub(in crate::host) fn global_addresses(interface: &str) -> Result<Vec<Ipv4Net>, BadInterface> {
    let present: Vec<_> = getifaddrs().map_err(BadInterface::List)?.collect();
    if !present.iter().any(|address| address.interface_name == interface) {
        return Err(BadInterface::Missing { name: interface.into(), present: names(&present) });
    }
    let addresses: Vec<Ipv4Net> = present
        .iter()
        .filter(|address| address.interface_name == interface)
        .filter_map(ipv4)
        .filter(|net| is_global(net.addr()))
        .collect();
    if addresses.is_empty() {
        return Err(BadInterface::NoAddress { name: interface.into() });
    }
    Ok(addresses)
}

fn names(present: &[InterfaceAddress]) -> String {
    let mut names: Vec<_> = present.iter().map(|one| one.interface_name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names.join(", ")
}

fn ipv4(address: &InterfaceAddress) -> Option<Ipv4Net> {
    let ip = address.address.as_ref()?.as_sockaddr_in()?.ip();
    let mask = address.netmask.as_ref()?.as_sockaddr_in()?.ip();
    Ipv4Net::with_netmask(ip, mask).ok()
}

fn is_global(address: Ipv4Addr) -> bool {
    !(address.is_loopback()
        || address.is_link_local()
        || address.is_unspecified()
        || address.is_multicast()
        || address.is_broadcast())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_that_is_missing_is_told_with_those_that_are_there() {
        let error = global_addresses("nope0").expect_err("no such interface");
        assert!(error.to_string().starts_with("there is no interface nope0; there are: "));
        assert!(error.to_string().contains("lo"), "{error}");
    }

    #[test]
    fn loopback_and_link_local_addresses_are_not_global() {
        assert!(matches!(global_addresses("lo"), Err(BadInterface::NoAddress { .. })));
        assert!(is_global([192, 168, 7, 11].into()) && is_global([10, 0, 0, 1].into()));
        assert!(!is_global([169, 254, 1, 1].into()) && !is_global([0, 0, 0, 0].into()));
    }
}
