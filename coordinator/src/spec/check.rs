//! Checks what the keys of a spec mean together: names and addresses that belong to two, timing
//! that etcd would not start with.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ipnet::Ipv4Net;

use super::ClusterSpec;
use super::mistake::{Mistake, Place};
use super::quantity::{size_text, span_text};
use super::yaml::Node;

/// The longest election timeout that etcd starts with (`server/embed/config.go`, `maxElectionMs`).
const ELECTION_MAX: Duration = Duration::from_secs(50);

/// All mistakes in a spec, with their places in the tree that it was read from.
pub(super) fn mistakes(spec: &ClusterSpec, tree: &Node) -> Vec<Mistake> {
    let mut check = Check { spec, tree, found: Vec::new() };
    check.members();
    check.addresses();
    check.service();
    check.extra_names();
    check.timing();
    check.lifetimes();
    check.found
}

struct Check<'spec> {
    spec: &'spec ClusterSpec,
    tree: &'spec Node,
    found: Vec<Mistake>,
}

impl Check<'_> {
    fn add(&mut self, place: Place, message: String, help: impl Into<String>) {
        self.found.push(Mistake::new(place, message, help));
    }

    /// The place of the first of these keys that is written in a section.
    fn place(&self, section: &str, keys: [&str; 2]) -> Option<Place> {
        let section = self.tree.get(section)?;
        keys.iter().find_map(|key| section.get(key)).map(|node| node.place)
    }

    fn members(&mut self) {
        let places =
            self.tree.list("members").iter().filter_map(|node| Some(node.get("name")?.place));
        let members: Vec<_> = self.spec.members.iter().zip(places).collect();
        for (i, (member, place)) in members.iter().enumerate() {
            let name = &member.name;
            if let Some((_, first)) = members[..i].iter().find(|(other, _)| other.name == *name) {
                self.add(
                    *place,
                    format!("{name} is a member twice: it stands in line {} already", first.line),
                    "remove one of the two, or give it the name of its own node",
                );
            }
        }
    }

    /// Each address belongs to one member, or to what stands before all of them (promise 2).
    fn addresses(&mut self) {
        let Self { spec, tree, .. } = *self;
        let mut taken = Vec::new();
        for (member, node) in spec.members.iter().zip(tree.list("members")) {
            let owner: &str = member.name.as_ref();
            if let Some((address, node)) = member.address.zip(node.get("address")) {
                self.take(&mut taken, address.into(), owner, node.place);
                self.inside(address, node.place);
            }
            for (address, node) in member.addresses.iter().zip(node.list("addresses")) {
                self.take(&mut taken, *address, owner, node.place);
            }
        }
        for (address, node) in spec.extra_addresses.iter().zip(tree.list(EXTRA)) {
            self.take(&mut taken, *address, EXTRA, node.place);
        }
    }

    fn take<'spec>(
        &mut self,
        taken: &mut Vec<(IpAddr, &'spec str)>,
        address: IpAddr,
        owner: &'spec str,
        place: Place,
    ) {
        if let Some((_, other)) = taken.iter().find(|(known, _)| *known == address) {
            let (message, help) = match (*other == owner, owner) {
                (true, _) => (format!("{address} stands here twice"), "remove one of the two"),
                (false, EXTRA) => (
                    format!(
                        "{address} is the address of {other}: in every member's certificate, \
                         others could pass for it"
                    ),
                    "extra addresses are those of a load balancer or a virtual IP, of no member",
                ),
                _ => (
                    format!("{address} is the address of {other} already"),
                    "give each member an address of its own",
                ),
            };
            self.add(place, message, help);
        }
        taken.push((address, owner));
    }

    fn inside(&mut self, address: Ipv4Addr, place: Place) {
        let Some(network) = self.spec.network.filter(|network| !is_host_of(*network, address))
        else {
            return;
        };
        let message = match network.contains(&address) {
            true => format!(
                "{address} is the first or the last of the network {network}, \
                 which no host can have"
            ),
            false => format!("{address} is not a host's address in the network {network}"),
        };
        self.add(place, message, "mend the address or network:");
    }

    fn service(&mut self) {
        let ClusterSpec { domain, service, .. } = self.spec;
        let message = if service == domain || !domain.covers(service.as_ref()) {
            format!("the service name {service} does not lie under the domain {domain}")
        } else if let Some(member) = self.member_of_host(service.as_ref()) {
            format!("the service name {service} is the host name of member {member}")
        } else {
            return;
        };
        let place = self.tree.get("service").map_or(self.tree.place, |node| node.place);
        self.add(place, message, format!("choose a name such as etcd.{domain}"));
    }

    /// Extra names are in every server certificate, so no member's may be among them (promise 2).
    fn extra_names(&mut self) {
        let ClusterSpec { extra_names, service, .. } = self.spec;
        for (i, (name, node)) in extra_names.iter().zip(self.tree.list("extra_names")).enumerate() {
            let text: &str = name.as_ref();
            let (message, help) = if let Some(member) = self.member_of_host(text) {
                (
                    format!(
                        "{name} is member {member}: with its name in every certificate, \
                         others could pass for it"
                    ),
                    "remove it: each member has its own names in its own certificate",
                )
            } else if text == "localhost" || text == AsRef::<str>::as_ref(service) {
                (format!("{name} is in every server certificate already"), "remove it")
            } else if extra_names[..i].contains(name) {
                (format!("{name} stands here twice"), "remove one of the two")
            } else {
                continue;
            };
            self.add(node.place, message, help);
        }
    }

    /// The member that has `host` for its short or full name.
    fn member_of_host(&self, host: &str) -> Option<&str> {
        let mut names = self.spec.members.iter().map(|member| &member.name);
        let is = |name: &&_| AsRef::<str>::as_ref(*name) == host || self.spec.host(name) == host;
        names.find(is).map(AsRef::as_ref)
    }

    /// etcd does not start with an election timeout below five heartbeats or above 50 s
    /// (`Validate`).
    fn timing(&mut self) {
        let etcd = &self.spec.etcd;
        let (heartbeat, election) = (etcd.heartbeat(), etcd.election());
        let place = self.place("etcd", ["election_timeout", "heartbeat_interval"]);
        let Some(place) = place.filter(|_| heartbeat * 5 > election) else { return };
        let by_storage = |set: Option<Duration>| match set {
            Some(_) => String::new(),
            None => format!(" (storage: {})", etcd.storage),
        };
        let message = format!(
            "election_timeout {}{} is less than five times heartbeat_interval {}{}: \
             etcd would not start",
            span_text(election),
            by_storage(etcd.election_timeout),
            span_text(heartbeat),
            by_storage(etcd.heartbeat_interval),
        );
        let help = match heartbeat * 5 {
            needed if needed <= ELECTION_MAX => format!(
                "election_timeout: {} or longer, up to 50s, or a shorter heartbeat_interval",
                span_text(needed)
            ),
            _ => "heartbeat_interval: 10s at most, because election_timeout is 50s at most".into(),
        };
        self.add(place, message, help);
    }

    /// An autonomy that a fresh leaf does not have would renew without end.
    fn lifetimes(&mut self) {
        let (leaf, autonomy) = (self.spec.certificates.leaf, self.spec.certificates.autonomy);
        let most = leaf / 10 * 9;
        let place = self.place("certificates", ["autonomy", "leaf"]);
        let Some(place) = place.filter(|_| autonomy > most) else { return };
        let message = format!(
            "autonomy {} is more than nine tenths of leaf {}: \
             a fresh certificate would be renewed at once",
            span_text(autonomy),
            span_text(leaf),
        );
        let whole = Duration::from_secs(most.as_secs());
        let help = format!("autonomy: {} at most, or a longer leaf", span_text(whole));
        self.add(place, message, help);
    }
}

