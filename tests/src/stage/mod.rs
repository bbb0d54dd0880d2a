//! What the tests, the demonstration and the benches begin with.
//!
//! [`Stage`] is a lab in which a coordinator runs; `set_up` makes it and asks the coordinator,
//! `enroll` lets hosts in. [`on_loopback`] is a coordinator without hosts.

use std::time::Duration;

mod enroll;
mod loopback;
mod set_up;

pub use enroll::Enrolled;
pub use loopback::{Loopback, SPEC, on_loopback};
pub use set_up::{CLUSTER, DOMAIN, SERVICE, Stage};

/// Where the coordinator of the workstation is reached.
pub const ENDPOINT: &str = "192.168.7.2:7443";
/// A busy machine gets ten times what is usual; a test that needs it all fails.
pub const LIMIT: Duration = Duration::from_secs(60);
