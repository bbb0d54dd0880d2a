//! What etcd shows of each leaf: looked at when the leaf or etcd has changed, otherwise once a
//! minute.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use pilaster_common::clock::{BootTime, Clock};
use pilaster_common::profile::Profile;
use pilaster_proto::report::ServedCertificate;

use crate::etcd::{AskEtcd, Served};
use crate::trial::Sight;

/// A look at what a port of etcd shows, when nothing changed.
const INTERVAL: Duration = Duration::from_secs(60);
/// The same while a new leaf has not been seen yet.
const INTERVAL_EAGER: Duration = Duration::from_millis(500);

/// The last look at each leaf.
#[derive(Debug)]
pub(crate) struct Looks {
    etcd: Arc<dyn AskEtcd>,
    clock: Arc<dyn Clock>,
    last: BTreeMap<Profile, Look>,
}

#[derive(Debug)]
struct Look {
    /// Serial of the leaf in place.
    of: Vec<u8>,
    /// Whether etcd answered elsewhere.
    answers: bool,
    at: BootTime,
    /// When this leaf was looked for first.
    since: BootTime,
    served: Served,
}

impl Looks {
    /// None yet.
    pub(crate) fn new(etcd: Arc<dyn AskEtcd>, clock: Arc<dyn Clock>) -> Self {
        Self { etcd, clock, last: BTreeMap::new() }
    }

    /// etcd is not to run: what was seen counts no more.
    pub(crate) fn forget(&mut self) {
        self.last.clear();
    }

    /// Looks for the leaf with this serial, unless that was done just now; `is_tried` while another
    /// one is kept for it. Comes from `address`, the node's own.
    pub(crate) async fn look(
        &mut self,
        profile: Profile,
        of: &[u8],
        (answers, is_tried): (bool, bool),
        address: Ipv4Addr,
    ) {
        let interval = if is_tried { INTERVAL_EAGER } else { INTERVAL };
        let last = self.last.get(&profile).filter(|look| look.of == of);
        let is_fresh =
            |look: &Look| look.answers == answers && self.clock.elapsed(look.at) < interval;
        if last.is_some_and(is_fresh) {
            return;
        }
        let since = last.map_or_else(|| self.clock.boot(), |last| last.since);
        let served = self.etcd.served(profile, address).await;
        let look = Look { of: of.into(), answers, at: self.clock.boot(), since, served };
        self.last.insert(profile, look);
    }

    /// What was seen last, and how long the leaf has been looked for.
    pub(crate) fn sight(&self, profile: Profile) -> Option<(Sight, Duration)> {
        let look = self.last.get(&profile)?;
        let sight = match &look.served {
            Served::Shown(shown) => Sight::Working(shown.serial.clone()),
            Served::Refused(why) => Sight::Refused(why.clone()),
            Served::Unreachable => Sight::Silent,
        };
        Some((sight, self.clock.elapsed(look.since)))
    }

    /// What etcd shows or takes, for the report.
    pub(crate) fn shown(&self, profile: Profile) -> Option<ServedCertificate> {
        match &self.last.get(&profile)?.served {
            Served::Shown(shown) => Some(shown.clone()),
            Served::Refused(_) | Served::Unreachable => None,
        }
    }
}
