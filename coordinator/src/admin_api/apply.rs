//! Takes a spec over: checks it against what there is, and records it as the wanted one; or says what it would change.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use pilaster_common::error::Help;
use pilaster_common::name::{ClusterName, DomainName, NodeName};

use crate::ca::vault::VaultError;
use crate::coordinator::Coordinator;
use crate::enrollment::address;
use crate::plan::formation::{Blocker, different_minors};
use crate::plan::spec_change::{NodeState, Planned, Refusal, SpecChange, spec_change};
use crate::spec::{self, BadSpec, ClusterSpec};
use crate::store::records::{ClusterRecord, FormationRecord, Phase, Risk};
use crate::store::{Change, Revised, StoreError, Wanted};

/// Why a spec was not taken over. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// It is wrong in itself.
    #[error(transparent)]
    Spec(#[from] BadSpec),
    /// The service name leads to another cluster.
    #[error("the service name {service} belongs to the cluster {other}")]
    ServiceTaken {
        /// Which name.
        service: DomainName,
        /// Whose it is.
        other: ClusterName,
    },
    /// A node that has joined is known by an address that the spec gives to others.
    #[error(
        "{node} has joined with the address {address}, which the spec puts into others' certificates"
    )]
    AddressTaken {
        /// Whose it is.
        node: NodeName,
        /// Which.
        address: Ipv4Addr,
    },
    /// A formed cluster cannot take it over while it runs, or a node cannot have it.
    #[error("{}{}", if needs_rollout(.reasons) { "needs a rollout: " } else { "" }, joined(.reasons))]
    Refused {
        /// Why; at least one.
        reasons: Vec<Refusal>,
    },
    /// Its members, as far as they have reported, could not form one cluster.
    #[error("{0}")]
    Minors(Blocker),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The CAs.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// No random bytes.
    #[error("the operating system has no random bytes to give")]
    Random,
}

impl Help for ApplyError {
    fn help(&self) -> Option<String> {
        match self {
            Self::Spec(error) => error.help(),
            Self::ServiceTaken { .. } => Some("give this cluster another: service: NAME".into()),
            Self::AddressTaken { node, .. } => {
                Some(format!("take it out of extra_addresses or of the other member; an address belongs to {node} alone"))
            }
            Self::Refused { reasons } if needs_rollout(reasons) => {
                Some("the cluster has formed, and this version does not change a formed cluster that way: take it back; coordctl plan FILE shows it".into())
            }
            Self::Refused { .. } => Some("mend the spec; coordctl plan FILE shows what it would change".into()),
            Self::Minors(_) => Some("bring every member to one minor version: on Alpine, apk add 'etcd~3.6'; then apply it again".into()),
            Self::Store(error) => error.help(),
            Self::Vault(error) => error.help(),
            Self::Random => None,
        }
    }
}

fn needs_rollout(reasons: &[Refusal]) -> bool {
    reasons.iter().any(Refusal::needs_rollout)
}

