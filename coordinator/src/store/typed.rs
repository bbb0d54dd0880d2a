//! The store as the rest of the coordinator sees it: records in, records out, and a revision with which to compare.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use pilaster_common::error::Help;
use pilaster_common::name::{ClusterName, NodeName};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::records::{
    ApprovalRecord, ClusterRecord, Configured, FormationRecord, Installation, KeyRecord,
    NodeRecord, Risk, TokenRecord,
};
use super::{Expect, Failed, KeyValue, Outcome, Transaction, Versioned, keys};
use crate::spec::{BadSpec, ClusterSpec};

/// Why the store did not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Reading or writing failed.
    #[error("the store failed")]
    Failed(#[from] Failed),
    /// A record that this version does not understand.
    #[error("the record {key} cannot be read")]
    Record {
        /// Its key.
        key: String,
        /// Why.
        source: serde_json::Error,
    },
    /// A recorded spec that this version does not take.
    #[error("the recorded spec of {cluster} is not taken by this version")]
    Spec {
        /// Whose.
        cluster: ClusterName,
        /// Why.
        source: BadSpec,
    },
    /// Someone else was faster; reading again and trying again is right.
    #[error("the record was changed in between")]
    Conflict,
}

impl Help for StoreError {
    fn help(&self) -> Option<String> {
        Some(match self {
            Self::Failed(_) => "look at the disk that holds the coordinator's state: df -h".into(),
            Self::Spec { .. } | Self::Record { .. } => {
                "run the pilaster-coordinator version that wrote it".into()
            }
            Self::Conflict => "try again".into(),
        })
    }
}

/// What a person wants of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The spec.
    pub spec: ClusterSpec,
    /// Risks that were accepted by name.
    pub accepted: BTreeSet<Risk>,
}

/// A record and its revision.
pub type Revised<T> = (T, u64);

/// The typed store.
#[derive(Clone)]
pub struct Store {
    values: Arc<dyn KeyValue>,
    /// Each cluster's spec as it was read last, by its text: it is asked for with every message, and reading one costs more than all
    /// else of a small answer. Held only for a comparison and a copy.
    read_specs: Arc<Mutex<BTreeMap<ClusterName, (String, ClusterSpec)>>>,
}

/// A transaction in the making.
#[derive(Default)]
pub struct Change(Transaction);

impl Change {
    fn put<T: Serialize>(mut self, key: String, record: &T, expect: Option<Expect>) -> Self {
        let value = serde_json::to_vec(record).expect("records are plain data");
        if let Some(expect) = expect {
            self.0.expect.push((key.clone(), expect));
        }
        self.0.put.push((key, value));
        self
    }

    /// Takes place only while the spec is the one of this revision.
    pub fn while_cluster(mut self, cluster: &ClusterName, revision: u64) -> Self {
        self.0.expect.push((keys::cluster(cluster), Expect::Revision(revision)));
        self
    }

    /// Takes place only while the formation is the one of this revision.
    pub fn while_formation(mut self, cluster: &ClusterName, revision: u64) -> Self {
        self.0.expect.push((keys::formation(cluster), Expect::Revision(revision)));
        self
    }

    /// Puts the formation as what it was made from.
    pub fn formation(
        self,
        cluster: &ClusterName,
        record: &FormationRecord,
        revision: Option<u64>,
    ) -> Self {
        self.put(keys::formation(cluster), record, Some(expected(revision)))
    }

    /// Puts a cluster's spec.
    pub fn cluster(
        self,
        cluster: &ClusterName,
        record: &ClusterRecord,
        revision: Option<u64>,
    ) -> Self {
        self.put(keys::cluster(cluster), record, Some(expected(revision)))
    }

    /// Puts a node.
    pub fn node(
        self,
        cluster: &ClusterName,
        node: &NodeName,
        record: &NodeRecord,
        revision: Option<u64>,
    ) -> Self {
        self.put(keys::node(cluster, node), record, Some(expected(revision)))
    }

    /// Puts what a member is configured with. Goes with its [`NodeRecord`], which guards it.
    pub fn configured(self, cluster: &ClusterName, node: &NodeName, record: &Configured) -> Self {
        self.put(keys::configured(cluster, node), record, None)
    }

    /// Puts a token.
    pub fn token(self, id: &[u8], record: &TokenRecord, revision: Option<u64>) -> Self {
        self.put(keys::token(id), record, Some(expected(revision)))
    }

    /// Puts what a person approved, whatever stood there.
    pub fn approval(self, cluster: &ClusterName, node: &NodeName, record: &ApprovalRecord) -> Self {
        self.put(keys::approval(cluster, node), record, None)
    }

    /// Notes to whom a public key belongs; it must have been nobody's.
    pub fn public_key(self, hash: &[u8; 32], owner: &KeyRecord) -> Self {
        self.put(keys::public_key(hash), owner, Some(Expect::Absent))
    }
}

fn expected(revision: Option<u64>) -> Expect {
    revision.map_or(Expect::Absent, Expect::Revision)
}

impl Store {
    /// On any implementation.
    pub fn new(values: Arc<dyn KeyValue>) -> Self {
        Self { values, read_specs: Arc::default() }
    }

    /// Commits durably, all or nothing.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when something was not as expected.
    pub async fn commit(&self, change: Change) -> Result<(), StoreError> {
        match self.values.commit(change.0).await? {
            Outcome::Committed(_) => Ok(()),
            Outcome::Conflict => Err(StoreError::Conflict),
        }
    }

