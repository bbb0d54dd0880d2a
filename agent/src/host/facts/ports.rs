//! Who holds the ports that etcd needs, by name, so that a person need not search.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use pilaster_common::ports;
use tokio::net::TcpSocket;

/// A process that listens on a port of etcd's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortHolder {
    /// Which port.
    pub port: u16,
    /// `nginx (pid 411)`; `another process` where /proc does not tell.
    pub process: String,
}

impl fmt::Display for PortHolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "port {} is taken by {}", self.port, self.process)
    }
}

/// A socket in state LISTEN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Listener {
    address: IpAddr,
    port: u16,
    inode: u64,
}

/// Those who hold a port that etcd binds on one of `addresses` or on loopback.
///
/// The kernel's tables are read only where a port is taken: they cost milliseconds on a machine
/// with much memory, whatever is in them.
pub(in crate::host) fn holders(addresses: &[Ipv4Addr]) -> Vec<PortHolder> {
    if !wanted(addresses).any(is_taken) {
        return Vec::new();
    }
    let taken: Vec<Listener> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .flat_map(|table| parse(&table))
        .filter(|listener| is_in_the_way(listener, addresses))
        .collect();
    if taken.is_empty() {
        return Vec::new();
    }
    let processes = processes_by_socket();
    let mut holders: Vec<PortHolder> = taken
        .iter()
        .map(|listener| PortHolder {
            port: listener.port,
            process: processes
                .get(&listener.inode)
                .cloned()
                .unwrap_or_else(|| "another process".into()),
        })
        .collect();
    holders.sort_by_key(|holder| holder.port);
    holders.dedup();
    holders
}

/// What etcd binds on one of `addresses` and on loopback.
fn wanted(addresses: &[Ipv4Addr]) -> impl Iterator<Item = SocketAddr> {
    let own =
        addresses.iter().flat_map(|address| [(*address, ports::CLIENT), (*address, ports::PEER)]);
    let loopback = [ports::CLIENT, ports::METRICS].map(|port| (Ipv4Addr::LOCALHOST, port));
    own.chain(loopback).map(SocketAddr::from)
}

/// Whether somebody listens there. Bound and not listening, with `SO_REUSEADDR`, this stands in
/// nobody's way (Linux: socket(7)).
fn is_taken(address: SocketAddr) -> bool {
    let bound = TcpSocket::new_v4().and_then(|socket| {
        socket.set_reuseaddr(true)?;
        socket.bind(address)
    });
    bound.is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
}

/// etcd listens for peers on its address, for clients there and on loopback, for metrics on
/// loopback (`common::etcd_conf::keys`).
fn is_in_the_way(listener: &Listener, addresses: &[Ipv4Addr]) -> bool {
    let IpAddr::V4(address) = listener.address.to_canonical() else {
        return listener.address.is_unspecified()
            && (ports::CLIENT..=ports::METRICS).contains(&listener.port);
    };
    let own = addresses.contains(&address) || address.is_unspecified();
    match listener.port {
        ports::CLIENT => own || address.is_loopback(),
        ports::PEER => own,
        ports::METRICS => address.is_unspecified() || address.is_loopback(),
        _ => false,
    }
}

/// The listening sockets of `/proc/net/tcp` or `tcp6` (kernel:
/// Documentation/networking/proc_net_tcp.rst).
fn parse(table: &str) -> Vec<Listener> {
    const LISTEN: &str = "0A";
    table
        .lines()
        .skip(1)
        .filter_map(|line| {
            let fields: Vec<&str> = line.split_ascii_whitespace().collect();
            let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
            let (address, port) = local.split_once(':')?;
            (*state == LISTEN).then_some(Listener {
                address: parse_address(address)?,
                port: u16::from_str_radix(port, 16).ok()?,
                inode: inode.parse().ok()?,
            })
        })
        .collect()
}

