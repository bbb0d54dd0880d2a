//! The interface: ordered keys, transactions that compare and set, and a watch.

use std::fmt;

use super::watch::Watch;

/// A value and when it was last changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned {
    /// The bytes.
    pub value: Vec<u8>,
    /// Rises with each commit; the same for all that one commit changes.
    pub revision: u64,
}

/// What must be so for a transaction to take place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// No such key.
    Absent,
    /// The key has this revision.
    Revision(u64),
}

impl Expect {
    /// Whether a key with this revision, or none, is as expected.
    pub(super) fn holds(self, present: Option<u64>) -> bool {
        match self {
            Self::Absent => present.is_none(),
            Self::Revision(revision) => present == Some(revision),
        }
    }
}

/// All of it takes place, or nothing.
#[derive(Debug, Clone, Default)]
pub struct Transaction {
    /// What must be so; the first that is not is answered.
    pub expect: Vec<(String, Expect)>,
    /// What is put.
    pub put: Vec<(String, Vec<u8>)>,
    /// What is deleted.
    pub delete: Vec<String>,
}

impl Transaction {
    /// The keys that it changes.
    pub(super) fn keys(&self) -> impl Iterator<Item = &String> {
        self.put.iter().map(|(key, _)| key).chain(&self.delete)
    }
}

/// How a transaction ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Durable, at this revision.
    Committed(u64),
    /// This key was not as expected; nothing was changed.
    Conflict(String),
}

/// The store failed: neither committed nor a conflict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed(pub String);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Failed {}

/// An ordered key-value store with compare-and-set.
#[tonic::async_trait]
pub trait KeyValue: Send + Sync {
    /// The value of a key.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn value(&self, key: &str) -> Result<Option<Versioned>, Failed>;

    /// All keys that begin with `prefix`, in order.
    ///
    /// # Errors
    /// When the store cannot be read.
    async fn range(&self, prefix: &str) -> Result<Vec<(String, Versioned)>, Failed>;

    /// Commits durably. Transactions that come together may share one write to the disk.
    ///
    /// # Errors
    /// When the store cannot be written; then it may or may not have taken place.
    async fn commit(&self, transaction: Transaction) -> Result<Outcome, Failed>;

    /// From now on tells which keys that begin with `prefix` are changed.
    fn watch(&self, prefix: &str) -> Watch;
}
