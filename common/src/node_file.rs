//! The files on a node whose whole text coordinator and agent both render.
//!
//! A message names a file by its kind and never by its path (promise 13).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::etcd_conf::ServiceManager;
use crate::paths;

/// A rendered file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeFile {
    /// What etcd reads.
    EtcdConf,
    /// The service's settings.
    ServiceConf,
    /// The service itself.
    ServiceScript,
}

impl NodeFile {
    /// Where it lies on a node with this service manager.
    pub fn path(self, services: ServiceManager) -> &'static str {
        match (self, services) {
            (Self::EtcdConf, _) => paths::ETCD_CONF,
            (Self::ServiceConf, ServiceManager::OpenRc) => paths::SERVICE_CONF,
            (Self::ServiceConf, ServiceManager::Systemd) => paths::SYSTEMD_ENVIRONMENT,
            (Self::ServiceScript, ServiceManager::OpenRc) => paths::SERVICE_SCRIPT,
            (Self::ServiceScript, ServiceManager::Systemd) => paths::SYSTEMD_UNIT,
        }
    }
}

impl fmt::Display for NodeFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::EtcdConf => "conf.yml",
            Self::ServiceConf => "the service's settings",
            Self::ServiceScript => "the service's script",
        })
    }
}
