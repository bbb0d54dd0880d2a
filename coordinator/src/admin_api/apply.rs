//! Takes a spec over: checks it against what there is, and records it as the wanted one.

use std::net::Ipv4Addr;

use pilaster_common::error::Help;
use pilaster_common::name::{ClusterName, DomainName, NodeName};

use crate::ca::vault::VaultError;
use crate::coordinator::Coordinator;
use crate::enrollment::address;
use crate::plan::formation::{Blocker, different_minors};
use crate::spec::{self, BadSpec, ClusterSpec, needs_rollout};
use crate::store::records::{ClusterRecord, FormationRecord, Phase};
use crate::store::{Change, StoreError};

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
    /// A formed cluster cannot take it over while it runs.
    #[error("needs a rollout: {}", .changes.join("; "))]
    NeedsRollout {
        /// What.
        changes: Vec<String>,
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
            Self::NeedsRollout { .. } => {
                Some("the cluster has formed, and this version does not change a formed cluster that way: take it back".into())
            }
            Self::Minors(_) => Some("bring every member to one minor version: on Alpine, apk add 'etcd~3.6'; then apply it again".into()),
            Self::Store(error) => error.help(),
            Self::Vault(error) => error.help(),
            Self::Random => None,
        }
    }
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Applied {
    /// It was the wanted one already.
    Same(ClusterSpec),
    /// It is now.
    Changed(ClusterSpec),
}

/// Makes the spec in `text` the wanted one of its cluster.
///
/// # Errors
/// See [`ApplyError`].
pub(super) async fn apply(coordinator: &Coordinator, text: String) -> Result<Applied, ApplyError> {
    let wanted = spec::parse(&text)?;
    let (store, cluster) = (&coordinator.store, &wanted.cluster);
    for (other, record) in store.clusters().await? {
        let theirs = spec::parse(&record.spec).map(|spec| spec.service);
        if other != *cluster && theirs.is_ok_and(|service| service == wanted.service) {
            return Err(ApplyError::ServiceTaken { service: wanted.service, other });
        }
    }
    let joined = address::taken(&wanted, &store.nodes(cluster).await?);
    if let Some((node, address)) = address::given_away(&wanted, &joined) {
        return Err(ApplyError::AddressTaken { node, address });
    }
    let record = ClusterRecord { spec: text };
    let present = store.revised_spec(cluster).await?;
    let formation = store.formation(cluster).await?;
    let has_begun = formation.as_ref().is_some_and(|(record, _)| record.phase != Phase::Gathering);
    if !has_begun && let Some(blocker) = minors(coordinator, &wanted) {
        return Err(ApplyError::Minors(blocker));
    }
    let change = match (present, formation) {
        (Some((old, _)), Some(_)) if old == wanted => return Ok(Applied::Same(wanted)),
        (Some((old, revision)), Some((formation, of_formation))) => {
            let changes = match formation.phase {
                Phase::Gathering => vec![],
                Phase::Forming { .. } | Phase::Formed { .. } => needs_rollout(&old, &wanted),
            };
            if !changes.is_empty() {
                return Err(ApplyError::NeedsRollout { changes });
            }
            // a formation that begins meanwhile begins with the old spec: then this one is looked at again
            Change::default()
                .cluster(cluster, &record, Some(revision))
                .while_formation(cluster, of_formation)
        }
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
    store.commit(change).await?;
    coordinator.wake.cluster(cluster);
    Ok(Applied::Changed(wanted))
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
