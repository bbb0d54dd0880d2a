//! Bounds wrong proofs from one address. They do not burn a token, or anyone could; they only wait.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use pilaster_common::clock::Timestamp;

/// Wrong proofs from one address within [`WINDOW`]: a person who pastes the wrong token needs two
/// or three.
const WRONG_MAX: u32 = 10;
/// How long they count.
const WINDOW: Duration = Duration::from_secs(60);
/// Addresses remembered; the oldest is forgotten first.
const ADDRESSES_MAX: usize = 1024;

/// Wrong proofs of the last minute.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    wrong: Mutex<HashMap<IpAddr, (Timestamp, u32)>>,
}

impl Attempts {
    /// Whether `address` may try now.
    pub(crate) fn may_try(&self, address: IpAddr, now: Timestamp) -> bool {
        let wrong = self.wrong.lock().expect("no holder panics");
        wrong
            .get(&address)
            .is_none_or(|(since, count)| *count < WRONG_MAX || now.since(*since) > WINDOW)
    }

    /// Counts a wrong proof.
    pub(crate) fn note_wrong(&self, address: IpAddr, now: Timestamp) {
        let mut wrong = self.wrong.lock().expect("no holder panics");
        if wrong.len() >= ADDRESSES_MAX && !wrong.contains_key(&address) {
            let oldest =
                wrong.iter().min_by_key(|(_, (since, _))| *since).map(|(address, _)| *address);
            oldest.and_then(|oldest| wrong.remove(&oldest));
        }
        let entry = wrong.entry(address).or_insert((now, 0));
        if now.since(entry.0) > WINDOW {
            *entry = (now, 0);
        }
        entry.1 += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_wrong_proofs_a_minute_are_enough_for_one_address() {
        let (attempts, now) = (Attempts::default(), Timestamp::from_unix(1000));
        let (one, other): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
        for _ in 0..WRONG_MAX {
            assert!(attempts.may_try(one, now));
            attempts.note_wrong(one, now);
        }
        assert!(!attempts.may_try(one, now));
        assert!(attempts.may_try(other, now));
        assert!(attempts.may_try(one, now.plus(WINDOW + Duration::from_secs(1))));
        for i in 0..2000_u32 {
            attempts.note_wrong(IpAddr::from(i.to_be_bytes()), now);
        }
        assert!(attempts.wrong.lock().expect("no holder panics").len() <= ADDRESSES_MAX);
    }
}
