//! Looks at a cluster: every record with its revision, and its nodes as they are seen. Changes
//! nothing.

use std::collections::BTreeMap;

use pilaster_common::error::{Code, Help};
use pilaster_common::name::{ClusterName, NodeId};

use super::fleet::Fleet;
use crate::ca::Authorities;
use crate::ca::vault::VaultError;
use crate::config::Endpoints;
use crate::plan::view::{ClusterView, NodeView};
use crate::store::records::{
    ClusterRecord, FormationRecord, IdentityRecord, StateRecord, WishesRecord,
};
use crate::store::{Record, Revised, Store, StoreError};

/// Why a cluster cannot be looked at, or what was decided cannot be recorded.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The CAs.
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl Help for PassError {
    fn help(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.help(),
            Self::Vault(error) => error.help(),
        }
    }

    fn code(&self) -> Code {
        pilaster_common::error::code::STORE
    }
}

/// The cluster as it is; `None` where it is not known. A record that is changed while others are
/// read is noticed when something is recorded by what was seen.
///
/// # Errors
/// See [`PassError`].
pub async fn observe(
    store: &Store,
    fleet: &Fleet,
    authorities: &Authorities,
    endpoints: &Endpoints,
    cluster: &ClusterName,
) -> Result<Option<ClusterView>, PassError> {
    let wanted = store.read::<ClusterRecord>(cluster).await?;
    let formation = store.read::<FormationRecord>(cluster).await?;
    let (Some(wanted), Some(formation)) = (wanted, formation) else { return Ok(None) };
    let mut identities = by_node::<IdentityRecord>(store, cluster).await?;
    let mut states = by_node::<StateRecord>(store, cluster).await?;
    let mut wishes = by_node::<WishesRecord>(store, cluster).await?;
    let mut node = |id: NodeId| NodeView {
        identity: identities.remove(&id),
        state: states.remove(&id),
        wishes: wishes.remove(&id),
        seen: fleet.seen(&id),
        id,
    };
    let members = wanted.0.spec.members.iter();
    let nodes = members.map(|member| node(NodeId::new(cluster, &member.name))).collect();
    let gone: Vec<NodeId> = identities.keys().cloned().collect();
    let mut node = |id: NodeId| NodeView {
        identity: identities.remove(&id),
        state: states.remove(&id),
        wishes: wishes.remove(&id),
        seen: fleet.seen(&id),
        id,
    };
    Ok(Some(ClusterView {
        nodes,
        gone: gone.into_iter().map(&mut node).collect(),
        roots: authorities.of(cluster)?.to_roots(),
        endpoints: endpoints.for_network(wanted.0.spec.network),
        epoch: store.installation().epoch,
        waits: fleet.watch(cluster).borrow().waits.clone(),
        cluster: wanted,
        formation,
    }))
}

async fn by_node<R: Record<Key = NodeId>>(
    store: &Store,
    cluster: &ClusterName,
) -> Result<BTreeMap<NodeId, Revised<R>>, StoreError> {
    Ok(store.of_cluster(cluster).await?.into_iter().collect())
}
