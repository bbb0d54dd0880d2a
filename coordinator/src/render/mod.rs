//! What a node should be, and what a person's shell needs, as values and text. Pure.

mod client_env;
mod desired;

pub use client_env::{Shell, client_env, host_entries};
pub use desired::{Desired, DesiredInput, WantedCertificate, WantedService, desired};
