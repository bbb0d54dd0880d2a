//! Whether a certificate is what is wanted, and when it is replaced.

use pilaster_common::certificate::CertificateFacts;
use pilaster_common::clock::Timestamp;
use pilaster_common::profile::Profile;
use pilaster_proto::desired::WantedCertificate;

use crate::node::has_served;

/// Whether `held` has served: it is the one that is to go, or too little of it is left.
pub(crate) fn is_due(wanted: &WantedCertificate, held: &CertificateFacts, now: Timestamp) -> bool {
    has_served(wanted.renew_before, wanted.replace_serial.as_deref(), held, now)
}

/// Whether a certificate says what is wanted; how long it lasts is another question.
pub(crate) fn is_met_by(wanted: &WantedCertificate, held: &CertificateFacts) -> bool {
    held.names == wanted.names
        && held.addresses == wanted.addresses
        && held.common_name == wanted.common_name
        && held.issuer_key_id == wanted.issuer_key_id
        && (wanted.profile != Profile::Server || held.client_auth == wanted.gateway)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testing::leaf;

    #[test]
    fn a_server_is_issued_anew_when_the_gateway_comes_or_goes_and_no_other_leaf_is() {
        let met = |profile, gateway, client_auth| {
            let held = CertificateFacts { client_auth, ..leaf(7, Duration::from_secs(3600)) };
            let wanted = WantedCertificate {
                profile,
                names: Vec::new(),
                addresses: Vec::new(),
                common_name: String::new(),
                gateway,
                issuer_key_id: Vec::new(),
                renew_before: Duration::ZERO,
                replace_serial: None,
            };
            is_met_by(&wanted, &held)
        };
        assert!(met(Profile::Server, false, false) && met(Profile::Server, true, true));
        assert!(!met(Profile::Server, true, false) && !met(Profile::Server, false, true));
        assert!(met(Profile::Peer, false, true) && met(Profile::Client, false, true));
    }
}
