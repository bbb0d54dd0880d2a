//! Tells who watches which keys were changed, once they are durable.
//!
//! Level-triggered: what was changed several times is told once, and who is slower than [`QUEUE`]
//! commits is told that anything may have changed, and reads again.

use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::broadcast::{Receiver, Sender};

/// Changed keys that wait for the slowest of those who watch.
const QUEUE: usize = 4096;

/// The side that commits.
#[derive(Debug)]
pub(super) struct Watchers(Sender<String>);

/// The side that watches.
#[derive(Debug)]
pub struct Watch {
    prefix: String,
    keys: Receiver<String>,
}

/// What has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// These keys, in the order in which they were changed last; never empty.
    Keys(Vec<String>),
    /// Anything: more was changed than is kept for those who are slow.
    Anything,
}

impl Default for Watchers {
    fn default() -> Self {
        Self(Sender::new(QUEUE))
    }
}

impl Watchers {
    pub(super) fn tell<'k>(&self, keys: impl Iterator<Item = &'k String>) {
        for key in keys {
            drop(self.0.send(key.clone())); // nobody watches
        }
    }

    pub(super) fn watch(&self, prefix: &str) -> Watch {
        Watch { prefix: prefix.into(), keys: self.0.subscribe() }
    }
}

impl Watch {
    /// Waits until something has changed; `None` once the store is gone. Cancel-safe: what is taken
    /// is returned at once.
    pub async fn changed(&mut self) -> Option<Changed> {
        let mut found = Vec::new();
        loop {
            let key = match found.is_empty() {
                true => self.keys.recv().await.map_err(|error| match error {
                    RecvError::Closed => TryRecvError::Closed,
                    RecvError::Lagged(count) => TryRecvError::Lagged(count),
                }),
                false => self.keys.try_recv(),
            };
            match key {
                Ok(key) if key.starts_with(&self.prefix) => {
                    found.retain(|known| *known != key);
                    found.push(key);
                }
                Ok(_) => {}
                Err(TryRecvError::Empty) => return Some(Changed::Keys(found)),
                Err(TryRecvError::Closed) if found.is_empty() => return None,
                Err(TryRecvError::Closed) => return Some(Changed::Keys(found)),
                Err(TryRecvError::Lagged(_)) => {
                    self.keys = self.keys.resubscribe();
                    return Some(Changed::Anything);
                }
            }
        }
    }
}
