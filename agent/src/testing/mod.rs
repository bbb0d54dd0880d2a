//! For tests: certificates ([`pki`]), a coordinator that does what a test says ([`coordinator`]), a host in memory ([`host`]).

mod coordinator;
mod host;
mod pki;

pub(crate) use coordinator::{Agents, FakeCoordinator, desired, joining, node_id};
pub(crate) use host::TestHost;
pub(crate) use pki::{Says, TestCa, now};
