//! The names in TLS: fixed, since a workstation has DHCP, and a token's pin says which
//! installation.

/// The name in every coordinator's certificate, and the one by which it is asked for everything but
/// Join.
pub const COORDINATOR: &str = "coordinator.pilaster.internal";

/// The name by which Join is asked for: its TLS configuration wants no client certificate.
pub const JOIN: &str = "join.pilaster.internal";
