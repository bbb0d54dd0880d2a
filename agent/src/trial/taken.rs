//! What was taken back, and is not tried again for a while.

use std::collections::BTreeMap;
use std::time::Duration;

use pilaster_common::clock::BootTime;
use pilaster_common::error::Told;

use super::subject::Subject;
use crate::node::Patience;

/// Pauses before another try: each costs a signature, and refused handshakes.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(1800));

/// What did not work when `W` was wanted.
#[derive(Debug)]
pub(crate) struct Taken<W>(BTreeMap<Subject, Patience<W>>);

impl<W: PartialEq> Taken<W> {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// The old one was put back.
    pub(crate) fn back(&mut self, now: BootTime, subject: Subject, wanted: W, why: &str) {
        let patience = self.0.entry(subject).or_insert_with(|| Patience::new(BACKOFF));
        patience.wait(now, wanted, subject.told(why));
    }

    /// The new one has proved itself.
    pub(crate) fn forget(&mut self, subject: Subject) {
        self.0.remove(&subject);
    }

    /// Returns what is not tried again now, and why.
    pub(crate) fn waiting(&self, now: BootTime, wanted: &W) -> BTreeMap<Subject, Told> {
        let waiting = |(subject, patience): (&Subject, &Patience<W>)| {
            Some((*subject, patience.reason(now, wanted)?))
        };
        self.0.iter().filter_map(waiting).collect()
    }
}
