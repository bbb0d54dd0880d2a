//! What must hold on this host before a join dials anyone, so that nothing is left half done.

use pilaster_common::error::Told;
use pilaster_common::name::NodeName;

use crate::host::{ETCD_USER, INSTALL_ETCD, Known, Seen, no_service_manager, node_name};
use crate::node::told;

/// Whether the one who runs this may do what a join does.
pub(crate) fn check_root() -> Result<(), Told> {
    if nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    Err(told(WHAT, "this is not run as root, who owns what it writes", "run it with doas or sudo"))
}

/// Checks the host. Returns the node's name.
pub(crate) fn check_host(known: &Known, seen: &Seen) -> Result<NodeName, Told> {
    let node = node_name(&known.facts.hostname).map_err(|error| Told::new(WHAT, &error))?;
    let in_the_way = known.no_address.as_ref().or(known.no_etcd.as_ref());
    if let Some(told) = in_the_way {
        return Err(Told { what: WHAT.into(), ..told.clone() });
    }
    if !seen.etcd_user {
        return Err(told(
            WHAT,
            format!("there is no user {ETCD_USER}, as whom etcd is to run"),
            format!("install etcd, whose package makes it: {INSTALL_ETCD}"),
        ));
    }
    if known.facts.service_manager.is_none() {
        // the agent could not run here: the token would be lost on it
        return Err(no_service_manager(WHAT));
    }
    if !seen.port_holders.is_empty() {
        let holders: Vec<_> = seen.port_holders.iter().map(ToString::to_string).collect();
        return Err(told(
            WHAT,
            format!("{}; etcd needs 2379, 2380 and 2381", holders.join(", ")),
            "stop that process, or move it to other ports, then join again",
        ));
    }
    Ok(node)
}

const WHAT: &str = "this node cannot join";

#[cfg(test)]
mod tests {
    use pilaster_common::etcd_conf::ServiceManager;
    use pilaster_proto::facts::Facts;

    use super::*;
    use crate::host::PortHolder;

    #[track_caller]
    fn check(words: &str, change: impl FnOnce(&mut Known, &mut Seen)) {
        let facts = Facts {
            hostname: "m-1".into(),
            service_manager: Some(ServiceManager::OpenRc),
            ..Facts::default()
        };
        let mut known = Known { facts, ..Known::default() };
        let mut seen = Seen { etcd_user: true, ..Seen::default() };
        change(&mut known, &mut seen);
        let said = match check_host(&known, &seen) {
            Ok(node) => format!("{node} may join"),
            Err(told) => told.to_string(),
        };
        assert!(said.contains(words), "{words}: {said}");
    }

    #[test]
    fn what_stands_in_the_way_of_a_join_is_told_before_anyone_is_dialled() {
        let told = |cause: &str| Some(Told { cause: cause.into(), ..Told::default() });
        check("m-1 may join", |_, _| {});
        check("\"My_Pi\" cannot be a node's name", |known, _| {
            known.facts.hostname = "My_Pi".into();
        });
        check("error: this node cannot join\ncause: no eth0", |known, _| {
            known.no_address = told("no eth0");
        });
        check("cause: no etcd", |known, _| known.no_etcd = told("no etcd"));
        check("no user etcd", |_, seen| seen.etcd_user = false);
        check("no service manager", |known, _| known.facts.service_manager = None);
        check("port 2379 is taken by nginx", |_, seen| {
            seen.port_holders = vec![PortHolder { port: 2379, process: "nginx".into() }];
        });
    }
}
