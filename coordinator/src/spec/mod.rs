//! The spec: the YAML that a person writes, and the typed value that everything else uses.
//!
//! [`parse()`] is the only way from text to [`ClusterSpec`]; [`template()`] writes the first one. Not here: what a node becomes by it
//! (`render`), who gets which names (`ca::issue`).

mod cluster;
mod diff;
mod parse;
mod span;
mod template;

pub use cluster::{ClusterSpec, EtcdSettings, Lifetimes, MemberSpec, Names, Storage};
pub use diff::needs_rollout;
pub(crate) use parse::is_host_of;
pub use parse::{BadSpec, parse};
pub use span::parse_span;
pub use template::template;
