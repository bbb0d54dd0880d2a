//! Certificates for etcd: which are [`due`], and how new ones are [`issue`]d.
//!
//! Called by `reconcile`, which says what is wanted. Not here: names and lifetimes, which the coordinator decides (promise 2).

mod due;
mod issue;

pub(crate) use due::{identity_is_due, is_due, is_met_by};
pub(crate) use issue::{Ca, IssueError, issue};
