//! What the two APIs of a running coordinator share.

use std::sync::Arc;

use pilaster_common::clock::{Clock, Timestamp};
use pilaster_common::name::ClusterName;

use crate::audit::AuditLog;
use crate::ca::Authorities;
use crate::ca::sign::Authority;
use crate::config::Endpoints;
use crate::plan::view::ClusterView;
use crate::repository::Offer;
use crate::rollout::driver::Driver;
use crate::rollout::fleet::Fleet;
use crate::rollout::{PassError, Wake, observe};
use crate::store::Store;

/// The store, the CAs, the nodes as seen now.
pub struct Coordinator {
    /// What is remembered.
    pub store: Store,
    /// Signs identities.
    pub control: Arc<Authority>,
    /// Signs what etcd needs.
    pub authorities: Arc<Authorities>,
    /// What is known of the nodes now.
    pub fleet: Arc<Fleet>,
    /// Asks for passes where no record was changed.
    pub wake: Arc<Wake>,
    /// Who did what.
    pub audit: AuditLog,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where agents find it.
    pub endpoints: Endpoints,
    /// Packages that nodes may fetch.
    pub offer: Option<Offer>,
}

impl Coordinator {
    /// Now, by the coordinator's clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A cluster as it is; `None` where it is not known.
    ///
    /// # Errors
    /// See [`PassError`].
    pub async fn observe(&self, cluster: &ClusterName) -> Result<Option<ClusterView>, PassError> {
        let Self { store, fleet, authorities, endpoints, .. } = self;
        observe(store, fleet, authorities, endpoints, cluster).await
    }

    /// What runs the passes.
    pub fn driver(&self) -> Driver {
        Driver {
            store: self.store.clone(),
            fleet: Arc::clone(&self.fleet),
            wake: Arc::clone(&self.wake),
            authorities: Arc::clone(&self.authorities),
            endpoints: self.endpoints.clone(),
            clock: Arc::clone(&self.clock),
        }
    }
}
