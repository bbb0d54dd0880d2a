//! Whether a new leaf has proved itself, or the pair before is put back (promises 1, 8).
//!
//! Pure: what lies there, what was seen and for how long nothing else was, in; a verdict out. Called by [`super::decide`]. The pair
//! before is kept only where etcd runs, beside the leaf; after a crash it lies there still, and is judged as if it had just been kept.
//! Not here: how a port is looked at (`etcd::served`), and when a leaf that was taken back is tried again (`reconciler`).

use std::time::Duration;

use pilaster_common::certificate::CertificateFacts;
use pilaster_common::clock::Timestamp;
use pilaster_common::error::{Told, code};
use pilaster_common::profile::Profile;

use crate::config::{SERVED_GRACE, SERVED_GRACE_REFUSED};
use crate::etcd::Served;

/// What is known of one profile's leaf besides the file itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Proof {
    /// The pair that it has replaced, while that is kept.
    pub(crate) before: Option<CertificateFacts>,
    /// What was seen last; `None` where nothing could be asked.
    pub(crate) served: Option<Served>,
    /// How long it has been looked for at a running etcd.
    pub(crate) sought: Duration,
    /// Why it is not replaced for now: a leaf before it was taken back.
    pub(crate) taken_back: Option<Told>,
}

impl Proof {
    /// Whether the new leaf is being looked for.
    pub(crate) fn is_sought(&self) -> bool {
        self.before.is_some() && self.served.is_some()
    }
}

/// What becomes of the pair before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// There is none, or nothing is known yet.
    Wait,
    /// It has served: the new one is seen, or it is the same as that, or it is not valid any more.
    Erase,
    /// The new one does not work.
    PutBack { why: String },
}

/// Judges the leaf `held`.
pub(crate) fn judge(held: &CertificateFacts, proof: &Proof, now: Timestamp) -> Verdict {
    let Proof { before, served, sought, taken_back: _ } = proof;
    let Some(before) = before else { return Verdict::Wait };
    let is_seen = matches!(served, Some(Served::Shown(shown)) if shown.serial == held.serial);
    if is_seen || before.serial == held.serial {
        return Verdict::Erase;
    }
    let (grace, why) = match served {
        None => return Verdict::Wait,
        Some(Served::Shown(_)) => (SERVED_GRACE, "etcd goes on showing another certificate".into()),
        Some(Served::Refused(why)) => (SERVED_GRACE_REFUSED, why.clone()),
        Some(Served::Unreachable) => (SERVED_GRACE, "etcd does not answer any more".into()),
    };
    if *sought < grace {
        Verdict::Wait
    } else if before.not_after <= now {
        Verdict::Erase // what is put back must still be valid
    } else {
        Verdict::PutBack { why }
    }
}

/// What a person reads when the pair before was put back.
pub(crate) fn told(profile: Profile, why: &str) -> Told {
    Told {
        code: code::TAKEN_BACK,
        what: format!("the new {profile} certificate was taken back"),
        cause: why.into(),
        help: "the one before is in place and it is tried again by itself; /var/log/etcd/etcd.log tells what etcd did not like".into(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use pilaster_proto::report::ServedCertificate;

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
    const DAY: Duration = Duration::from_secs(86_400);

    pub(crate) fn leaf(serial: u8, left: Duration) -> CertificateFacts {
        CertificateFacts {
            serial: vec![serial],
            not_before: NOW.minus(DAY),
            not_after: NOW.plus(left),
            common_name: String::new(),
            names: Vec::new(),
            addresses: Vec::new(),
            client_auth: false,
            uris: Vec::new(),
            public_key: Vec::new(),
            key_id: Vec::new(),
            issuer_key_id: Vec::new(),
        }
    }

    pub(crate) fn shown(serial: u8) -> Option<Served> {
        Some(Served::Shown(ServedCertificate { serial: vec![serial], not_after: NOW.plus(DAY) }))
    }

    #[test]
    fn promise_08_a_leaf_is_seen_or_the_pair_before_is_put_back() {
        let seconds = Duration::from_secs;
        let (refused, silent) = (Some(Served::Refused("alert".into())), Some(Served::Unreachable));
        // the pair before and how long it lasts, what was seen, for how many seconds: the word
        for (before, served, sought, word) in [
            (None, shown(1), 99, "wait"),
            (None, refused.clone(), 99, "wait"),
            (Some((1, DAY)), None, 99, "wait"),
            (Some((1, DAY)), shown(2), 0, "erase"),
            (Some((1, DAY)), shown(2), 99, "erase"),
            (Some((1, DAY)), shown(1), 9, "wait"),
            (Some((1, DAY)), shown(1), 10, "put back"),
            (Some((1, DAY)), refused.clone(), 1, "wait"),
            (Some((1, DAY)), refused.clone(), 2, "put back"),
            (Some((1, DAY)), silent.clone(), 9, "wait"),
            (Some((1, DAY)), silent.clone(), 10, "put back"),
            (Some((2, DAY)), silent.clone(), 10, "erase"), // a crash before the new one was there, or after it was put back
            (Some((2, DAY)), None, 0, "erase"),
            (Some((1, Duration::ZERO)), refused.clone(), 1, "wait"),
            (Some((1, Duration::ZERO)), refused, 99, "erase"),
            (Some((1, Duration::ZERO)), silent, 99, "erase"),
        ] {
            let case = format!("{before:?} {served:?} {sought}");
            let before = before.map(|(serial, left)| leaf(serial, left));
            let proof = Proof { before, served, sought: seconds(sought), taken_back: None };
            let verdict = match judge(&leaf(2, DAY), &proof, NOW) {
                Verdict::Wait => "wait",
                Verdict::Erase => "erase",
                Verdict::PutBack { .. } => "put back",
            };
            assert_eq!(verdict, word, "{case}");
        }
    }
}
