//! The store in memory: for tests, and for a world in which nothing outlives the process.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::kv::{Failed, KeyValue, Outcome, Transaction, Versioned};
use super::watch::{Watch, Watchers};

/// A store that ends with the process.
#[derive(Debug, Default)]
pub struct MemoryStore {
    values: Mutex<Values>,
    watchers: Watchers,
}

#[derive(Debug, Default)]
struct Values {
    revision: u64,
    by_key: BTreeMap<String, Versioned>,
}

#[tonic::async_trait]
impl KeyValue for MemoryStore {
    async fn value(&self, key: &str) -> Result<Option<Versioned>, Failed> {
        Ok(self.lock().by_key.get(key).cloned())
    }

    async fn range(&self, prefix: &str) -> Result<Vec<(String, Versioned)>, Failed> {
        let values = self.lock();
        let from = values.by_key.range(prefix.to_owned()..);
        let below = from.take_while(|(key, _)| key.starts_with(prefix));
        Ok(below.map(|(key, stored)| (key.clone(), stored.clone())).collect())
    }

    async fn commit(&self, transaction: Transaction) -> Result<Outcome, Failed> {
        let outcome = self.lock().apply(&transaction);
        if matches!(outcome, Outcome::Committed(_)) {
            self.watchers.tell(transaction.keys());
        }
        Ok(outcome)
    }

    fn watch(&self, prefix: &str) -> Watch {
        self.watchers.watch(prefix)
    }
}

impl MemoryStore {
    fn lock(&self) -> std::sync::MutexGuard<'_, Values> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Values {
    fn apply(&mut self, transaction: &Transaction) -> Outcome {
        for (key, expect) in &transaction.expect {
            if !expect.holds(self.by_key.get(key).map(|stored| stored.revision)) {
                return Outcome::Conflict(key.clone());
            }
        }
        self.revision += 1;
        for (key, value) in &transaction.put {
            let stored = Versioned { value: value.clone(), revision: self.revision };
            self.by_key.insert(key.clone(), stored);
        }
        for key in &transaction.delete {
            self.by_key.remove(key);
        }
        Outcome::Committed(self.revision)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::store::conformance;

    #[tokio::test]
    async fn memory_conforms() {
        conformance::check(Arc::new(MemoryStore::default())).await;
    }
}