fn joined(reasons: &[Refusal]) -> String {
    reasons.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Applied {
    /// The spec that is wanted now.
    pub(super) wanted: Wanted,
    /// What it changes; `None` where all of it was wanted already.
    pub(super) change: Option<SpecChange>,
    /// Whether members were told to start.
    pub(super) formed: bool,
}

/// Makes the spec in `text` the wanted one of its cluster, with what a person accepts by name.
///
/// # Errors
/// See [`ApplyError`].
pub(super) async fn apply(
    coordinator: &Coordinator,
    text: String,
    accepted: BTreeSet<Risk>,
) -> Result<Applied, ApplyError> {
    let Looked { new, present, formation, change } = look(coordinator, &text).await?;
    let (store, cluster) = (&coordinator.store, &new.cluster);
    let before = present.as_ref().map(|(wanted, _)| wanted.accepted.clone()).unwrap_or_default();
    let accepted: BTreeSet<Risk> = before.union(&accepted).copied().collect();
    let formed = is_formed(formation.as_ref());
    let wanted = Wanted { spec: new.clone(), accepted: accepted.clone() };
    if let (Some((present, _)), Some(_)) = (&present, &formation)
        && *present == wanted
    {
        return Ok(Applied { wanted, change: None, formed });
    }
    if !change.refused.is_empty() {
        return Err(ApplyError::Refused { reasons: change.refused });
    }
    let record = ClusterRecord { spec: text, accepted };
    let commit = match (present, formation) {
        // a formation that begins meanwhile begins with the old spec: then this one is looked at again
        (Some((_, revision)), Some((_, of_formation))) => Change::default()
            .cluster(cluster, &record, Some(revision))
            .while_formation(cluster, of_formation),
        (present, _) => {
            coordinator.new_authorities(cluster)?;
            let formation =
                FormationRecord { token: formation_token(cluster)?, phase: Phase::Gathering };
            let revision = present.map(|(_, revision)| revision);
            Change::default()
                .cluster(cluster, &record, revision)
                .formation(cluster, &formation, None)
        }
    };
    store.commit(commit).await?;
    coordinator.wake.cluster(cluster);
    Ok(Applied { wanted, change: Some(change), formed })
}

/// What the spec in `text` would change. Nothing is changed.
///
/// # Errors
/// See [`ApplyError`]; what would be refused for the sake of its members is in the answer.
pub(super) async fn plan(
    coordinator: &Coordinator,
    text: &str,
) -> Result<(ClusterSpec, SpecChange, bool), ApplyError> {
    let Looked { new, formation, change, .. } = look(coordinator, text).await?;
    Ok((new, change, is_formed(formation.as_ref())))
}

fn is_formed(formation: Option<&Revised<FormationRecord>>) -> bool {
    formation.is_some_and(|(record, _)| !matches!(record.phase, Phase::Gathering))
}

struct Looked {
    new: ClusterSpec,
    present: Option<Revised<Wanted>>,
    formation: Option<Revised<FormationRecord>>,
    change: SpecChange,
}

/// Checks a spec against what there is.
async fn look(coordinator: &Coordinator, text: &str) -> Result<Looked, ApplyError> {
    let new = spec::parse(text)?;
    let (store, cluster) = (&coordinator.store, &new.cluster);
    for (other, record) in store.clusters().await? {
        let theirs = spec::parse(&record.spec).map(|spec| spec.service);
        if other != *cluster && theirs.is_ok_and(|service| service == new.service) {
            return Err(ApplyError::ServiceTaken { service: new.service, other });
        }
    }
    let records = store.nodes(cluster).await?;
    let joined = address::taken(&new, &records);
    if let Some((node, address)) = address::given_away(&new, &joined) {
        return Err(ApplyError::AddressTaken { node, address });
    }
    let configured = store.configured(cluster).await?;
    let nodes: Vec<NodeState> = records
        .iter()
        .map(|(name, (record, _))| NodeState {
            name: name.clone(),
            address: record.address,
            facts: coordinator.fleet.seen(cluster, name).report.map(|(report, _)| report.facts),
            configured: configured.iter().find(|(node, _)| node == name).map(|(_, c)| c.clone()),
        })
        .collect();
    let present = store.wanted(cluster).await?;
    let formation = store.formation(cluster).await?;
    if !is_formed(formation.as_ref())
        && let Some(blocker) = minors(coordinator, &new)
    {
        return Err(ApplyError::Minors(blocker));
    }
    let none_yet = FormationRecord { token: String::new(), phase: Phase::Gathering };
    let change = spec_change(Planned {
        old: present.as_ref().map(|(wanted, _)| &wanted.spec),
        new: &new,
        formation: formation.as_ref().map_or(&none_yet, |(record, _)| record),
        nodes: &nodes,
    });
    Ok(Looked { new, present, formation, change })
}

/// Why the members of `wanted` could not form a cluster, by what they have reported so far.
fn minors(coordinator: &Coordinator, wanted: &ClusterSpec) -> Option<Blocker> {
    let versions = wanted.members.iter().filter_map(|member| {
        let (report, _) = coordinator.fleet.seen(&wanted.cluster, &member.name).report?;
        Some((&member.name, report.facts.etcd_version?))
    });
    different_minors(versions)
}

/// `<cluster>-<128 random bits>`: a member of a dead cluster of the same name is then refused by its ids.
fn formation_token(cluster: &ClusterName) -> Result<String, ApplyError> {
    let mut bytes = [0; 16];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes)
        .map_err(|_| ApplyError::Random)?;
    Ok(format!("{cluster}-{}", data_encoding::HEXLOWER.encode(&bytes)))
}
