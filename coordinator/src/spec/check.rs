//! Checks what the keys of a spec mean together: names and addresses that belong to two, timing that etcd would not start with.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use ipnet::Ipv4Net;

use super::mistake::{Mistake, Place};
use super::quantity::{size_text, span_text};
use super::read::{At, Draft};
use pilaster_common::name::DomainName;

/// The longest election timeout that etcd starts with (`server/embed/config.go`, `maxElectionMs`).
const ELECTION_MAX: Duration = Duration::from_secs(50);

/// All mistakes, and the service name that holds.
pub(super) fn mistakes(draft: &Draft) -> Result<DomainName, Vec<Mistake>> {
    let mut found = Vec::new();
    members(draft, &mut found);
    addresses(draft, &mut found);
    let service = service(draft, &mut found);
    if let Some(service) = &service {
        extra_names(draft, service, &mut found);
    }
    timing(draft, &mut found);
    lifetimes(draft, &mut found);
    service.filter(|_| found.is_empty()).ok_or(found)
}

fn members(draft: &Draft, found: &mut Vec<Mistake>) {
    for (i, member) in draft.members.iter().enumerate() {
        let At { value: name, place } = &member.name;
        if let Some(first) = draft.members[..i].iter().find(|other| other.name.value == *name) {
            let first = first.name.place.line;
            found.push(Mistake::new(
                *place,
                format!("{name} is a member twice: it stands in line {first} already"),
                "remove one of the two, or give it the name of its own node",
            ));
        }
    }
}

/// Each address belongs to one member, or to what stands before all of them (promise 2).
fn addresses(draft: &Draft, found: &mut Vec<Mistake>) {
    let mut known: Vec<(IpAddr, String)> = Vec::new();
    let mut take = |address: &At<IpAddr>, owner: String, found: &mut Vec<Mistake>| {
        let At { value, place } = address;
        if let Some((_, other)) = known.iter().find(|(known, _)| known == value) {
            let (message, help) = match (*other == owner, owner.as_str()) {
                (true, _) => (format!("{value} stands here twice"), "remove one of the two"),
                (false, EXTRA) => (
                    format!(
                        "{value} is the address of {other}: in every member's certificate, others could pass for it"
                    ),
                    "extra addresses are those of a load balancer or a virtual IP, of no member",
                ),
                _ => (
                    format!("{value} is the address of {other} already"),
                    "give each member an address of its own",
                ),
            };
            found.push(Mistake::new(*place, message, help));
        }
        known.push((*value, owner));
    };
    for member in &draft.members {
        let name = &member.name.value;
        if let Some(At { value, place }) = &member.address {
            take(&At { value: IpAddr::V4(*value), place: *place }, name.to_string(), found);
            inside(draft.network.as_ref(), *value, *place, found);
        }
        for address in &member.addresses {
            take(address, name.to_string(), found);
        }
    }
    for address in &draft.extra_addresses {
        take(address, EXTRA.into(), found);
    }
}

/// Who holds the extra addresses; no node's name.
const EXTRA: &str = "extra_addresses";

fn inside(
    network: Option<&At<Ipv4Net>>,
    address: Ipv4Addr,
    place: Place,
    found: &mut Vec<Mistake>,
) {
    let Some(network) = network.map(|at| at.value).filter(|net| !is_host_of(*net, address)) else {
        return;
    };
    let message = match network.contains(&address) {
        true => format!(
            "{address} is the first or the last of the network {network}, which no host can have"
        ),
        false => format!("{address} is not a host's address in the network {network}"),
    };
    found.push(Mistake::new(place, message, "mend the address or network:"));
}

/// Whether `address` lies in `network` and is neither its own address nor its broadcast.
pub(crate) fn is_host_of(network: Ipv4Net, address: Ipv4Addr) -> bool {
    let edges = network.prefix_len() < 31
        && (address == network.network() || address == network.broadcast());
    network.contains(&address) && !edges
}

