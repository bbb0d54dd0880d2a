//! The files with which a service manager runs etcd, from the same values as `conf.yml`:
//! [`openrc`], [`systemd`], and the [`environment`] that both give it.
//!
//! Called by [`crate::templates`], which knows which version of the texts this is. Not here:
//! starting and stopping (the agent's `service`).

pub(crate) mod environment;
mod openrc;
mod systemd;

use crate::etcd_conf::{EtcdConf, ServiceManager};

/// Settings of the service, for the node's service manager: `/etc/conf.d/etcd` or
/// `/etc/etcd/etcd.env`.
pub(crate) fn render_service_conf(conf: &EtcdConf) -> String {
    match conf.service_manager {
        ServiceManager::OpenRc => openrc::render_service_conf(conf),
        ServiceManager::Systemd => systemd::render_environment(conf),
    }
}

/// The service itself: `/etc/init.d/etcd` or `/etc/systemd/system/etcd.service`.
pub(crate) fn render_service_script(conf: &EtcdConf) -> String {
    match conf.service_manager {
        ServiceManager::OpenRc => openrc::render_service_script(conf),
        ServiceManager::Systemd => systemd::render_unit(conf),
    }
}
