//! etcd's ports, written once.

/// Clients: gRPC, with TLS and a client certificate.
pub const CLIENT: u16 = 2379;
/// The other members, with TLS of a CA of their own (promise 4).
pub const PEER: u16 = 2380;
/// Metrics and health, plain, on loopback only.
pub const METRICS: u16 = 2381;

/// Where clients reach the member on `host`.
pub fn client_url(host: &str) -> String {
    format!("https://{host}:{CLIENT}")
}

/// Where the other members reach the member on `host`.
pub fn peer_url(host: &str) -> String {
    format!("https://{host}:{PEER}")
}
