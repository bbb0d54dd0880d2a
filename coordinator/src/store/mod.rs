//! What the coordinator must remember: one ordered key-value interface with compare-and-set
//! transactions and a watch.
//!
//! [`KeyValue`] is the interface ([`kv`]), [`RedbStore`] the embedded implementation,
//! [`MemoryStore`] the one of tests, `conformance` the suite that both are held to. [`records`] has
//! every record there is; [`Store`] reads and writes them, fenced by the epoch of its leadership.
//! Not here: CA keys, which lie in files of their own (`ca::vault`).

mod conformance;
mod kv;
mod memory;
mod record;
pub mod records;
mod redb;
mod typed;
mod watch;

pub use self::redb::{OpenStoreError, RedbStore};
pub use kv::{Expect, Failed, KeyValue, Outcome, Transaction, Versioned};
pub use memory::MemoryStore;
pub use record::{Record, RecordKey};
pub use typed::{AnyCluster, Change, ClusterWatch, Revised, Store, StoreError};
pub use watch::{Changed, Watch};
