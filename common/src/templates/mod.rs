//! The texts of all rendered files, by the version of their templates.
//!
//! Coordinator and agent render the same values with templates of the same version, and the agent refuses text that differs (promise 13). So that one
//! can be replaced before the other, each knows the last two versions: the agent reports its own, the coordinator takes the highest that
//! both know. **Any change of a rendered text is a new version**; the tests below pin the texts of each. A version 3 takes what is
//! `etcd_conf` and `service_files` now into a folder `version_2`, and drops [`version_1`].

mod version_1;

use crate::etcd_conf::{Change, EtcdConf, Tuning, diff};
use crate::{etcd_conf, service_files};

/// The versions that this build renders, newest first.
pub const TEMPLATE_VERSIONS: [u32; 2] = [2, 1];

/// Every file that is rendered for a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenderedFiles {
    /// `/etc/etcd/conf.yml`.
    pub conf_yml: String,
    /// Settings of the service, for the node's service manager.
    pub service_conf: String,
    /// The service itself, for the node's service manager.
    pub service_script: String,
}

/// Renders with the templates of `version`; `None` where this build does not have them. The same values give the same text.
pub fn render_files(version: u32, conf: &EtcdConf) -> Option<RenderedFiles> {
    match version {
        1 => Some(RenderedFiles {
            conf_yml: version_1::render_conf_yml(conf),
            service_conf: version_1::render_service_conf(conf),
            service_script: version_1::render_service_script(conf),
        }),
        2 => Some(RenderedFiles {
            conf_yml: etcd_conf::render::render_conf_yml(conf),
            service_conf: service_files::render_service_conf(conf),
            service_script: service_files::render_service_script(conf),
        }),
        _ => None,
    }
}

/// The highest version that both sides know.
pub fn highest_common(known_by_other: &[u32]) -> Option<u32> {
    TEMPLATE_VERSIONS.into_iter().find(|version| known_by_other.contains(version))
}

/// Which values of `conf` the templates of `version` pass over: they are in force once the node's agent is newer.
pub fn not_expressed(version: u32, conf: &EtcdConf) -> Vec<Change> {
    if version > 1 {
        return Vec::new();
    }
    let expressed = EtcdConf { tuning: Tuning::default(), ..conf.clone() };
    diff(&expressed, conf)
}

#[cfg(test)]
mod tests;
