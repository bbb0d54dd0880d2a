//! The spec: the YAML that a person writes, and the typed value that everything else uses.
//!
//! [`parse()`] is the only way from text to [`ClusterSpec`]; [`template()`] writes the first one, [`schema()`] tells an editor what may
//! stand there. `fields` is the one table of keys: a key is added there, in [`ClusterSpec`] and in `read`. Not here: what a node becomes
//! by it (`render`), who gets which names (`ca::issue`).

mod check;
mod cluster;
mod diff;
mod fields;
mod forbidden;
mod mistake;
mod parse;
mod quantity;
mod read;
mod schema;
mod shape;
mod template;
mod yaml;

#[cfg(test)]
mod tests;

pub(crate) use check::is_host_of;
pub use check::{QuotaTooLarge, check_quota};
pub use cluster::{
    ClusterSpec, EtcdSettings, Lifetimes, LogLevel, MemberSpec, Metrics, Names, Storage,
};
pub use diff::{Difference, differences, warnings};
pub use mistake::{BadSpec, Place};
pub use parse::{parse, text_of};
pub use quantity::{parse_size, parse_span, size_text, span_text};
pub use schema::schema;
pub use template::template;
