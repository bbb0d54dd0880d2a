//! The CAs of all clusters, each read from the vault once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use pilaster_common::clock::Timestamp;
use pilaster_common::name::ClusterName;

use super::vault::{ClusterAuthorities, Missing, Vault, VaultError};

/// The CAs of all clusters.
#[derive(Debug)]
pub struct Authorities {
    vault: Vault,
    read: Mutex<BTreeMap<ClusterName, Arc<ClusterAuthorities>>>,
}

impl Authorities {
    /// Those in this vault.
    pub fn new(vault: Vault) -> Self {
        Self { vault, read: Mutex::default() }
    }

    /// The CAs of a cluster. A missing one is an error: a new one would strand every node that
    /// trusts the old.
    ///
    /// # Errors
    /// See [`VaultError`].
    pub fn of(&self, cluster: &ClusterName) -> Result<Arc<ClusterAuthorities>, VaultError> {
        self.read_or(cluster, Missing::Fail)
    }

    /// The CAs of a cluster that is not known yet, so that nobody trusts any: made where they are
    /// missing.
    ///
    /// # Errors
    /// See [`VaultError`].
    pub fn of_new(
        &self,
        cluster: &ClusterName,
        now: Timestamp,
    ) -> Result<Arc<ClusterAuthorities>, VaultError> {
        self.read_or(cluster, Missing::Make(now))
    }

    fn read_or(
        &self,
        cluster: &ClusterName,
        missing: Missing,
    ) -> Result<Arc<ClusterAuthorities>, VaultError> {
        let mut read = self.read.lock().expect("no holder panics");
        if let Some(known) = read.get(cluster) {
            return Ok(Arc::clone(known));
        }
        let made = Arc::new(self.vault.cluster(cluster, missing)?);
        read.insert(cluster.clone(), Arc::clone(&made));
        Ok(made)
    }
}
