//! A new thing is kept beside the old one until it is seen to work, else taken back (promises 1,
//! 8).
//!
//! What is tried is a [`Subject`]; what is known of it a [`Proof`], which [`judge`] turns into a
//! [`Verdict`]. What was taken back waits, with its reason ([`Taken`]). Pure: `reconcile` looks and
//! acts. The old one is kept only where the new one can be seen to work; after a crash it lies
//! there still, and is judged as if it had just been kept. Not here: how a thing is looked at
//! (`certificates::served`).

mod proof;
mod subject;
mod taken;
mod verdict;

pub(crate) use proof::{Proof, Sight, Version};
pub(crate) use subject::Subject;
pub(crate) use taken::Taken;
pub(crate) use verdict::{Verdict, judge};
