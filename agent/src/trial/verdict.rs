//! Whether a new version has proved itself, or the one before is put back.
//!
//! Pure: what lies there, what was seen and for how long nothing else was, in; a verdict out.

use pilaster_common::clock::Timestamp;

use super::proof::{Proof, Sight, Version};
use super::subject::Subject;

/// What becomes of the version before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// There is none, or nothing is known yet.
    Wait,
    /// It has served: the new one is seen, or it is the same as that, or it is not valid any more.
    Erase,
    /// The new one does not work.
    PutBack { why: String },
}

/// Judges the version `held`.
pub(crate) fn judge(subject: Subject, held: &Version, proof: &Proof, now: Timestamp) -> Verdict {
    let Some(before) = &proof.before else { return Verdict::Wait };
    let is_seen = matches!(&proof.sight, Some(Sight::Working(mark)) if *mark == held.mark);
    if is_seen || before.mark == held.mark {
        return Verdict::Erase;
    }
    let Some(sight) = &proof.sight else { return Verdict::Wait };
    if proof.sought < subject.grace(sight) {
        Verdict::Wait
    } else if before.valid_until <= now {
        Verdict::Erase
    } else {
        Verdict::PutBack { why: subject.complaint(sight) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pilaster_common::profile::Profile;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
    const DAY: Duration = Duration::from_secs(86_400);

    fn version(mark: u8, left: Duration) -> Version {
        Version { mark: vec![mark], valid_until: NOW.plus(left) }
    }

    fn working(mark: u8) -> Option<Sight> {
        Some(Sight::Working(vec![mark]))
    }

    #[test]
    fn promise_08_a_leaf_is_seen_or_the_pair_before_is_put_back() {
        let seconds = Duration::from_secs;
        let (refused, silent) = (Some(Sight::Refused("alert".into())), Some(Sight::Silent));
        // the pair before and how long it lasts, what was seen, for how many seconds: the word
        for (before, sight, sought, word) in [
            (None, working(1), 99, "wait"),
            (None, refused.clone(), 99, "wait"),
            (Some((1, DAY)), None, 99, "wait"),
            (Some((1, DAY)), working(2), 0, "erase"),
            (Some((1, DAY)), working(2), 99, "erase"),
            (Some((1, DAY)), working(1), 9, "wait"),
            (Some((1, DAY)), working(1), 10, "put back"),
            (Some((1, DAY)), refused.clone(), 1, "wait"),
            (Some((1, DAY)), refused.clone(), 2, "put back"),
            (Some((1, DAY)), silent.clone(), 9, "wait"),
            (Some((1, DAY)), silent.clone(), 10, "put back"),
            // a crash before the new one was there, or after it was put back
            (Some((2, DAY)), silent.clone(), 10, "erase"),
            (Some((2, DAY)), None, 0, "erase"),
            (Some((1, Duration::ZERO)), refused.clone(), 1, "wait"),
            (Some((1, Duration::ZERO)), refused, 99, "erase"),
            (Some((1, Duration::ZERO)), silent, 99, "erase"),
        ] {
            let case = format!("{before:?} {sight:?} {sought}");
            let before = before.map(|(mark, left)| version(mark, left));
            let proof = Proof { before, sight, sought: seconds(sought) };
            let verdict = match judge(Subject::Leaf(Profile::Peer), &version(2, DAY), &proof, NOW) {
                Verdict::Wait => "wait",
                Verdict::Erase => "erase",
                Verdict::PutBack { .. } => "put back",
            };
            assert_eq!(verdict, word, "{case}");
        }
    }
}
