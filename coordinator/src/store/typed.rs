//! The store as the rest of the coordinator sees it: records in, records out, and a revision with
//! which to compare.

use std::sync::Arc;

use pilaster_common::error::{Code, Help, code};
use pilaster_common::name::{ClusterName, NodeId};

use super::kv::{Expect, Failed, KeyValue, Outcome, Transaction, Versioned};
use super::record::{Record, RecordKey};
use super::records::{
    ClusterRecord, FormationRecord, IdentityRecord, Installation, StateRecord, WishesRecord,
};
use super::watch::{Changed, Watch};

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
    /// Someone else was faster; reading again and trying again is right.
    #[error("the record {key} was changed in between")]
    Conflict {
        /// Its key.
        key: String,
    },
    /// Another coordinator has begun a leadership on this store: this one's is over, for good.
    #[error("another coordinator has taken over: epoch {epoch} is over")]
    Fenced {
        /// Of this one.
        epoch: u64,
    },
}

impl StoreError {
    /// Whether reading again and trying again is right.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict { .. })
    }
}

impl Help for StoreError {
    fn help(&self) -> Option<String> {
        Some(match self {
            Self::Failed(_) => "look at the disk that holds the coordinator's state: df -h".into(),
            Self::Record { .. } => "run the pilaster-coordinator version that wrote it".into(),
            Self::Conflict { .. } => "try again".into(),
            Self::Fenced { .. } => "use the coordinator that runs now, and stop this one".into(),
        })
    }

    fn code(&self) -> Code {
        code::STORE
    }
}

/// A record and its revision.
pub type Revised<T> = (T, u64);

/// The typed store, in one leadership: every commit is fenced by its epoch.
#[derive(Clone)]
pub struct Store {
    values: Arc<dyn KeyValue>,
    installation: Arc<Installation>,
    /// Revision of the installation's record, which only a later leadership changes.
    fence: u64,
}

/// A transaction in the making.
#[derive(Debug, Default)]
pub struct Change(Transaction);

impl Change {
    /// Puts a record in place of what was read at `revision`, or of none.
    pub fn put<R: Record>(self, of: &R::Key, record: &R, revision: Option<u64>) -> Self {
        let mut change = self.expect::<R>(of, revision);
        let value = serde_json::to_vec(record).expect("records are plain data");
        change.0.put.push((R::key(of), value));
        change
    }

    /// Takes place only while the record is the one that was read at `revision`, or none is there.
    pub fn expect<R: Record>(mut self, of: &R::Key, revision: Option<u64>) -> Self {
        let expect = revision.map_or(Expect::Absent, Expect::Revision);
        self.0.expect.push((R::key(of), expect));
        self
    }

    /// Whether nothing would be put.
    pub fn is_empty(&self) -> bool {
        self.0.put.is_empty()
    }
}

impl Store {
    /// Begins a leadership: makes the installation at the first start, and raises its epoch at
    /// each.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn begin(
        values: Arc<dyn KeyValue>,
        new_id: impl FnOnce() -> String,
    ) -> Result<Self, StoreError> {
        let present = read::<Installation>(&*values, &()).await?;
        let (record, expect) = match present {
            Some((record, revision)) => {
                let epoch = record.epoch + 1;
                (Installation { epoch, ..record }, Expect::Revision(revision))
            }
            None => (Installation { id: new_id(), epoch: 1 }, Expect::Absent),
        };
        let key = Installation::key(&());
        let value = serde_json::to_vec(&record).expect("records are plain data");
        let transaction = Transaction {
            expect: vec![(key.clone(), expect)],
            put: vec![(key, value)],
            delete: vec![],
        };
        match values.commit(transaction).await? {
            Outcome::Committed(fence) => Ok(Self { values, installation: Arc::new(record), fence }),
            Outcome::Conflict(key) => Err(StoreError::Conflict { key }),
        }
    }

    /// Whether there has been an installation on this store.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn is_new(values: &dyn KeyValue) -> Result<bool, StoreError> {
        Ok(read::<Installation>(values, &()).await?.is_none())
    }

    /// This installation, in this leadership.
    pub fn installation(&self) -> &Installation {
        &self.installation
    }

    /// Commits durably, all or nothing, while this leadership lasts.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when something was not as expected, [`StoreError::Fenced`] when
    /// this leadership is over.
    pub async fn commit(&self, change: Change) -> Result<(), StoreError> {
        let fence = Installation::key(&());
        let mut transaction = change.0;
        transaction.expect.push((fence.clone(), Expect::Revision(self.fence)));
        match self.values.commit(transaction).await? {
            Outcome::Committed(_) => Ok(()),
            Outcome::Conflict(key) if key == fence => {
                Err(StoreError::Fenced { epoch: self.installation.epoch })
            }
            Outcome::Conflict(key) => Err(StoreError::Conflict { key }),
        }
    }

    /// A record.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn read<R: Record>(&self, of: &R::Key) -> Result<Option<Revised<R>>, StoreError> {
        read(&*self.values, of).await
    }

    /// All records of a room. A key that is none of ours is passed over.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn all<R: Record>(&self) -> Result<Vec<(R::Key, Revised<R>)>, StoreError> {
        self.below(format!("{}/", R::ROOM)).await
    }

    /// The keys of a room, whatever their records say.
    ///
    /// # Errors
    /// The store failed.
    pub async fn keys<R: Record>(&self) -> Result<Vec<R::Key>, StoreError> {
        let prefix = format!("{}/", R::ROOM);
        let found = self.values.range(&prefix).await?;
        Ok(found.iter().filter_map(|(key, _)| R::Key::parse(&key[prefix.len()..])).collect())
    }

    /// All records of a room that belong to a cluster's nodes.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn of_cluster<R: Record>(
        &self,
        cluster: &ClusterName,
    ) -> Result<Vec<(R::Key, Revised<R>)>, StoreError> {
        self.below(format!("{}/{cluster}/", R::ROOM)).await
    }

    async fn below<R: Record>(
        &self,
        prefix: String,
    ) -> Result<Vec<(R::Key, Revised<R>)>, StoreError> {
        let mut found = Vec::new();
        for (key, stored) in self.values.range(&prefix).await? {
            if let Some(of) = R::Key::parse(&key[R::ROOM.len() + 1..]) {
                found.push((of, decode(&key, &stored)?));
            }
        }
        Ok(found)
    }

    /// What people want of a node, and the revision with which to put something else in its place.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn wishes(&self, of: &NodeId) -> Result<(WishesRecord, Option<u64>), StoreError> {
        let present = self.read::<WishesRecord>(of).await?;
        Ok(present.map_or_else(Default::default, |(wishes, revision)| (wishes, Some(revision))))
    }

    /// What a person wants of a cluster, without the rest of its record.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn spec(
        &self,
        cluster: &ClusterName,
    ) -> Result<Option<crate::spec::ClusterSpec>, StoreError> {
        Ok(self.read::<ClusterRecord>(cluster).await?.map(|(record, _)| record.spec))
    }

    /// Tells from now on which clusters have records that were changed.
    pub fn watch(&self) -> ClusterWatch {
        ClusterWatch(self.values.watch("v1/"))
    }
}

