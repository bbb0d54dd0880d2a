//! Takes a desired state over, or refuses it: the proof that [`super::decide`] wants.
//!
//! Pure. Keeps promise 13: what is older, of another node, or not exactly what this agent renders
//! from its values has no effect on the host; and what the host cannot run is told before anything
//! is written. Not here: when etcd may start, which the coordinator says (`WantedService`).

use std::net::IpAddr;

use pilaster_common::hosts_block::HostEntry;
use pilaster_common::name::NodeId;
use pilaster_common::templates::{RenderedFiles, TEMPLATES};
use pilaster_proto::desired::{Desired, NodeState, WantedCertificate, WantedService};
use pilaster_proto::facts::InstalledEtcd;

use super::memory::Accepted;
use super::observe::Observed;
use super::refusal::Refusal;

/// A desired state that passed every check, with the texts as this agent renders them. Only
/// [`accept`] makes one.
#[derive(Debug)]
pub(crate) struct Acceptable<'a> {
    desired: &'a Desired,
    rendered: RenderedFiles,
}

impl<'a> Acceptable<'a> {
    /// What is wanted.
    pub(crate) fn state(&self) -> &'a NodeState {
        &self.desired.state
    }

    /// Its number.
    pub(crate) fn number(&self) -> Accepted {
        self.desired.into()
    }

    /// The texts.
    pub(crate) fn rendered(&self) -> &RenderedFiles {
        &self.rendered
    }
}

/// Checks everything.
pub(crate) fn accept<'a>(
    own: &NodeId,
    desired: &'a Desired,
    observed: &Observed,
) -> Result<Acceptable<'a>, Refusal> {
    let state = &desired.state;
    check_age(desired, observed.accepted)?;
    check_target(own, state, observed)?;
    let rendered = check_texts(state)?;
    check_hosts(state)?;
    check_certificates(&state.certificates)?;
    check_host_is_ready(state, observed)?;
    Ok(Acceptable { desired, rendered })
}

/// Whether etcd has run with these files on this node. Then they stay as they are, whatever is
/// installed meanwhile, and certificates go on being renewed: an etcd that runs does not notice
/// another binary.
pub(super) fn has_started(state: &NodeState, observed: &Observed) -> bool {
    state.service == WantedService::Run && observed.started.as_ref() == Some(&state.etcd.token)
}

fn check_age(desired: &Desired, accepted: Accepted) -> Result<(), Refusal> {
    if desired.epoch < accepted.epoch {
        return Err(Refusal::OldEpoch { got: desired.epoch, accepted: accepted.epoch });
    }
    if desired.generation < accepted.generation {
        return Err(Refusal::OldGeneration { accepted: accepted.generation });
    }
    Ok(())
}

fn check_target(own: &NodeId, state: &NodeState, observed: &Observed) -> Result<(), Refusal> {
    let conf = &state.etcd;
    let got = NodeId::new(&conf.cluster, &conf.node);
    if got != *own {
        return Err(Refusal::OtherNode { got, own: own.clone() });
    }
    if !observed.known.facts.addresses.iter().any(|net| net.addr() == conf.address) {
        return Err(Refusal::OtherAddress { got: conf.address.into() });
    }
    if !conf.members.iter().any(|member| member.name == own.node) {
        return Err(Refusal::NotAMember);
    }
    Ok(())
}

/// The agent's own rendering decides; the coordinator's must be the same, and of every file.
fn check_texts(state: &NodeState) -> Result<RenderedFiles, Refusal> {
    state.etcd.check().map_err(Refusal::BadValue)?;
    let got = state.template_version;
    let rendered = TEMPLATES.render(got, &state.etcd).ok_or(Refusal::Template { got })?;
    for (file, own) in &rendered {
        let mut theirs = state.files.iter().filter(|(kind, _)| kind == file);
        let differs = |difference: String| Refusal::OtherText { file: *file, difference };
        let (_, text) = theirs.next().ok_or_else(|| differs("it was not sent".into()))?;
        if theirs.next().is_some() {
            return Err(differs("it was sent twice".into()));
        }
        if text != own {
            return Err(differs(first_difference(text, own)));
        }
    }
    Ok(rendered)
}

fn first_difference(theirs: &str, own: &str) -> String {
    let mut own = own.lines();
    for (number, theirs) in theirs.lines().enumerate() {
        let own = own.next();
        if own != Some(theirs) {
            let own = own.unwrap_or("its end");
            return format!("line {} is {theirs:?}, where {own:?} is right", number + 1);
        }
    }
    "its end is missing or differs".into()
}

/// Only names of the cluster, so that no other host can be impersonated.
fn check_hosts(state: &NodeState) -> Result<(), Refusal> {
    for HostEntry { address, names } in &state.hosts {
        if !is_host_address(*address) {
            return Err(Refusal::ForeignAddress { address: *address });
        }
        if let Some(name) = names.iter().find(|name| !is_name_of_cluster(state, name)) {
            return Err(Refusal::ForeignName { name: name.clone() });
        }
    }
    Ok(())
}

fn is_host_address(address: IpAddr) -> bool {
    !(address.is_loopback() || address.is_unspecified() || address.is_multicast())
}

fn is_name_of_cluster(state: &NodeState, name: &str) -> bool {
    let NodeState { etcd, hosts_domain, .. } = state;
    (*hosts_domain == etcd.domain && hosts_domain.covers(name))
        || state.etcd.members.iter().any(|member| member.name.as_ref() == name)
}

fn check_certificates(wanted: &[WantedCertificate]) -> Result<(), Refusal> {
    for (i, one) in wanted.iter().enumerate() {
        if wanted[..i].iter().any(|other| other.profile == one.profile) {
            return Err(Refusal::TwoOfAProfile { profile: one.profile });
        }
    }
    Ok(())
}

fn check_host_is_ready(state: &NodeState, observed: &Observed) -> Result<(), Refusal> {
    let no_etcd = || Refusal::NoEtcd(observed.known.no_etcd.clone().unwrap_or_default());
    let installed = observed.known.facts.etcd.ok_or_else(no_etcd)?;
    if !has_started(state, observed) {
        check_binary(state, installed)?;
    }
    let manager = state.etcd.service_manager;
    if observed.known.facts.service_manager != Some(manager) {
        return Err(Refusal::OtherHost { got: format!("{manager:?}") });
    }
    if !observed.seen.etcd_user {
        return Err(Refusal::NoEtcdUser);
    }
    if observed.seen.hosts.is_none() {
        return Err(Refusal::HostsUnreadable);
    }
    if !observed.seen.port_holders.is_empty() {
        let holders: Vec<_> = observed.seen.port_holders.iter().map(ToString::to_string).collect();
        return Err(Refusal::PortsTaken { holders: holders.join(", ") });
    }
    Ok(())
}

fn check_binary(state: &NodeState, installed: InstalledEtcd) -> Result<(), Refusal> {
    let got = state.etcd.version;
    if got != installed.version {
        return Err(Refusal::OtherVersion { got, installed: installed.version });
    }
    if state.etcd.processor != installed.processor {
        return Err(Refusal::OtherHost { got: state.etcd.processor.to_string() });
    }
    Ok(())
}
