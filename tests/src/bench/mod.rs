//! `lab bench NAME`: figures, each beside something bare in the same run, since machines differ and
//! drift.
//!
//! [`identity()`] measures joining, idle connections and the rotation of leaves, [`plan()`]
//! planning a changed spec, [`agent()`] what the agent costs a Pi. What is measured runs as the
//! release binary in a process of its own; this program is the load, and must be a release build
//! too. Figures are printed, never asserted: a missed goal is told.

mod agent;
pub mod bare;
mod identity;
pub mod nodes;
mod plan;
pub mod served;

pub use agent::{Sizes, agent};
pub use identity::identity;
pub use plan::plan;
