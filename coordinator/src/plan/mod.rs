//! Decides what happens next. Pure: what is recorded and seen in, all that follows out.
//!
//! [`view`] is what a pass is made from and [`pass()`] the pass; within it, [`addresses`] says by
//! which address a node is known, [`desired`] what it should be (its etcd's [`values`], of which a
//! formed member keeps some until a rollout: [`hold`]), [`formation`] when a cluster starts for the
//! first time. What stands in the way is a [`Wait`]. [`changes`] is what another spec would do, for
//! `coordctl plan` and `apply`; [`standing`] what is known against an etcd.

pub(crate) mod addresses;
pub mod changes;
mod desired;
pub(crate) mod formation;
mod hold;
mod pass;
mod standing;
#[cfg(test)]
pub(crate) mod testing;
mod values;
pub mod view;
mod wait;

pub use hold::Notice;
pub use pass::{Pass, REPORT_AGE_MAX, pass};
pub use values::{Basis, etcd_conf};
pub use wait::Wait;
pub(crate) use wait::keep_since;
