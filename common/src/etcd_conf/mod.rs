//! etcd's configuration: the version it is for ([`version`]), its values ([`EtcdConf`]), the one table of keys ([`keys`]), the text
//! ([`render`]) and the ids that etcd derives from it ([`ids`]).
//!
//! All pure. Facts about etcd come from its releases and from the files of etcd that are named beside them.

pub mod ids;
mod keys;
mod render;
mod value;
mod version;
mod yaml;

pub use render::render_conf_yml;
pub use value::{EtcdConf, InitialState, Member};
pub use version::{BadVersion, EtcdVersion};
