//! Decides what happens next. Pure: a spec, what was recorded and what is seen in, a decision or the blockers out.
//!
//! Called by [`crate::rollout`] only. [`view`] is what a decision is made from, [`formation`] the first start of a cluster.

pub mod formation;
pub mod view;
