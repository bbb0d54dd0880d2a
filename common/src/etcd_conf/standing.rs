//! What is known against a release of etcd: the floors below which it is old, and the releases that
//! are refused.
//!
//! Data, from etcd's CHANGELOG-3.4 to CHANGELOG-3.7 and its upgrade guides. Not here: who is asked
//! before a bad one is taken.

use super::version::EtcdVersion;

/// How a release of etcd stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is known against it.
    Good,
    /// It is managed, with a warning.
    Old {
        /// The first release of its minor, or of a later one, that has no such fault.
        floor: EtcdVersion,
        /// The worst that it has.
        why: &'static str,
    },
    /// It is refused until a person has accepted it as known to be bad.
    Blocked {
        /// What it does.
        why: &'static str,
    },
}

/// Minor, first and last patch, and what these releases do.
const BLOCKED: [(u32, u32, u32, &str); 3] = [
    (
        4,
        0,
        22,
        "it can lose an acknowledged write after a power cut, and is older than what Pilaster knows to manage",
    ),
    (5, 0, 2, "it damages its data when it is killed under load"),
    (
        6,
        0,
        3,
        "it does not start again after a learner has been promoted, which every replacement of a member does",
    ),
];

/// Minor, first patch, which has no fault of [`FAULTS`]. 3.4 has none.
const FLOORS: [(u32, u32); 3] = [(5, 33), (6, 14), (7, 1)];

/// First patch of each minor that is free of a fault; the worst fault stands first.
const FAULTS: [(&[(u32, u32)], &str); 6] = [
    (&[(5, 6)], "a crash while it defragments lets its data differ from the other members'"),
    (&[(5, 7)], "a record that a power cut left half written keeps it from starting"),
    (&[(4, 38), (5, 23), (6, 5)], "a defragmentation while a snapshot arrives damages its data"),
    (&[(4, 32), (5, 14)], "a crash while it compacts can set its revision back"),
    (&[(5, 17)], "a transaction can be applied in part"),
    (&[(5, 28), (6, 9)], "after a stall, which a slow card brings, it can answer with old data"),
];

const HOLES: &str = "it has security holes that are publicly known";
const END_OF_LIFE: &str = "3.4 gets no fixes any more";

/// From which patch of a minor the next minor may be gone to: below, members that were removed come
/// back and promoted learners turn back into learners (etcd: upgrade guides to 3.6 and 3.7).
const LEAVING: [(u32, u32); 3] = [(4, 0), (5, 26), (6, 11)];

impl EtcdVersion {
    /// What is known against this release.
    pub fn standing(self) -> Standing {
        let blocked = |row: &&(u32, u32, u32, &str)| {
            row.0 == self.minor && (row.1..=row.2).contains(&self.patch)
        };
        if let Some((_, _, _, why)) = BLOCKED.iter().find(blocked) {
            return Standing::Blocked { why };
        }
        let floor = self.floor();
        if self >= floor {
            return Standing::Good;
        }
        let has = |free: &[(u32, u32)]| {
            free.iter().any(|(minor, patch)| *minor == self.minor && self.patch < *patch)
        };
        let last = if self.minor == 4 { END_OF_LIFE } else { HOLES };
        let why = FAULTS.iter().find(|(free, _)| has(free)).map_or(last, |(_, why)| why);
        Standing::Old { floor, why }
    }

    /// The first release of its minor against which nothing is known. 3.4 has none: then it is the
    /// next minor's.
    pub fn floor(self) -> Self {
        let (minor, patch) = *FLOORS
            .iter()
            .find(|(minor, _)| *minor >= self.minor)
            .expect("a version is 3.4 to 3.7, and 3.7 has its floor");
        Self { major: 3, minor, patch }
    }

    /// The first patch of this minor from which the next minor may be gone to; `None` where no next
    /// one is known.
    pub fn floor_to_leave(self) -> Option<Self> {
        let row = LEAVING.iter().find(|(minor, _)| *minor == self.minor);
        row.map(|&(minor, patch)| Self { major: 3, minor, patch })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> EtcdVersion {
        text.parse().expect(text)
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let told = match version(text).standing() {
            Standing::Good => "good".into(),
            Standing::Old { floor, why } => format!("old, {floor}: {why}"),
            Standing::Blocked { why } => format!("blocked: {why}"),
        };
        assert!(told.starts_with(expected), "{text}: {told}");
    }

    #[test]
    fn releases_stand_as_their_changelogs_say() {
        check("3.4.22", "blocked: it can lose");
        check("3.4.23", "old, 3.5.33: a defragmentation");
        check("3.4.45", "old, 3.5.33: 3.4 gets no fixes");
        check("3.5.2", "blocked: it damages");
        check("3.5.3", "old, 3.5.33: a crash while it defragments");
        check("3.5.6", "old, 3.5.33: a record");
        check("3.5.16", "old, 3.5.33: a defragmentation");
        check("3.5.27", "old, 3.5.33: after a stall");
        check("3.5.32", "old, 3.5.33: it has security holes");
        check("3.5.33", "good");
        check("3.6.3", "blocked: it does not start");
        check("3.6.4", "old, 3.6.14: a defragmentation");
        check("3.6.14", "good");
        check("3.7.0", "old, 3.7.1: it has security holes");
        check("3.7.1", "good");
    }

    #[test]
    fn a_minor_is_left_from_its_floor() {
        assert_eq!(version("3.5.16").floor_to_leave(), Some(version("3.5.26")));
        assert_eq!(version("3.7.2").floor_to_leave(), None);
    }
}