/// Rooms whose keys begin with a cluster's name.
const ROOMS_OF_CLUSTERS: [&str; 5] = [
    ClusterRecord::ROOM,
    FormationRecord::ROOM,
    IdentityRecord::ROOM,
    StateRecord::ROOM,
    WishesRecord::ROOM,
];

/// Clusters whose records were changed.
#[derive(Debug)]
pub struct ClusterWatch(Watch);

impl ClusterWatch {
    /// Waits for the next change: the clusters, or `Err` where it may be any. `None` once the store
    /// is gone. Cancel-safe.
    pub async fn changed(&mut self) -> Option<Result<Vec<ClusterName>, AnyCluster>> {
        let keys = match self.0.changed().await? {
            Changed::Keys(keys) => keys,
            Changed::Anything => return Some(Err(AnyCluster)),
        };
        let cluster = |key: &String| {
            let below = ROOMS_OF_CLUSTERS.iter().find_map(|room| key.strip_prefix(room))?;
            below.strip_prefix('/')?.split('/').next()?.parse().ok()
        };
        Some(Ok(keys.iter().filter_map(cluster).collect()))
    }
}

/// It is not known which clusters: look at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnyCluster;

async fn read<R: Record>(
    values: &dyn KeyValue,
    of: &R::Key,
) -> Result<Option<Revised<R>>, StoreError> {
    let key = R::key(of);
    let Some(stored) = values.value(&key).await? else { return Ok(None) };
    decode(&key, &stored).map(Some)
}

fn decode<R: Record>(key: &str, stored: &Versioned) -> Result<Revised<R>, StoreError> {
    let record = serde_json::from_slice(&stored.value)
        .map_err(|source| StoreError::Record { key: key.into(), source })?;
    Ok((record, stored.revision))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;
    use crate::store::records::Phase;

    #[tokio::test]
    async fn a_leadership_that_is_over_writes_nothing_more() {
        let values: Arc<dyn KeyValue> = Arc::new(MemoryStore::default());
        let begin = || Store::begin(Arc::clone(&values), || "i".into());
        let first = begin().await.expect("begins");
        let cluster: ClusterName = "c".parse().expect("good");
        let record = FormationRecord { token: "t".into(), phase: Phase::Gathering };
        let put = || Change::default().put(&cluster, &record, None);
        let second = begin().await.expect("takes over");
        assert_eq!((first.installation().epoch, second.installation().epoch), (1, 2));
        let fenced = first.commit(put()).await.expect_err("it is over");
        assert!(matches!(fenced, StoreError::Fenced { epoch: 1 }), "{fenced}");
        second.commit(put()).await.expect("it leads");
        let again = second.commit(put()).await.expect_err("it is there");
        assert!(again.is_conflict(), "{again}");
        assert_eq!(second.read(&cluster).await.expect("reads").map(|(r, _)| r), Some(record));
    }

    #[tokio::test]
    async fn a_watch_tells_whose_records_were_changed() {
        let store = Store::begin(Arc::new(MemoryStore::default()), || "i".into()).await;
        let store = store.expect("begins");
        let mut watch = store.watch();
        let cluster: ClusterName = "c".parse().expect("good");
        let record = FormationRecord { token: "t".into(), phase: Phase::Gathering };
        store.commit(Change::default().put(&cluster, &record, None)).await.expect("commits");
        assert_eq!(watch.changed().await, Some(Ok(vec![cluster])));
    }
}
