//! What the coordinator must remember: one ordered key-value interface with compare-and-set transactions.
//!
//! [`KeyValue`] is the interface, [`redb`] the embedded implementation, `conformance` the suite that any implementation is held to.
//! [`keys`] has every key there is, [`records`] every value. Not here: CA keys, which lie in files of their own (`ca::vault`).

mod conformance;
mod keys;
pub mod records;
mod redb;
mod typed;

pub use self::redb::{OpenStoreError, RedbStore};
pub use typed::{Change, Revised, Store, StoreError, Wanted};

use std::fmt;

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

/// All of it takes place, or nothing.
#[derive(Debug, Clone, Default)]
pub struct Transaction {
    /// What must be so.
    pub expect: Vec<(String, Expect)>,
    /// What is put.
    pub put: Vec<(String, Vec<u8>)>,
    /// What is deleted.
    pub delete: Vec<String>,
}

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Durable, at this revision.
    Committed(u64),
    /// Something was not as expected; nothing was changed.
    Conflict,
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
}
