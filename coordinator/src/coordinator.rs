//! What the parts of one running coordinator share.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use ipnet::Ipv4Net;
use pilaster_common::clock::{Clock, Timestamp};
use pilaster_common::name::ClusterName;
use pilaster_proto::admin::v1 as pb;

use crate::audit::AuditLog;
use crate::ca::sign::Authority;
use crate::ca::vault::{ClusterAuthorities, Missing, Vault, VaultError};
use crate::repository::Offer;
use crate::rollout::driver::Wake;
use crate::rollout::fleet::Fleet;
use crate::store::Store;
use crate::store::records::Installation;

/// A workstation with containers has dozens of addresses; an agent takes sixteen.
const ENDPOINTS_MAX: usize = 8;

/// The store, the CAs, the nodes as seen now.
pub struct Coordinator {
    /// What is remembered.
    pub store: Store,
    /// This installation, in this epoch.
    pub installation: Installation,
    /// Signs identities.
    pub control: Authority,
    /// What is known of the nodes now.
    pub fleet: Fleet,
    /// Asks for a pass over a cluster.
    pub wake: Wake,
    /// Who did what.
    pub audit: AuditLog,
    /// The time.
    pub clock: Arc<dyn Clock>,
    vault: Vault,
    authorities: Mutex<BTreeMap<ClusterName, Arc<ClusterAuthorities>>>,
    endpoints: Vec<String>,
    offer: Option<Offer>,
}

impl Coordinator {
    /// Puts the parts together. `endpoints` are `host:port`, best first.
    pub fn new(
        store: Store,
        installation: Installation,
        (vault, control): (Vault, Authority),
        audit: AuditLog,
        clock: Arc<dyn Clock>,
        endpoints: Vec<String>,
    ) -> Self {
        Self {
            store,
            installation,
            control,
            fleet: Fleet::default(),
            wake: Wake::default(),
            audit,
            clock,
            vault,
            authorities: Mutex::default(),
            endpoints,
            offer: None,
        }
    }

    /// With packages that nodes may fetch.
    pub fn offering(self, offer: Option<Offer>) -> Self {
        Self { offer, ..self }
    }

    /// Now, by the coordinator's clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The CAs of a cluster. A missing one is an error: a new one would strand every node that trusts the old.
    ///
    /// # Errors
    /// See [`VaultError`].
    pub fn authorities(
        &self,
        cluster: &ClusterName,
    ) -> Result<Arc<ClusterAuthorities>, VaultError> {
        self.authorities_or(cluster, Missing::Fail)
    }

    /// The CAs of a cluster that is not known yet, so that nobody trusts any: made where they are missing.
    ///
    /// # Errors
    /// See [`VaultError`].
    pub fn new_authorities(
        &self,
        cluster: &ClusterName,
    ) -> Result<Arc<ClusterAuthorities>, VaultError> {
        self.authorities_or(cluster, Missing::Make(self.now()))
    }

    fn authorities_or(
        &self,
        cluster: &ClusterName,
        missing: Missing,
    ) -> Result<Arc<ClusterAuthorities>, VaultError> {
        let mut cached = self.authorities.lock().expect("no holder panics");
        if let Some(found) = cached.get(cluster) {
            return Ok(Arc::clone(found));
        }
        let made = Arc::new(self.vault.cluster(cluster, missing)?);
        cached.insert(cluster.clone(), Arc::clone(&made));
        Ok(made)
    }

    /// Where agents of a cluster find this coordinator: those in its network first.
    pub fn endpoints(&self, network: Option<Ipv4Net>) -> Vec<String> {
        let inside = |endpoint: &String| {
            let address =
                endpoint.rsplit_once(':').and_then(|(host, _)| host.parse::<Ipv4Addr>().ok());
            address.zip(network).is_some_and(|(address, network)| network.contains(&address))
        };
        let mut endpoints = self.endpoints.clone();
        endpoints.sort_by_key(|endpoint| !inside(endpoint)); // stable: keeps the order otherwise
        endpoints.truncate(ENDPOINTS_MAX);
        endpoints
    }

    /// What nodes may fetch, and what they find it by: the name or address of the first of `endpoints`.
    pub fn repository(&self, endpoints: &[String]) -> Option<pb::Repository> {
        self.offer.as_ref()?.to_wire(endpoints)
    }
}
