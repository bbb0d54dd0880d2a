//! The spec: the YAML that a person writes, and the typed value that everything else uses.
//!
//! [`parse()`] is the only way from text to [`ClusterSpec`]; [`template()`] writes the first one,
//! [`schema()`] tells an editor what may stand there. A key is a row of its table: in `settings`
//! for etcd's, in `cluster` for all others. Not here: what a node becomes by it (`render`), who
//! gets which names (`ca::issue`).

mod check;
mod cluster;
mod diff;
mod forbidden;
mod mistake;
mod parse;
mod quantity;
mod scalar;
mod schema;
mod settings;
mod shape;
mod table;
mod template;
mod texts;
mod yaml;

#[cfg(test)]
mod tests;

pub(crate) use check::is_host_of;
pub use check::{QuotaTooLarge, check_quota};
pub use cluster::{ClusterSpec, Lifetimes, MemberSpec, Names};
pub use diff::{Difference, differences, warnings};
pub use mistake::{BadSpec, Place};
pub use parse::{parse, text_of};
pub use quantity::{parse_size, parse_span, size_text, span_text};
pub use schema::schema;
pub use settings::{EtcdSettings, Storage};
pub use template::template;
