//! Whether a certificate chain holds in given roots, and for which usages.
//!
//! Called by `identity::reply` and `certificates::issue` for what the coordinator has signed.
//! webpki does the work; this only asks it in one way everywhere.

use std::sync::Arc;

use pilaster_common::clock::Timestamp;
use pilaster_common::profile::Profile;
use pilaster_proto::tls::{provider, unix_time};
use rustls::RootCertStore;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::server::{ParsedCertificate, WebPkiClientVerifier};
use rustls_pki_types::CertificateDer;

/// Why a chain is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadChain {
    #[error("the CA is no usable certificate")]
    Anchor(#[from] rustls::Error),
    #[error("the chain is empty")]
    Empty,
    #[error("the chain does not hold for {usage} authentication")]
    Refused { usage: &'static str, source: rustls::Error },
    #[error("a {profile} certificate must not hold for {usage} authentication")]
    Unwanted { profile: Profile, usage: &'static str },
    #[error("no verifier for these roots")]
    Verifier(#[source] rustls::server::VerifierBuilderError),
}

/// Checks that `chain` holds in `roots` for the usages of `profile`, and for no other.
pub(crate) fn check_chain(
    profile: Profile,
    chain: &[CertificateDer<'static>],
    roots: &Arc<RootCertStore>,
    now: Timestamp,
) -> Result<(), BadChain> {
    let usages = profile.usages();
    for (usage, wanted, result) in [
        ("server", usages.server_auth, holds_for_server(chain, roots, now)),
        ("client", usages.client_auth, holds_for_client(chain, roots, now)),
    ] {
        match result {
            Err(BadChain::Refused { .. }) if !wanted => {}
            Ok(()) if !wanted => return Err(BadChain::Unwanted { profile, usage }),
            result => result?,
        }
    }
    Ok(())
}

fn holds_for_server(
    chain: &[CertificateDer<'static>],
    roots: &RootCertStore,
    now: Timestamp,
) -> Result<(), BadChain> {
    let refused = |source| BadChain::Refused { usage: "server", source };
    let (leaf, rest) = chain.split_first().ok_or(BadChain::Empty)?;
    let leaf = ParsedCertificate::try_from(leaf).map_err(refused)?;
    let algorithms = provider().signature_verification_algorithms.all;
    verify_server_cert_signed_by_trust_anchor(&leaf, roots, rest, unix_time(now), algorithms)
        .map_err(refused)
}

fn holds_for_client(
    chain: &[CertificateDer<'static>],
    roots: &Arc<RootCertStore>,
    now: Timestamp,
) -> Result<(), BadChain> {
    let (leaf, rest) = chain.split_first().ok_or(BadChain::Empty)?;
    WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), provider())
        .build()
        .map_err(BadChain::Verifier)?
        .verify_client_cert(leaf, rest, unix_time(now))
        .map(|_| ())
        .map_err(|source| BadChain::Refused { usage: "client", source })
}

#[cfg(test)]
mod tests {
    use pilaster_proto::tls::anchors;

    use std::time::Duration;

    use super::*;
    use crate::testing::{Says, TestCa, now};

    #[track_caller]
    fn check(
        ca: &TestCa,
        roots: &TestCa,
        made_as: Profile,
        taken_as: Profile,
        at: Timestamp,
    ) -> String {
        let pair = ca.leaf(made_as, &Says { names: &["a.example.net"], ..Says::default() });
        let roots = anchors([&roots.root]).expect("a CA");
        match check_chain(taken_as, pair.chain(), &roots, at) {
            Ok(()) => "holds".into(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_chain_holds_for_exactly_the_usages_of_its_profile() {
        let (ca, other) = (TestCa::new("one"), TestCa::new("other"));
        for profile in [Profile::Agent, Profile::Server, Profile::Peer, Profile::Client] {
            assert_eq!(check(&ca, &ca, profile, profile, now()), "holds");
            assert!(check(&ca, &other, profile, profile, now()).contains("does not hold"));
        }
        let late = now().plus(Duration::from_secs(30 * 86_400));
        assert!(check(&ca, &ca, Profile::Server, Profile::Server, late).contains("does not hold"));
        assert!(check(&ca, &ca, Profile::Client, Profile::Server, now()).contains("server"));
        assert!(
            check(&ca, &ca, Profile::Peer, Profile::Server, now())
                .contains("must not hold for client")
        );
        assert!(
            check(&ca, &ca, Profile::Peer, Profile::Client, now())
                .contains("must not hold for server")
        );
    }
}
