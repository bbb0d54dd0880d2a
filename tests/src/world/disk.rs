//! A store on a disk that may be full: then nothing is written, and what is there can be read.

use std::sync::atomic::{AtomicBool, Ordering};

use pilaster_coordinator::store::{
    Failed, KeyValue, MemoryStore, Outcome, Transaction, Versioned, Watch,
};

/// In memory, and full when a test says so.
#[derive(Debug, Default)]
pub struct Disk {
    values: MemoryStore,
    full: AtomicBool,
}

impl Disk {
    /// Whether there is no room.
    pub fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::Relaxed);
    }
}

#[tonic::async_trait]
impl KeyValue for Disk {
    async fn value(&self, key: &str) -> Result<Option<Versioned>, Failed> {
        self.values.value(key).await
    }

    async fn range(&self, prefix: &str) -> Result<Vec<(String, Versioned)>, Failed> {
        self.values.range(prefix).await
    }

    async fn commit(&self, transaction: Transaction) -> Result<Outcome, Failed> {
        if self.full.load(Ordering::Relaxed) {
            return Err(Failed("no space left on device".into()));
        }
        self.values.commit(transaction).await
    }

    fn watch(&self, prefix: &str) -> Watch {
        self.values.watch(prefix)
    }
}
