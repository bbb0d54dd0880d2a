//! The host: the only room that writes outside the agent's own state folder, and that starts
//! programs.
//!
//! What looks changes nothing and answers whole values ([`Known`], [`Seen`]); what changes
//! something is one of a closed list ([`Deed`]). Both go through one narrow interface ([`Host`]),
//! so that what needs root can become a process of its own: no reference, no handle and no key
//! crosses it. `etcd::Loopback`, which speaks to etcd with the client's key, belongs on its far
//! side. Keys of etcd are made here and stay here (promise 1); a message never names a path
//! ([`File`] does, promise 13). [`System`] is the real one. Not here: what is to be done
//! (`reconcile`), and what etcd says (`etcd`).

mod deed;
mod exec;
mod facts;
mod file;
mod output;
mod pin;
mod seam;
mod seen;
mod service;
mod system;

pub use deed::{Deed, DeedError, Done, ServiceVerb};
pub use facts::PortHolder;
pub(crate) use facts::{hostname, node_name};
pub use file::File;
pub(crate) use file::{ETCD_USER, INSTALL_ETCD};
pub use seam::Host;
pub use seen::{Known, Seen, SeenFile, SeenService};
pub use service::Service;
pub(crate) use service::{has_services, no_service_manager};
pub(crate) use system::System;
