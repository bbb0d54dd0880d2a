//! Which clusters want a pass: many asks become one.

use std::collections::BTreeSet;
use std::sync::Mutex;

use pilaster_common::name::ClusterName;
use tokio::sync::Notify;

/// Asks for passes.
#[derive(Debug, Default)]
pub struct Wake {
    wanted: Mutex<BTreeSet<ClusterName>>,
    notify: Notify,
}

impl Wake {
    /// Asks for a pass over a cluster.
    pub fn cluster(&self, cluster: &ClusterName) {
        self.wanted.lock().expect("no holder panics").insert(cluster.clone());
        self.notify.notify_one();
    }

    /// Waits until passes are wanted, and takes all that are. Cancel-safe: takes only what it
    /// returns.
    pub(super) async fn next(&self) -> BTreeSet<ClusterName> {
        loop {
            let wanted = std::mem::take(&mut *self.wanted.lock().expect("no holder panics"));
            if !wanted.is_empty() {
                return wanted;
            }
            self.notify.notified().await;
        }
    }
}