/// Who holds the extra addresses; no node's name.
const EXTRA: &str = "extra_addresses";

/// Whether `address` lies in `network` and is neither its own address nor its broadcast.
pub(crate) fn is_host_of(network: Ipv4Net, address: Ipv4Addr) -> bool {
    let edges = network.prefix_len() < 31
        && (address == network.network() || address == network.broadcast());
    network.contains(&address) && !edges
}

/// A quota that a node's memory does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("quota {} is more than three quarters of the node's memory of {}", size_text(*.quota), size_text(*.memory))]
pub struct QuotaTooLarge {
    /// Bytes, as the spec says.
    pub quota: u64,
    /// Bytes, as the node reports, in whole MiB.
    pub memory: u64,
    /// The largest quota that fits, in whole MiB.
    pub most: u64,
}

impl pilaster_common::error::Help for QuotaTooLarge {
    fn help(&self) -> Option<String> {
        Some(format!("write quota: {} or less, below etcd: in the spec", size_text(self.most)))
    }
}

/// Whether a node of `memory` bytes can hold a database of `quota` bytes: etcd maps all of it into
/// memory (docs, system limits), and what does not fit is read from the card at each request. A
/// quarter stays for the system and etcd's own heap.
///
/// # Errors
/// What would fit.
pub fn check_quota(quota: u64, memory: u64) -> Result<(), QuotaTooLarge> {
    let whole_mib = |bytes: u64| bytes >> 20 << 20;
    let most = memory / 4 * 3;
    if quota <= most {
        return Ok(());
    }
    Err(QuotaTooLarge { quota, memory: whole_mib(memory), most: whole_mib(most) })
}

#[cfg(test)]
mod tests {
    use pilaster_common::error::Help;

    use super::*;

    #[test]
    fn a_quota_fits_into_three_quarters_of_the_memory() {
        const MIB: u64 = 1 << 20;
        assert_eq!(check_quota(512 * MIB, 906 * MIB), Ok(())); // a Pi of 1 GiB
        assert_eq!(check_quota(2048 * MIB, 3792 * MIB), Ok(())); // of 4 GiB
        let error = check_quota(1024 * MIB, 906 * MIB).expect_err("too large");
        assert_eq!(
            error.to_string(),
            "quota 1GiB is more than three quarters of the node's memory of 906MiB"
        );
        assert_eq!(
            error.help().as_deref(),
            Some("write quota: 679MiB or less, below etcd: in the spec")
        );
    }
}