fn service(draft: &Draft, found: &mut Vec<Mistake>) -> Option<DomainName> {
    let domain = &draft.domain.value;
    let Some(At { value: service, place }) = &draft.service else {
        return match format!("etcd.{domain}").parse() {
            Ok(service) => Some(service),
            Err(error) => {
                let message = format!("etcd.{domain} would be the service name: {error}");
                let help = "choose a shorter domain";
                found.push(Mistake::new(draft.domain.place, message, help));
                None
            }
        };
    };
    let choose = format!("choose a name such as etcd.{domain}");
    if service == domain || !domain.covers(service.as_ref()) {
        let message = format!("the service name {service} does not lie under the domain {domain}");
        found.push(Mistake::new(*place, message, choose));
    } else if let Some(member) = member_of_host(draft, service.as_ref()) {
        let message = format!("the service name {service} is the host name of member {member}");
        found.push(Mistake::new(*place, message, choose));
    }
    Some(service.clone())
}

/// Extra names are in every server certificate, so no member's may be among them (promise 2).
fn extra_names(draft: &Draft, service: &DomainName, found: &mut Vec<Mistake>) {
    for (i, At { value: name, place }) in draft.extra_names.iter().enumerate() {
        let text: &str = name.as_ref();
        let (message, help) = if let Some(member) = member_of_host(draft, text) {
            (
                format!(
                    "{name} is member {member}: with its name in every certificate, others could pass for it"
                ),
                "remove it: each member has its own names in its own certificate",
            )
        } else if text == "localhost" || text == AsRef::<str>::as_ref(service) {
            (format!("{name} is in every server certificate already"), "remove it")
        } else if draft.extra_names[..i].iter().any(|other| other.value == *name) {
            (format!("{name} stands here twice"), "remove one of the two")
        } else {
            continue;
        };
        found.push(Mistake::new(*place, message, help));
    }
}

/// The member that has `host` for its short or full name.
fn member_of_host<'draft>(draft: &'draft Draft, host: &str) -> Option<&'draft str> {
    let names = draft.members.iter().map(|member| &member.name.value);
    let mut is = names.filter(|name| {
        AsRef::<str>::as_ref(*name) == host || draft.domain.value.host(name) == host
    });
    is.next().map(AsRef::as_ref)
}

/// etcd does not start with an election timeout below five heartbeats or above 50 s (`Validate`).
fn timing(draft: &Draft, found: &mut Vec<Mistake>) {
    let (heartbeat, election) = (draft.etcd.heartbeat(), draft.etcd.election());
    let Some(place) = draft.timing.filter(|_| heartbeat * 5 > election) else { return };
    let storage = draft.etcd.storage;
    let (of_heartbeat, of_election) = (
        draft.etcd.heartbeat_interval.map_or(format!(" (storage: {storage})"), |_| String::new()),
        draft.etcd.election_timeout.map_or(format!(" (storage: {storage})"), |_| String::new()),
    );
    let message = format!(
        "election_timeout {}{of_election} is less than five times heartbeat_interval {}{of_heartbeat}: etcd would not start",
        span_text(election),
        span_text(heartbeat),
    );
    let help = match (heartbeat * 5).min(ELECTION_MAX) {
        needed if needed == heartbeat * 5 => format!(
            "election_timeout: {} or longer, up to 50s, or a shorter heartbeat_interval",
            span_text(needed)
        ),
        _ => "heartbeat_interval: 10s at most, because election_timeout is 50s at most".into(),
    };
    found.push(Mistake::new(place, message, help));
}

/// An autonomy that a fresh leaf does not have would renew without end.
fn lifetimes(draft: &Draft, found: &mut Vec<Mistake>) {
    let (leaf, autonomy) = (draft.certificates.leaf, draft.certificates.autonomy);
    let most = leaf / 10 * 9;
    let Some(place) = draft.lifetimes.filter(|_| autonomy > most) else { return };
    let message = format!(
        "autonomy {} is more than nine tenths of leaf {}: a fresh certificate would be renewed at once",
        span_text(autonomy),
        span_text(leaf),
    );
    let whole = Duration::from_secs(most.as_secs());
    let help = format!("autonomy: {} at most, or a longer leaf", span_text(whole));
    found.push(Mistake::new(place, message, help));
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

/// Whether a node of `memory` bytes can hold a database of `quota` bytes: etcd maps all of it into memory (docs, system limits), and
/// what does not fit is read from the card at each request. A quarter stays for the system and etcd's own heap.
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