    /// Begins a leadership: makes the installation at the first start, and raises its epoch at each.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn begin_epoch(
        &self,
        new_id: impl FnOnce() -> String,
    ) -> Result<Installation, StoreError> {
        let present = self.read::<Installation>(keys::INSTALLATION).await?;
        let (record, revision) = match present {
            Some((record, revision)) => {
                (Installation { epoch: record.epoch + 1, ..record }, Some(revision))
            }
            None => (Installation { id: new_id(), epoch: 1 }, None),
        };
        let change =
            Change::default().put(keys::INSTALLATION.into(), &record, Some(expected(revision)));
        self.commit(change).await?;
        Ok(record)
    }

    /// A cluster's spec.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn cluster(
        &self,
        cluster: &ClusterName,
    ) -> Result<Option<Revised<ClusterRecord>>, StoreError> {
        self.read(&keys::cluster(cluster)).await
    }

    /// The wanted spec of a cluster.
    ///
    /// # Errors
    /// See [`StoreError`]; [`StoreError::Spec`] where this version does not take what was recorded.
    pub async fn spec(&self, cluster: &ClusterName) -> Result<Option<ClusterSpec>, StoreError> {
        Ok(self.wanted(cluster).await?.map(|(wanted, _)| wanted.spec))
    }

    /// The same with its revision, and with what a person has accepted.
    ///
    /// # Errors
    /// See [`Store::spec`].
    pub async fn wanted(
        &self,
        cluster: &ClusterName,
    ) -> Result<Option<Revised<Wanted>>, StoreError> {
        let Some((record, revision)) = self.cluster(cluster).await? else { return Ok(None) };
        let spec = self.parsed(cluster, &record.spec);
        let spec = spec.map_err(|source| StoreError::Spec { cluster: cluster.clone(), source })?;
        Ok(Some((Wanted { spec, accepted: record.accepted }, revision)))
    }

    fn parsed(&self, cluster: &ClusterName, text: &str) -> Result<ClusterSpec, BadSpec> {
        let read = || self.read_specs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, spec)) = read().get(cluster)
            && known == text
        {
            return Ok(spec.clone());
        }
        let spec = crate::spec::parse(text)?;
        read().insert(cluster.clone(), (text.to_owned(), spec.clone()));
        Ok(spec)
    }

    /// This installation, once it is one.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn installation(&self) -> Result<Option<Installation>, StoreError> {
        Ok(self.read(keys::INSTALLATION).await?.map(|(record, _)| record))
    }

    /// All clusters, by name.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn clusters(&self) -> Result<Vec<(ClusterName, ClusterRecord)>, StoreError> {
        self.read_all(keys::CLUSTERS)
            .await
            .map(|all| all.into_iter().map(|(name, (r, _))| (name, r)).collect())
    }

    /// A cluster's formation.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn formation(
        &self,
        cluster: &ClusterName,
    ) -> Result<Option<Revised<FormationRecord>>, StoreError> {
        self.read(&keys::formation(cluster)).await
    }

    /// A node.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn node(
        &self,
        cluster: &ClusterName,
        node: &NodeName,
    ) -> Result<Option<Revised<NodeRecord>>, StoreError> {
        self.read(&keys::node(cluster, node)).await
    }

    /// All nodes of a cluster that have joined.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn nodes(
        &self,
        cluster: &ClusterName,
    ) -> Result<Vec<(NodeName, Revised<NodeRecord>)>, StoreError> {
        self.read_all(&keys::nodes(cluster)).await
    }

    /// What each member of a cluster was configured with last.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn configured(
        &self,
        cluster: &ClusterName,
    ) -> Result<Vec<(NodeName, Configured)>, StoreError> {
        let all = self.read_all(&keys::all_configured(cluster)).await?;
        Ok(all.into_iter().map(|(name, (record, _))| (name, record)).collect())
    }

    /// A token, by its public id.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn token(&self, id: &[u8]) -> Result<Option<Revised<TokenRecord>>, StoreError> {
        self.read(&keys::token(id)).await
    }

    /// The address that a person approved for a node.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn approval(
        &self,
        cluster: &ClusterName,
        node: &NodeName,
    ) -> Result<Option<ApprovalRecord>, StoreError> {
        Ok(self.read(&keys::approval(cluster, node)).await?.map(|(record, _)| record))
    }

    /// To whom a public key belongs.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn public_key(&self, hash: &[u8; 32]) -> Result<Option<KeyRecord>, StoreError> {
        Ok(self.read(&keys::public_key(hash)).await?.map(|(record, _)| record))
    }

    async fn read<T: DeserializeOwned>(&self, key: &str) -> Result<Option<Revised<T>>, StoreError> {
        let Some(stored) = self.values.value(key).await? else { return Ok(None) };
        decode(key, &stored).map(Some)
    }

    /// All records below a prefix, by the last part of their key. A key that is no name is none of ours.
    async fn read_all<N, T>(&self, prefix: &str) -> Result<Vec<(N, Revised<T>)>, StoreError>
    where
        N: std::str::FromStr,
        T: DeserializeOwned,
    {
        let mut found = Vec::new();
        for (key, stored) in self.values.range(prefix).await? {
            if let Ok(name) = key[prefix.len()..].parse() {
                found.push((name, decode(&key, &stored)?));
            }
        }
        Ok(found)
    }
}

fn decode<T: DeserializeOwned>(key: &str, stored: &Versioned) -> Result<Revised<T>, StoreError> {
    let record = serde_json::from_slice(&stored.value)
        .map_err(|source| StoreError::Record { key: key.into(), source })?;
    Ok((record, stored.revision))
}
