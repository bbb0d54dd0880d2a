//! Has new keys certified, and holds each answer against what was wanted before anything is
//! written.
//!
//! The host makes the keys and keeps them: here are only the requests, and the chains that come for
//! them (promise 1). Chain and key go into one file (promise 7), once all chains have passed.

use std::time::Duration;

use pilaster_common::certificate::{self, BadCertificate};
use pilaster_common::clock::{Clock, Timestamp};
use pilaster_common::error::{Help, causes};
use pilaster_common::profile::Profile;
use pilaster_proto::BadMessage;
use pilaster_proto::client::{CallError, Coordinator};
use pilaster_proto::desired::WantedCertificate;
use pilaster_proto::enrollment::IssueRequest;
use pilaster_proto::{status, tls};
use rustls_pki_types::CertificateDer;
use tonic::Code;

use super::due::is_met_by;
use crate::host::{Deed, DeedError, Done, Host};
use crate::node::{BadChain, answer, check_chain};

/// Three signatures and one durable commit.
const ISSUE_DEADLINE: Duration = Duration::from_secs(15);

/// The CAs that must have signed: those of the same desired state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ca {
    pub(crate) client: Vec<CertificateDer<'static>>,
    pub(crate) peer: Vec<CertificateDer<'static>>,
}

impl Ca {
    fn of(&self, profile: Profile) -> &[CertificateDer<'static>] {
        match profile {
            Profile::Peer => &self.peer,
            Profile::Server | Profile::Client | Profile::Agent => &self.client,
        }
    }
}

/// Why there are no new certificates.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IssueError {
    #[error("there is no connection to the coordinator, which has to sign certificates")]
    NoLink,
    #[error(transparent)]
    Keys(#[from] DeedError),
    #[error("the host made other keys than were asked for")]
    NoKeys,
    #[error("the coordinator did not sign: {0}")]
    Call(#[from] CallError),
    #[error(transparent)]
    Message(#[from] BadMessage),
    #[error("the {profile} certificate that came is refused: {why}")]
    Answer { profile: Profile, why: String },
}

impl Help for IssueError {
    fn help(&self) -> Option<String> {
        const AGAIN: &str = "it is tried again by itself; is pilaster-coordinator running?";
        let help = match self {
            Self::NoLink => AGAIN.into(),
            Self::Call(CallError::Status(status)) => match status.code() {
                Code::DeadlineExceeded | Code::Unavailable => AGAIN.into(),
                _ => status::told("", status).help,
            },
            _ => String::new(),
        };
        let help = Some(help).filter(|help| !help.is_empty());
        help.or_else(|| Some("the log of pilaster-coordinator tells more".into()))
    }
}

/// Why an answer is refused.
#[derive(Debug, thiserror::Error)]
enum BadAnswer {
    #[error("the key is not the one of the certificate")]
    Key,
    #[error(transparent)]
    Certificate(#[from] BadCertificate),
    #[error(transparent)]
    Anchors(#[from] rustls::Error),
    #[error(transparent)]
    Chain(#[from] BadChain),
    #[error("it says something else than the desired state wants")]
    Names,
}

/// Returns a chain for a new key of each of `wanted`, ready to be installed.
pub(crate) async fn issue(
    host: &dyn Host,
    coordinator: Option<Coordinator>,
    generation: u64,
    wanted: &[WantedCertificate],
    ca: &Ca,
    clock: &dyn Clock,
) -> Result<Vec<(Profile, Vec<CertificateDer<'static>>)>, IssueError> {
    let coordinator = coordinator.ok_or(IssueError::NoLink)?;
    let profiles: Vec<Profile> = wanted.iter().map(|want| want.profile).collect();
    let csrs = match host.perform(Deed::MakeKeys { profiles: profiles.clone() }).await? {
        Done::Requests(csrs) if csrs.iter().map(|(profile, _)| profile).eq(&profiles) => csrs,
        _ => return Err(IssueError::NoKeys), // else a chain would pass without its request
    };
    let asked = coordinator.issue(IssueRequest { generation, csrs: csrs.clone() });
    let reply = answer(ISSUE_DEADLINE, clock, asked).await?;
    let chains = reply.for_profiles(&profiles)?;
    for ((want, (_, csr)), chain) in wanted.iter().zip(&csrs).zip(&chains) {
        check(want, csr, chain, ca, clock.now())
            .map_err(|why| IssueError::Answer { profile: want.profile, why: causes(&why) })?;
    }
    Ok(profiles.into_iter().zip(chains).collect())
}

/// The key is the one of the request, the chain holds for the usages of the profile and no other,
/// and the leaf says what was wanted.
fn check(
    want: &WantedCertificate,
    csr: &[u8],
    chain: &[CertificateDer<'static>],
    ca: &Ca,
    now: Timestamp,
) -> Result<(), BadAnswer> {
    let leaf = certificate::read(chain.first().ok_or(BadChain::Empty)?)?;
    if leaf.public_key != certificate::read_request(csr)? {
        return Err(BadAnswer::Key);
    }
    check_chain(want.profile, chain, &tls::anchors(ca.of(want.profile))?, now)?;
    if is_met_by(want, &leaf) { Ok(()) } else { Err(BadAnswer::Names) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pilaster_common::secret::PrivateKey;

    use super::*;
    use crate::testing::{Says, TestCa, now};

    #[test]
    fn promise_02_a_chain_is_taken_only_for_the_key_and_the_names_that_were_asked_for() {
        let (ca, other) = (TestCa::new("client"), TestCa::new("peer"));
        let trusted = Ca { client: vec![ca.root.clone()], peer: vec![other.root.clone()] };
        let want = WantedCertificate {
            profile: Profile::Server,
            names: vec!["m-1.example.net".into()],
            addresses: Vec::new(),
            common_name: "m-1".into(),
            gateway: false,
            issuer_key_id: certificate::read(&ca.root).expect("own").key_id,
            renew_before: Duration::ZERO,
            replace_serial: None,
        };
        let key = PrivateKey::generate().expect("random bytes");
        let csr = key.to_csr().expect("signs");
        let answer = |signer: &TestCa, key: &PrivateKey, names: &[&str]| {
            let says = Says { common_name: "m-1", names, ..Says::default() };
            let leaf = signer.sign(Profile::Server, &key.public_key(), &says);
            let answer = check(&want, &csr, &[leaf], &trusted, now());
            answer.err().map(|error| causes(&error)).unwrap_or_default()
        };
        assert_eq!(answer(&ca, &key, &["m-1.example.net"]), "");
        let stranger = PrivateKey::generate().expect("random bytes");
        assert!(answer(&ca, &stranger, &["m-1.example.net"]).contains("not the one of the"));
        assert!(answer(&other, &key, &["m-1.example.net"]).contains("does not hold"));
        assert!(answer(&ca, &key, &["m-2.example.net"]).contains("something else"));
        let empty = check(&want, &csr, &[], &trusted, now()).expect_err("nothing came");
        assert!(empty.to_string().contains("empty"));
    }
}
