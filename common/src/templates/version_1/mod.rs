//! Templates of version 1, as they were: for agents that know no other. Nothing in this folder changes any more.

mod conf_yml;
mod keys;
mod openrc;

pub(super) use conf_yml::render_conf_yml;
pub(super) use openrc::{render_service_conf, render_service_script};
