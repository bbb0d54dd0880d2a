//! Has new keys certified, and holds each answer against what was wanted before anything is written.
//!
//! The host makes the keys and keeps them: here are only the requests, and the chains that come for them
//! (promise 1). Chain and key go into one file (promise 7), once all chains have passed.

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

use super::due::is_met_by;
use crate::host::{Deed, DeedError, Done, Host};
use crate::node::{BadChain, check_chain};

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
    #[error("the coordinator did not sign within {} s", .0.as_secs())]
    Deadline(Duration),
    #[error("the coordinator did not sign: {0}")]
    Call(#[from] CallError),
    #[error(transparent)]
    Message(#[from] BadMessage),
    #[error("the {profile} certificate that came is refused: {why}")]
    Answer { profile: Profile, why: String },
}

impl Help for IssueError {
    fn help(&self) -> Option<String> {
        if let Self::NoLink | Self::Deadline(_) = self {
            return Some("it is tried again by itself; is pilaster-coordinator running?".into());
        }
        let of_status = match self {
            Self::Call(CallError::Status(status)) => status::told("", status).help,
            _ => String::new(),
        };
        let of_status = Some(of_status).filter(|help| !help.is_empty());
        of_status.or_else(|| Some("the log of pilaster-coordinator tells more".into()))
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
        Done::Requests(csrs) => csrs,
        Done::Done => Vec::new(),
    };
    let asked = coordinator.issue(IssueRequest { generation, csrs: csrs.clone() });
    let reply = clock.within(ISSUE_DEADLINE, asked).await;
    let reply = reply.ok_or(IssueError::Deadline(ISSUE_DEADLINE))??;
    let chains = reply.for_profiles(&profiles)?;
    for ((want, (_, csr)), chain) in wanted.iter().zip(&csrs).zip(&chains) {
        check(want, csr, chain, ca, clock.now())
            .map_err(|why| IssueError::Answer { profile: want.profile, why: causes(&why) })?;
    }
    Ok(profiles.into_iter().zip(chains).collect())
}

/// The key is the one of the request, the chain holds for the usages of the profile and no other, and
/// the leaf says what was wanted.
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
