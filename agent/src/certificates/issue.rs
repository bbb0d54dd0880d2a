//! Makes keys, has them certified, and holds each answer against what was wanted before anything is written.
//!
//! A key lives in memory until its certificate is there; then chain and key go into one file (promise 7). No message has a field
//! for it (promise 1).

use std::time::Duration;

use pilaster_common::certificate::{self, BadCertificate};
use pilaster_common::clock::Timestamp;
use pilaster_common::error::Help;
use pilaster_common::pem::{BadPair, Pair};
use pilaster_common::profile::Profile;
use pilaster_common::secret::{KeyError, PrivateKey};
use pilaster_proto::BadMessage;
use pilaster_proto::client::{CallError, Coordinator};
use pilaster_proto::desired::WantedCertificate;
use pilaster_proto::enrollment::IssueRequest;
use pilaster_proto::{status, tls};
use rustls_pki_types::CertificateDer;
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::due::is_met_by;
use crate::config::ISSUE_DEADLINE;
use crate::trust::{BadChain, check_chain};

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
    Key(#[from] KeyError),
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
    #[error(transparent)]
    Pair(#[from] BadPair),
    #[error(transparent)]
    Certificate(#[from] BadCertificate),
    #[error(transparent)]
    Anchors(#[from] rustls::Error),
    #[error(transparent)]
    Chain(#[from] BadChain),
    #[error("it says something else than the desired state wants")]
    Names,
}

/// New keys and certificates for all of `wanted`, ready to be put in place.
pub(crate) async fn issue(
    coordinator: Option<Coordinator>,
    generation: u64,
    wanted: &[WantedCertificate],
    ca: &Ca,
    now: Timestamp,
) -> Result<Vec<(Profile, Zeroizing<String>)>, IssueError> {
    let coordinator = coordinator.ok_or(IssueError::NoLink)?;
    let mut keys = Vec::new();
    let mut csrs = Vec::new();
    for want in wanted {
        let key = PrivateKey::generate()?;
        csrs.push((want.profile, key.to_csr()?));
        keys.push(key);
    }
    let asked: Vec<Profile> = wanted.iter().map(|want| want.profile).collect();
    let reply = timeout(ISSUE_DEADLINE, coordinator.issue(IssueRequest { generation, csrs }))
        .await
        .map_err(|_| IssueError::Deadline(ISSUE_DEADLINE))??;
    let chains = reply.for_profiles(&asked)?;
    wanted
        .iter()
        .zip(keys)
        .zip(chains)
        .map(|((want, key), chain)| {
            let pair = checked(want, key, chain, ca, now).map_err(|error| IssueError::Answer {
                profile: want.profile,
                why: pilaster_common::error::causes(&error),
            })?;
            Ok((want.profile, pair.to_pem()))
        })
        .collect()
}

/// The key matches, the chain holds for the usages of the profile and no other, and the leaf says what was wanted.
fn checked(
    want: &WantedCertificate,
    key: PrivateKey,
    chain: Vec<CertificateDer<'static>>,
    ca: &Ca,
    now: Timestamp,
) -> Result<Pair, BadAnswer> {
    let pair = Pair::new(chain, key)?;
    check_chain(want.profile, pair.chain(), &tls::anchors(ca.of(want.profile))?, now)?;
    if !is_met_by(want, &certificate::read(pair.leaf())?) {
        return Err(BadAnswer::Names);
    }
    Ok(pair)
}
