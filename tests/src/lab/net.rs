//! The network of a lab: a switch in a network namespace of its own, a cable to each node's `eth0`.
//! The machine's own namespace gets no interface, no address and no route of it, so two labs with
//! the same addresses can stand side by side.

use std::net::Ipv4Addr;

use super::id::{HUB, LabId};
use crate::command::run;
use crate::error::LabError;

/// Makes the switch.
pub(crate) fn create_switch(id: &LabId) -> Result<(), LabError> {
    let hub = id.node(HUB);
    run("ip", ["netns", "add", &hub])?;
    run("ip", ["-n", &hub, "link", "add", "br0", "type", "bridge"])?;
    run("ip", ["-n", &hub, "link", "set", "br0", "up"]).map(drop)
}

/// Makes the network namespace of `node` and plugs its `eth0`, with `address`, into `port` of the
/// switch.
pub(crate) fn plug_in(id: &LabId, node: &str, port: usize, address: &str) -> Result<(), LabError> {
    let (hub, namespace, port) = (id.node(HUB), id.node(node), port_name(port));
    run("ip", ["netns", "add", &namespace])?;
    run("ip", ["-n", &namespace, "link", "set", "lo", "up"])?;
    let peer = ["type", "veth", "peer", "name", "eth0", "netns", &namespace];
    run("ip", ["-n", &hub, "link", "add", &port].into_iter().chain(peer))?;
    run("ip", ["-n", &hub, "link", "set", &port, "master", "br0", "up"])?;
    run("ip", ["-n", &namespace, "address", "add", address, "dev", "eth0"])?;
    run("ip", ["-n", &namespace, "link", "set", "eth0", "up"]).map(drop)
}

/// The hub's end of the cable in a port.
pub(crate) fn port_name(port: usize) -> String {
    format!("port{port}")
}

/// Takes `ADDRESS/PREFIX` apart.
pub(crate) fn parse_address(text: &str) -> Result<Ipv4Addr, LabError> {
    let parsed = text.split_once('/').and_then(|(address, prefix)| {
        let prefix_fits = prefix.parse::<u8>().is_ok_and(|prefix| prefix <= 32);
        address.parse().ok().filter(|_| prefix_fits)
    });
    parsed.ok_or_else(|| LabError::BadName {
        kind: "address",
        found: text.to_owned(),
        wanted: "IPv4 with prefix, such as 192.168.7.11/24",
    })
}
