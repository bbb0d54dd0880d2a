//! etcd's configuration: the version it is for ([`version`]) and how that release stands
//! ([`standing`]), what its binary was built for ([`processor`]), its values ([`EtcdConf`]) and
//! which of them etcd takes ([`check`]), the one table of keys ([`keys`], of [`table`]'s rows), the
//! text ([`render`]), what differs between two ([`diff()`]), and the ids that etcd derives from it
//! ([`ids`]).
//!
//! All pure. Facts about etcd come from its releases and from the files of etcd that are named
//! beside them.

mod check;
mod diff;
pub mod ids;
mod keys;
mod processor;
pub(crate) mod render;
mod standing;
mod table;
#[cfg(test)]
pub(crate) mod testing;
mod value;
mod version;
pub(crate) mod yaml;

pub use check::BadValue;
pub use diff::{Change, diff};
pub use processor::{Processor, UnknownProcessor};
pub use standing::Standing;
pub use table::{Class, Effect, Unit};
pub use value::{EtcdConf, InitialState, LogLevel, Member, Metrics, ServiceManager, Tuning};
pub use version::{BadVersion, EtcdVersion};
