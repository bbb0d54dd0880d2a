//! Decides what happens next. Pure: a spec, what was recorded and what is seen in, a decision or the blockers out.
//!
//! [`view`] is what a decision is made from, [`formation`] the first start of a cluster, both for [`crate::rollout`]; [`spec_change`] what
//! another spec would do, for [`crate::admin_api`]; [`standing`] what is known against an etcd.

pub mod formation;
pub mod spec_change;
pub mod standing;
pub mod view;
