//! What a node should be, and what a person's shell needs, as values and text. Pure.
//!
//! [`etcd_conf`] makes a spec's settings etcd's, [`hold()`] keeps a formed member's files as they are until a rollout, [`desired()`] puts all of a node
//! together.

mod client_env;
mod desired;
mod hold;
mod values;

pub use client_env::{Shell, client_env, host_entries};
pub use desired::{Desired, DesiredInput, Made, WantedCertificate, WantedService, desired};
pub use hold::{Held, Notice, becomes, hold};
pub use values::{Basis, etcd_conf};
