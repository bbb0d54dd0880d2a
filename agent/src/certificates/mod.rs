//! Certificates for etcd: which are [`due`], how new ones are [`mod@issue`]d, and what etcd shows
//! of them ([`served`]).
//!
//! Called by `reconcile`, which says what is wanted. Not here: names and lifetimes, which the
//! coordinator decides (promise 2), and the keys, which the host makes.

mod due;
mod issue;
mod served;

pub(crate) use due::{is_due, is_met_by};
pub(crate) use issue::{Ca, issue};
pub(crate) use served::Looks;
