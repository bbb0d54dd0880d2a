//! Text for people and hosts that is made of a cluster's values. Pure.
//!
//! Not here: the values themselves (`plan::values`), and the files of a node, which are rendered by
//! `common::templates` on both sides.

mod client_env;

pub(crate) use client_env::{Shell, client_env, host_entries};
