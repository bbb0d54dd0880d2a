//! The coordinator's settings, and every default.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::Parser;
use ipnet::Ipv4Net;
use pilaster_common::atomic_file::Access;
use pilaster_common::endpoint::Endpoint;

/// Keeps the CAs, the specs and the rollouts of etcd clusters.
///
/// Agents dial it, `coordctl` speaks to it over a socket. It needs no route to the nodes.
#[derive(Debug, Clone, Parser)]
#[command(version)]
pub struct Config {
    /// Where the CAs and the store lie
    #[arg(long, env = "PILASTER_STATE", default_value_os_t = default_state(), value_name = "DIR")]
    pub state: PathBuf,
    /// Where agents reach it
    #[arg(
        long,
        env = "PILASTER_LISTEN",
        default_value = "0.0.0.0:7443",
        value_name = "ADDRESS:PORT"
    )]
    pub listen: SocketAddr,
    /// What agents are told to dial; may be given several times [default: the addresses of this
    /// machine]
    #[arg(long, env = "PILASTER_ADVERTISE", value_delimiter = ',', value_name = "HOST:PORT")]
    pub advertise: Vec<Endpoint>,
    /// Where coordctl reaches it
    #[arg(long, env = "PILASTER_SOCKET", default_value_os_t = default_socket(), value_name = "PATH")]
    pub socket: PathBuf,
    /// A folder of `cargo xtask repository`, whose packages nodes may fetch; without it none are
    /// given out
    #[arg(long, env = "PILASTER_REPOSITORY", value_name = "DIR")]
    pub repository: Option<PathBuf>,
    /// Where nodes fetch packages, over plain HTTP: apk verifies what it gets by its signature
    #[arg(
        long,
        env = "PILASTER_REPOSITORY_LISTEN",
        default_value = "0.0.0.0:7480",
        value_name = "ADDRESS:PORT"
    )]
    pub repository_listen: SocketAddr,
}

impl Config {
    /// What agents are told to dial, best first.
    pub fn endpoints(&self) -> Endpoints {
        let own = |address: std::net::IpAddr| SocketAddr::new(address, self.listen.port());
        let listens: Vec<SocketAddr> = match self.listen.ip().is_unspecified() {
            true => own_networks().iter().map(|net| own(net.addr().into())).collect(),
            false => vec![self.listen],
        };
        let endpoint = |listens: SocketAddr| listens.to_string().parse();
        let listens = listens.into_iter().map(|l| endpoint(l).expect("an address and a port"));
        match self.advertise.is_empty() {
            true => Endpoints(listens.collect()),
            false => Endpoints(self.advertise.clone()),
        }
    }
}

/// Where agents find this coordinator, best first.
#[derive(Debug, Clone, Default)]
pub struct Endpoints(pub Vec<Endpoint>);

/// A workstation with containers has dozens of addresses; an agent takes sixteen.
const ENDPOINTS_MAX: usize = 8;

impl Endpoints {
    /// For agents in `network`: those that lie in it first.
    pub fn for_network(&self, network: Option<Ipv4Net>) -> Vec<Endpoint> {
        let inside = |endpoint: &Endpoint| {
            let address = endpoint.host().parse::<Ipv4Addr>().ok();
            address.zip(network).is_some_and(|(address, network)| network.contains(&address))
        };
        let mut endpoints = self.0.clone();
        endpoints.sort_by_key(|endpoint| !inside(endpoint)); // stable: keeps the order otherwise
        endpoints.truncate(ENDPOINTS_MAX);
        endpoints
    }
}

/// Who runs this program: owner of all that it writes.
pub fn owner() -> Access {
    Access {
        uid: nix::unistd::geteuid().as_raw(),
        gid: nix::unistd::getegid().as_raw(),
        mode: 0o600,
    }
}

/// Where `coordctl` and the coordinator meet when nothing is said.
pub fn default_socket() -> PathBuf {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").filter(|_| !nix::unistd::geteuid().is_root());
    runtime.map_or_else(|| "/run".into(), PathBuf::from).join("pilaster/coordinator.sock")
}

/// The global IPv4 networks of this machine.
pub fn own_networks() -> Vec<ipnet::Ipv4Net> {
    let interfaces = nix::ifaddrs::getifaddrs().into_iter().flatten();
    let mut networks: Vec<ipnet::Ipv4Net> = interfaces
        .filter_map(|interface| {
            let address = interface.address?.as_sockaddr_in()?.ip();
            let mask = interface.netmask?.as_sockaddr_in()?.ip();
            ipnet::Ipv4Net::with_netmask(address, mask).ok()
        })
        .filter(|net| {
            !net.addr().is_loopback() && !net.addr().is_link_local() && !net.addr().is_unspecified()
        })
        .collect();
    networks.dedup();
    networks
}

fn default_state() -> PathBuf {
    if nix::unistd::geteuid().is_root() {
        return "/var/lib/pilaster-coordinator".into();
    }
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_else(|| "/".into()));
    let state = std::env::var_os("XDG_STATE_HOME")
        .map_or_else(|| home().join(".local/state"), PathBuf::from);
    state.join("pilaster")
}
