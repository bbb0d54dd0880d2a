//! What can be tried, and what is particular to it.

use std::time::Duration;

use pilaster_common::error::{Told, code};
use pilaster_common::profile::Profile;

use super::proof::Sight;
use crate::host::File;

/// What is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    /// One of etcd's certificates, with its key: etcd reads its leaf at each handshake.
    Leaf(Profile),
}

impl Subject {
    /// The file that is replaced.
    pub(crate) fn file(self) -> File {
        match self {
            Self::Leaf(profile) => File::Leaf(profile),
        }
    }

    /// How long this may go on being seen before the new one counts as not working.
    pub(super) fn grace(self, sight: &Sight) -> Duration {
        match (self, sight) {
            // a handshake between etcd's two reads of one file may fail once, not for this long
            (Self::Leaf(_), Sight::Refused(_)) => Duration::from_secs(2),
            (Self::Leaf(_), Sight::Working(_) | Sight::Silent) => Duration::from_secs(10),
        }
    }

    /// Why the new one does not work.
    pub(super) fn complaint(self, sight: &Sight) -> String {
        match (self, sight) {
            (_, Sight::Refused(why)) => why.clone(),
            (Self::Leaf(_), Sight::Working(_)) => "etcd goes on showing another certificate".into(),
            (Self::Leaf(_), Sight::Silent) => "etcd does not answer any more".into(),
        }
    }

    /// What a person reads once the old one was put back.
    pub(super) fn told(self, why: &str) -> Told {
        let Self::Leaf(profile) = self;
        Told {
            code: code::TAKEN_BACK,
            what: format!("the new {profile} certificate was taken back"),
            cause: why.into(),
            help: "the one before is in place and it is tried again by itself; /var/log/etcd/etcd.log tells what etcd did not like".into(),
        }
    }
}
