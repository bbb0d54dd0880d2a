//! What the node is now, for the coordinator, and for `pilaster-agent status`.

use pilaster_common::certificate::CertificateFacts;
use pilaster_common::error::Told;
use pilaster_common::profile::Profile;

use crate::apply::TextFile;
use crate::etcd::{EtcdState, Shown};
use crate::facts::Facts;
use crate::service::ServiceState;

/// What the node is now.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Report {
    pub(crate) facts: Facts,
    /// Highest accepted.
    pub(crate) epoch: u64,
    /// Of the desired state that is wholly in place; 0 while there is none.
    pub(crate) generation: u64,
    /// In their files, and as etcd shows or takes them.
    pub(crate) certificates: Vec<(Profile, CertificateFacts, Option<Shown>)>,
    pub(crate) service: ServiceState,
    pub(crate) etcd: EtcdState,
    pub(crate) problems: Vec<Told>,
    pub(crate) boot_id: String,
    /// SHA-256 of each rendered file in place.
    pub(crate) files: Vec<(TextFile, [u8; 32])>,
}

impl Report {
    /// Whether it differs from `earlier` in more than times, an index and sizes: only then it is worth a message of its own.
    pub(crate) fn is_news_after(&self, earlier: &Self) -> bool {
        self.still() != earlier.still()
    }

    /// Without what moves by itself.
    fn still(&self) -> Self {
        let mut still = self.clone();
        still.facts.machine.disk_free_bytes = 0;
        still.facts.machine.uptime_seconds = 0;
        if let Some(status) = &mut still.etcd.status {
            (status.raft_index, status.raft_applied_index) = (0, 0);
            (status.db_size, status.db_size_in_use) = (0, 0);
        }
        still
    }

    /// A few lines for a person on the node.
    pub(crate) fn lines(&self) -> String {
        let etcd = match (self.service, self.etcd.healthy) {
            (ServiceState::Absent, _) => "not set up",
            (ServiceState::Stopped, _) => "stopped",
            (ServiceState::Crashed, _) => "crashed",
            (ServiceState::Started, true) => "started, healthy",
            (ServiceState::Started, false) => "started, not healthy",
        };
        let mut lines = format!("generation in place: {}\netcd: {etcd}\n", self.generation);
        for told in &self.problems {
            lines.push_str(&format!("{told}\n"));
        }
        lines
    }
}
