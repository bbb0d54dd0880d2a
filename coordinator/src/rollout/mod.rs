//! Walks clusters from one state to another: looks, asks [`crate::plan`], records, publishes.
//!
//! Level-triggered: a pass looks at the whole cluster and does what is missing, whoever woke it
//! ([`wake`]). [`fleet`] is what is known of the nodes at this moment (in memory), [`observe()`]
//! makes the view of a pass, [`driver`] runs the passes.

pub mod driver;
pub mod fleet;
mod observe;
mod wake;

pub use observe::{PassError, observe};
pub use wake::Wake;
