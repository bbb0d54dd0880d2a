//! Walks clusters from one state to another: reads, asks [`crate::plan`], records, publishes. The only caller of `plan`.
//!
//! Level-triggered: a pass looks at the whole cluster and does what is missing, whoever woke it. [`fleet`] is what is known of the nodes
//! at this moment (in memory), [`driver`] the passes.

pub mod driver;
pub mod fleet;
