//! When a certificate has served, so that a fleet does not renew as one.

use std::time::Duration;

use pilaster_common::certificate::{CertificateFacts, key_hash};
use pilaster_common::clock::Timestamp;

/// A certificate's life begins this long after the moment that it says (docs/PROTOCOL.md,
/// Certificates).
const BACKDATED: Duration = Duration::from_secs(86_400);

/// Whether `held` has served: it is the one that is to go, or less than the window is left of it.
pub(crate) fn has_served(
    renew_before: Duration,
    replace_serial: Option<&[u8]>,
    held: &CertificateFacts,
    now: Timestamp,
) -> bool {
    replace_serial == Some(&held.serial[..])
        || held.not_after.since(now) < drawn(renew_before, held)
}

/// `window` ± 10 %, so that a fleet does not renew as one. Drawn with the certificate's own key:
/// random, of this node and this profile alone, and the same after a restart without a write. A CA
/// near its end signs for less than the window: such a certificate is renewed after a tenth of its
/// life, and not at once again.
fn drawn(window: Duration, held: &CertificateFacts) -> Duration {
    let [first, second, ..] = key_hash(&held.public_key);
    let draw = f64::from(u16::from_be_bytes([first, second])) / f64::from(u16::MAX); // 0 to 1
    let life = held.not_after.since(held.not_before.plus(BACKDATED));
    window.mul_f64(0.9 + 0.2 * draw).min(life * 9 / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
    const DAY: Duration = Duration::from_secs(86_400);

    fn leaf(key: &[u8], age: Duration, left: Duration) -> CertificateFacts {
        CertificateFacts {
            serial: vec![1],
            not_before: NOW.minus(age),
            not_after: NOW.plus(left),
            common_name: String::new(),
            names: Vec::new(),
            addresses: Vec::new(),
            client_auth: false,
            uris: Vec::new(),
            public_key: key.to_vec(),
            key_id: Vec::new(),
            issuer_key_id: Vec::new(),
        }
    }

    #[test]
    fn each_key_draws_its_own_window_once() {
        let window = |key: u8| drawn(270 * DAY, &leaf(&[key], DAY, 365 * DAY));
        let all: Vec<Duration> = (0..200).map(window).collect();
        assert_eq!(all, (0..200).map(window).collect::<Vec<_>>(), "the same after a restart");
        let (least, most) = (*all.iter().min().expect("200"), *all.iter().max().expect("200"));
        assert!(243 * DAY <= least && least < 247 * DAY, "{least:?}");
        assert!(293 * DAY < most && most <= 297 * DAY, "{most:?}");
        let middle = all.iter().filter(|window| **window < 270 * DAY).count();
        assert!((70..130).contains(&middle), "{middle} of 200 are below the middle");
    }

    #[test]
    fn a_certificate_is_due_by_serial_by_time_and_not_at_once_again() {
        let due = |replace: Option<u8>, age, left| {
            let replace = replace.map(|serial| vec![serial]);
            has_served(270 * DAY, replace.as_deref(), &leaf(&[7], age, left), NOW)
        };
        assert!(!due(None, DAY, 364 * DAY));
        assert!(!due(Some(2), DAY, 364 * DAY), "another serial is to go");
        assert!(due(Some(1), DAY, 364 * DAY));
        assert!(due(None, 123 * DAY, 242 * DAY) && !due(None, 67 * DAY, 298 * DAY));
        for left in [30 * DAY, 5 * DAY, DAY / 24] {
            assert!(!due(None, DAY, left), "a new one that the CA's end has cut short");
        }
        assert!(due(None, 400 * DAY, Duration::ZERO));
    }
}
