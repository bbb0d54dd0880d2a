//! The files with which a service manager runs etcd: typed templates with a version.
//!
//! Coordinator and agent render the same values with the same template version; text that differs is refused (promise 13).
//! Not here: starting and stopping (the agent's `service`).

mod openrc;

pub use openrc::{render_service_conf, render_service_script};

/// The version of the templates of this build, `conf.yml` included: rises with each change of a rendered text.
pub const TEMPLATE_VERSION: u32 = 1;
