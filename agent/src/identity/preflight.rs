//! What must hold on this host before a join dials anyone, so that nothing is left half done.

use std::path::Path;

use ipnet::Ipv4Net;
use nix::unistd::User;
use pilaster_common::error::{Told, code};
use pilaster_common::name::NodeName;
use pilaster_common::paths;
use pilaster_proto::facts::Facts;
use pilaster_proto::report::ServiceState;

use crate::config::{ETCD_SERVICE, ETCD_USER};
use crate::facts::{self, EtcdBinary};
use crate::reconcile::is_written_by_pilaster;
use crate::service::{Services, no_service_manager};

/// A host that can join.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) node: NodeName,
    pub(super) facts: Facts,
}

/// Whether the one who runs this may do what a join does.
pub(super) fn check_root() -> Result<(), Told> {
    if nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    Err(told("this is not run as root, who owns what it writes", "run it with doas or sudo"))
}

/// Checks the host, the cheap questions first.
pub(super) async fn check_host(interface: &str) -> Result<Ready, Told> {
    let node = facts::node_name().map_err(|error| Told::new(WHAT, &error))?;
    let addresses = facts::global_addresses(interface).map_err(|error| Told::new(WHAT, &error))?;
    let mut etcd = EtcdBinary::default();
    etcd.installed(Path::new(paths::ETCD_BINARY)).await.map_err(|error| Told::new(WHAT, &error))?;
    check_etcd_user()?;
    if Services::detect().is_none() {
        return Err(no_service_manager(WHAT)); // the agent could not run here: the token would be lost on it
    }
    check_ports(&addresses)?;
    Ok(Ready { node, facts: facts::observe(interface, &mut etcd).await.facts })
}

const WHAT: &str = "this node cannot join";

fn told(cause: impl Into<String>, help: &str) -> Told {
    Told { code: code::OTHER, what: WHAT.into(), cause: cause.into(), help: help.into() }
}

fn check_etcd_user() -> Result<(), Told> {
    match User::from_name(ETCD_USER) {
        Ok(Some(_)) => Ok(()),
        _ => Err(told(
            format!("there is no user {ETCD_USER}, as whom etcd is to run"),
            "install etcd, whose package makes it: apk add etcd etcd-ctl (Alpine), or apt-get install etcd-server etcd-client (Debian)",
        )),
    }
}

/// A member that Pilaster runs already may hold them.
fn check_ports(addresses: &[Ipv4Net]) -> Result<(), Told> {
    let ours = std::fs::read(paths::SERVICE_SCRIPT).is_ok_and(|text| is_written_by_pilaster(&text));
    let state = Services::detect().map(|services| services.state(ETCD_SERVICE));
    if ours && state == Some(ServiceState::Started) {
        return Ok(());
    }
    let addresses: Vec<_> = addresses.iter().map(Ipv4Net::addr).collect();
    let holders: Vec<_> = facts::holders(&addresses).iter().map(ToString::to_string).collect();
    if holders.is_empty() {
        return Ok(());
    }
    Err(told(
        format!("{}; etcd needs 2379, 2380 and 2381", holders.join(", ")),
        "stop that process, or move it to other ports, then join again",
    ))
}
