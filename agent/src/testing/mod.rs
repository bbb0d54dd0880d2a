//! For tests: certificates ([`pki`]), a coordinator that does what a test says ([`coordinator`]), a
//! host ([`host`]) and a network with its clock ([`net`]) in memory.

mod coordinator;
mod host;
mod net;
mod pki;

use std::path::Path;
use std::sync::Arc;

pub(crate) use coordinator::{Agents, FakeCoordinator, desired, joining, node_id};
pub(crate) use host::TestHost;
pub(crate) use net::{TestNet, test_clock};
pub(crate) use pki::{Says, TestCa, leaf, now};

use crate::run::Parts;

/// The agent of `host` on `net`, with its own folder in `place`.
pub(crate) fn parts(net: &TestNet, host: &TestHost, place: &Path) -> Parts {
    Parts {
        host: Arc::new(host.clone()),
        dial: Arc::new(net.clone()),
        etcd: Arc::new(host.clone()),
        clock: Arc::clone(&net.clock),
        state: place.into(),
        status: place.join("status"),
    }
}
