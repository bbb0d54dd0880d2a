//! What the node should be, in checked types; `link::wire` makes it from the message.

use std::net::IpAddr;
use std::time::Duration;

use pilaster_common::certificate::{CertificateFacts, key_hash};
use pilaster_common::clock::Timestamp;
use pilaster_common::etcd_conf::EtcdConf;
use pilaster_common::hosts_block::HostEntry;
use pilaster_common::name::DomainName;
use pilaster_common::profile::Profile;
use rustls_pki_types::CertificateDer;

use crate::apply::TextFile;

/// What the node should be, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Desired {
    pub(crate) epoch: u64,
    pub(crate) generation: u64,
    pub(crate) etcd: EtcdConf,
    pub(crate) template_version: u32,
    /// As the coordinator renders them.
    pub(crate) files: Vec<(TextFile, String)>,
    pub(crate) hosts: Vec<HostEntry>,
    /// No host outside it is named; `None` where /etc/hosts is not used.
    pub(crate) hosts_domain: Option<DomainName>,
    pub(crate) certificates: Vec<WantedCertificate>,
    pub(crate) client_ca: Vec<CertificateDer<'static>>,
    pub(crate) peer_ca: Vec<CertificateDer<'static>>,
    pub(crate) service: WantedService,
    /// `host:port` of the coordinator, best first; empty from one that does not say.
    pub(crate) endpoints: Vec<String>,
    /// `None` from a coordinator that does not say.
    pub(crate) identity: Option<WantedIdentity>,
}

/// How the agent's own certificate should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WantedIdentity {
    /// It is renewed when less than this is left.
    pub(crate) renew_before: Duration,
    /// It is renewed at once while it has this serial; empty: none.
    pub(crate) replace_serial: Vec<u8>,
}

/// Whether etcd may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WantedService {
    /// The cluster has not been formed: nothing is started.
    Hold,
    /// At each boot, and now.
    Run,
}

/// A certificate that the node should hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WantedCertificate {
    pub(crate) profile: Profile,
    /// DNS names, sorted.
    pub(crate) names: Vec<String>,
    /// Sorted.
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) common_name: String,
    /// Whether it is a server's that etcd's gateway shows as a client, to etcd itself.
    pub(crate) gateway: bool,
    /// Subject key identifier of the CA.
    pub(crate) issuer_key_id: Vec<u8>,
    /// It is replaced when less than this is left.
    pub(crate) renew_before: Duration,
    /// It is replaced at once while it has this serial; empty: none.
    pub(crate) replace_serial: Vec<u8>,
}

impl WantedCertificate {
    /// Whether `held` has served: it is the one that is to go, or too little of it is left.
    pub(crate) fn is_due(&self, held: &CertificateFacts, now: Timestamp) -> bool {
        is_due(self.renew_before, &self.replace_serial, held, now)
    }

    /// Whether a certificate says what is wanted; how long it lasts is another question.
    pub(crate) fn is_met_by(&self, held: &CertificateFacts) -> bool {
        held.names == self.names
            && held.addresses == self.addresses
            && held.common_name == self.common_name
            && held.issuer_key_id == self.issuer_key_id
            && (self.profile != Profile::Server || held.client_auth == self.gateway)
    }
}

/// A certificate's life begins this long after the moment that it says (docs/PROTOCOL.md, Certificates).
const BACKDATED: Duration = Duration::from_secs(86_400);

/// Whether the identity is to be renewed; after two thirds of its life where the coordinator does not say.
pub(crate) fn identity_is_due(
    wanted: Option<&WantedIdentity>,
    held: &CertificateFacts,
    now: Timestamp,
) -> bool {
    match wanted {
        Some(wanted) => is_due(wanted.renew_before, &wanted.replace_serial, held, now),
        None => is_due(held.not_after.since(held.not_before) / 3, &[], held, now),
    }
}

fn is_due(renew_before: Duration, replace: &[u8], held: &CertificateFacts, now: Timestamp) -> bool {
    held.serial == replace || held.not_after.since(now) < drawn(renew_before, held)
}

/// `window` ± 10 %, so that a fleet does not renew as one. Drawn with the certificate's own key: random, of this node and this
/// profile alone, and the same after a restart without a write. A CA near its end signs for less than the window: such a certificate
/// is renewed after a tenth of its life, and not at once again.
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
        let due =
            |replace: &[u8], age, left| is_due(270 * DAY, replace, &leaf(&[7], age, left), NOW);
        assert!(!due(&[], DAY, 364 * DAY));
        assert!(!due(&[2], DAY, 364 * DAY), "another serial is to go");
        assert!(due(&[1], DAY, 364 * DAY));
        assert!(due(&[], 123 * DAY, 242 * DAY) && !due(&[], 67 * DAY, 298 * DAY));
        for left in [30 * DAY, 5 * DAY, DAY / 24] {
            assert!(!due(&[], DAY, left), "a new one that the CA's end has cut short");
        }
        assert!(due(&[], 400 * DAY, Duration::ZERO));
    }

    #[test]
    fn an_identity_is_renewed_at_two_thirds_where_the_coordinator_does_not_say() {
        let due = |age: u32| identity_is_due(None, &leaf(&[7], age * DAY, (90 - age) * DAY), NOW);
        assert!(!due(55) && due(65));
    }

    #[test]
    fn a_server_is_issued_anew_when_the_gateway_comes_or_goes_and_no_other_leaf_is() {
        let met = |profile, gateway, client_auth| {
            let held = CertificateFacts { client_auth, ..leaf(&[7], DAY, 364 * DAY) };
            let wanted = WantedCertificate {
                profile,
                names: Vec::new(),
                addresses: Vec::new(),
                common_name: String::new(),
                gateway,
                issuer_key_id: Vec::new(),
                renew_before: DAY,
                replace_serial: Vec::new(),
            };
            wanted.is_met_by(&held)
        };
        assert!(met(Profile::Server, false, false) && met(Profile::Server, true, true));
        assert!(!met(Profile::Server, true, false) && !met(Profile::Server, false, true));
        assert!(met(Profile::Peer, false, true) && met(Profile::Client, false, true));
    }
}
