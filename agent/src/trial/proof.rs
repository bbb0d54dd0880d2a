//! What is known of a thing that is tried.

use std::time::Duration;

use pilaster_common::clock::Timestamp;

/// One version of a thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version {
    /// By which it is known again.
    pub(crate) mark: Vec<u8>,
    /// What is put back must still be valid.
    pub(crate) valid_until: Timestamp,
}

/// What was seen at work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sight {
    /// The version of this mark.
    Working(Vec<u8>),
    /// None of them, for this reason.
    Refused(String),
    /// Nobody answered.
    Silent,
}

/// What is known of a thing beside its version in place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Proof {
    /// The version that was replaced, while it is kept.
    pub(crate) before: Option<Version>,
    /// What was seen last; `None` where nothing could be asked.
    pub(crate) sight: Option<Sight>,
    /// How long the version in place has been looked for.
    pub(crate) sought: Duration,
}

impl Proof {
    /// Whether the new version is being looked for.
    pub(crate) fn is_sought(&self) -> bool {
        self.before.is_some() && self.sight.is_some()
    }
}