/// The kernel prints each 32-bit word as a number of its own byte order.
fn parse_address(hex: &str) -> Option<IpAddr> {
    let words: Vec<[u8; 4]> = (0..hex.len() / 8)
        .map(|i| u32::from_str_radix(hex.get(i * 8..i * 8 + 8)?, 16).ok().map(u32::to_ne_bytes))
        .collect::<Option<_>>()?;
    match words[..] {
        [word] => Some(Ipv4Addr::from(word).into()),
        [_, _, _, _] => Some(Ipv6Addr::from(<[u8; 16]>::try_from(words.concat()).ok()?).into()),
        _ => None,
    }
}

/// Socket inode → process, from the descriptors of every process that this one may look at.
fn processes_by_socket() -> HashMap<u64, String> {
    let mut found = HashMap::new();
    for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(pid) = process.file_name().to_string_lossy().parse::<u32>() else { continue };
        for socket in sockets(&process.path()) {
            found.entry(socket).or_insert_with(|| name(&process.path(), pid));
        }
    }
    found
}

fn sockets(process: &Path) -> Vec<u64> {
    let Ok(descriptors) = std::fs::read_dir(process.join("fd")) else { return Vec::new() };
    descriptors
        .flatten()
        .filter_map(|descriptor| std::fs::read_link(descriptor.path()).ok())
        .filter_map(|target| {
            target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
        })
        .collect()
}

fn name(process: &Path, pid: u32) -> String {
    let comm = std::fs::read_to_string(process.join("comm")).unwrap_or_default();
    format!("{} (pid {pid})", comm.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TCP: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:094B 00000000:0000 0A 00000000:00000000 00:00000000 00000000   107        0 4711 1 0000000000000000 100 0 0 10 0
   1: 0B07A8C0:094C 00000000:0000 0A 00000000:00000000 00:00000000 00000000   107        0 4712 1 0000000000000000 100 0 0 10 0
   2: 0B07A8C0:094B 0207A8C0:C001 01 00000000:00000000 00:00000000 00000000   107        0 4713 1 0000000000000000 100 0 0 10 0
   3: nonsense
";
    const OWN: Ipv4Addr = Ipv4Addr::new(192, 168, 7, 11);

    #[test]
    #[cfg(target_endian = "little")]
    fn the_kernels_table_is_read() {
        let listener = |address: [u8; 4], port, inode| Listener {
            address: IpAddr::from(address),
            port,
            inode,
        };
        assert_eq!(
            parse(TCP),
            [listener([127, 0, 0, 1], 2379, 4711), listener([192, 168, 7, 11], 2380, 4712)]
        );
        assert_eq!(
            parse_address("00000000000000000000000001000000"),
            Some(Ipv6Addr::LOCALHOST.into())
        );
        assert_eq!(parse_address("xyz"), None);
    }

    #[test]
    fn only_what_etcd_would_bind_is_in_the_way() {
        let check = |address: &str, port| {
            let address = address.parse().expect("address");
            is_in_the_way(&Listener { address, port, inode: 1 }, &[OWN])
        };
        assert!(check("0.0.0.0", 2379) && check("::", 2380) && check("192.168.7.11", 2380));
        assert!(
            check("127.0.0.1", 2379)
                && check("127.0.0.1", 2381)
                && check("::ffff:192.168.7.11", 2379)
        );
        assert!(!check("127.0.0.1", 2380) && !check("10.0.0.9", 2379) && !check("0.0.0.0", 2382));
        assert!(!check("::1", 2379));
    }

    #[test]
    fn a_port_is_taken_while_somebody_listens_and_a_look_is_in_nobodys_way() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
        let address = listener.local_addr().expect("bound");
        assert!(is_taken(address));
        drop(listener);
        assert!(!is_taken(address));
        let looking = TcpSocket::new_v4().expect("a socket");
        looking.set_reuseaddr(true).expect("takes it");
        looking.bind(address).expect("binds");
        drop(std::net::TcpListener::bind(address).expect("etcd would start now"));
    }

    #[test]
    fn the_process_that_listens_is_named() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
        let port = listener.local_addr().expect("bound").port();
        let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux");
        let found = parse(&table).into_iter().find(|listener| listener.port == port).expect("own");
        let process = processes_by_socket().remove(&found.inode).expect("own process");
        assert!(process.ends_with(&format!("(pid {})", std::process::id())), "{process}");
    }
}
