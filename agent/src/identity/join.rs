//! `pilaster-agent join`: trades a one-time token for an identity, then starts the agent (docs/PROTOCOL.md, Join).
//!
//! In this order, so that a power cut anywhere can be answered by typing the same line again: checks; a verified connection; the key on
//! disk; the question; the checked answer on disk, whole; the service started; the token gone. Until the connection is verified, nothing
//! is written. Keeps promises 1 and 3.

use std::io::{self, BufRead, Read};
use std::path::Path;
use std::time::Instant;

use pilaster_common::atomic_file;
use pilaster_common::clock::{Clock, SystemClock};
use pilaster_common::endpoint::Endpoint;
use pilaster_common::error::{Told, causes, code};
use pilaster_common::failpoint;
use pilaster_common::name::NodeId;
use pilaster_common::token::JoinToken;
use pilaster_proto::client::CallError;
use pilaster_proto::enrollment::JoinRequest;
use pilaster_proto::report::ServiceState;
use pilaster_proto::status;
use ring::rand::{SecureRandom, SystemRandom};
use tokio::time::timeout;
use tonic::Code;
use zeroize::Zeroizing;

use super::files::{Folder, Identity, IdentityError};
use super::preflight::{self, Ready};
use super::reply::{self, Asked};
use crate::config::{
    AGENT_SERVICE, JOIN_BACKOFF, JOIN_DEADLINE, JoinOptions, Settings, TokenSource, identity_folder,
};
use crate::console::{note, say};
use crate::exit::{Exit, Failure};
use crate::facts;
use crate::link::{Backoff, Pins, Purpose, dial};
use crate::service::{ServiceVerb, Services};

const WHAT: &str = "this node cannot join";
const ANSWER: &str = "the coordinator's answer is refused";

/// Joins.
///
/// # Errors
/// When something stands in the way, the coordinator refuses, or it cannot be reached for as long as `options` says. Typing the
/// same line again is always right.
pub async fn join(settings: &Settings, options: JoinOptions) -> Result<(), Failure> {
    preflight::check_root()?;
    let token = read_token(&options.token)?;
    let folder = Folder::at(identity_folder());
    let joined = folder.current().map_err(|error| Failure::new(WHAT, &error))?;
    match joined {
        Some(identity) if identity.token_id != token.id => return Err(already(&identity).into()),
        Some(identity) => start(&identity, "joined before", &options).await?, // it may have been cut off then
        None => {
            let ready = preflight::check_host(&settings.interface).await?;
            let identity = enroll(&folder, &token, ready, &options).await?;
            start(&identity, "joined", &options).await?;
        }
    }
    erase(&options.token); // last: until here the same line can be typed again
    failpoint!("join.token-erased");
    Ok(())
}

fn read_token(source: &TokenSource) -> Result<JoinToken, Told> {
    const TOKEN_BYTES_MAX: u64 = 4096; // one has 105
    let mut text = Zeroizing::new(String::new());
    let read = match source {
        TokenSource::Stdin => io::stdin().lock().take(TOKEN_BYTES_MAX).read_line(&mut text),
        TokenSource::File(path) => std::fs::File::open(path)
            .and_then(|file| file.take(TOKEN_BYTES_MAX).read_to_string(&mut text)),
    };
    read.map_err(|error| Told {
        code: code::OTHER,
        what: WHAT.into(),
        cause: format!("cannot read the token from {}: {error}", name(source)),
        help: "coordctl enroll NODE prints a token; give it by --token-file PATH, or - for standard input".into(),
    })?;
    text.parse().map_err(|error| Told::new(WHAT, &error))
}

fn name(source: &TokenSource) -> String {
    match source {
        TokenSource::Stdin => "standard input".into(),
        TokenSource::File(path) => path.display().to_string(),
    }
}

fn already(identity: &Identity) -> Told {
    let NodeId { cluster, node } = &identity.node;
    Told {
        code: code::OTHER,
        what: WHAT.into(),
        cause: format!("it has joined already, as {node} of {cluster}"),
        help: format!(
            "nothing needs to be done; to begin anew, move {} away first",
            identity_folder().display()
        ),
    }
}

/// Gets an identity with `token` and makes it the current one.
async fn enroll(
    folder: &Folder,
    token: &JoinToken,
    ready: Ready,
    options: &JoinOptions,
) -> Result<Identity, Failure> {
    let began = Instant::now();
    let mut backoff = Backoff::new(JOIN_BACKOFF);
    let identity = loop {
        let cause = match ask(folder, &options.coordinator, token, &ready).await {
            Ok(identity) => break identity,
            Err(Unanswered::Final(told)) => return Err(told.into()),
            Err(Unanswered::Passing(cause)) => cause,
        };
        let pause = backoff.pause();
        if began.elapsed() + pause >= options.give_up_after {
            return Err(gave_up(options, &cause));
        }
        note(format_args!(
            "cannot reach {}: {cause}; trying again in {:.1} s",
            options.coordinator,
            pause.as_secs_f64()
        ));
        tokio::time::sleep(pause).await;
    };
    failpoint!("join.reply-checked");
    install(folder, &identity).map_err(|error| Failure::new(WHAT, &error))?;
    Ok(identity)
}

fn install(folder: &Folder, identity: &Identity) -> Result<(), IdentityError> {
    folder.write(identity)?;
    failpoint!("join.identity-written");
    folder.make_current(identity.generation)?;
    failpoint!("join.identity-swapped");
    folder.forget_pending_key()
}

/// Why there is no answer.
enum Unanswered {
    /// The same question may be answered later.
    Passing(String),
    /// It will not be.
    Final(Told),
}

/// Asks once: one verified connection, one question, one checked answer.
async fn ask(
    folder: &Folder,
    address: &Endpoint,
    token: &JoinToken,
    ready: &Ready,
) -> Result<Identity, Unanswered> {
    let pins = Pins::one(token.pin);
    let connection =
        dial(address.as_ref(), pins.clone(), Purpose::Join).await.map_err(|error| {
            if error.may_pass() {
                Unanswered::Passing(causes(&error))
            } else {
                Unanswered::Final(Told::new(WHAT, &error))
            }
        })?;
    let key = folder.pending_key().map_err(|error| Unanswered::Final(Told::new(WHAT, &error)))?;
    failpoint!("join.key-on-disk");
    let csr = key.to_csr().map_err(|error| Unanswered::Final(Told::new(WHAT, &error)))?;
    let nonce = nonce().map_err(Unanswered::Final)?;
    let request = JoinRequest {
        token_id: token.id,
        node: ready.node.clone(),
        mac: token.proof_key().prove(&connection.exporter, &csr, ready.node.as_ref()),
        csr,
        facts: ready.facts.clone(),
        boot_id: facts::boot_id(),
        nonce,
    };
    let reply = timeout(JOIN_DEADLINE, connection.coordinator.join(request)).await;
    failpoint!("join.sent"); // the answer has come, or was lost: not looked at yet
    let reply = reply
        .map_err(|_| {
            Unanswered::Passing(format!("no answer within {} s", JOIN_DEADLINE.as_secs()))
        })?
        .map_err(unanswered)?;
    let asked = Asked { address, node: &ready.node, token_id: token.id, pins: &pins, nonce };
    reply::check(&asked, key, reply, SystemClock.now())
        .map_err(|error| Unanswered::Final(Told::new(ANSWER, &error)))
}

fn nonce() -> Result<[u8; 16], Told> {
    let mut nonce = [0; 16];
    SystemRandom::new().fill(&mut nonce).map_err(|_| Told {
        code: code::OTHER,
        what: WHAT.into(),
        cause: "the operating system gives no random bytes".into(),
        help: String::new(),
    })?;
    Ok(nonce)
}

/// What the coordinator says about the question is final; what breaks on the way is not.
fn unanswered(error: CallError) -> Unanswered {
    let status = match error {
        CallError::Status(status) => status,
        CallError::Message(error) => return Unanswered::Final(Told::new(ANSWER, &error)),
    };
    let passing = [
        Code::Unavailable,
        Code::DeadlineExceeded,
        Code::Internal,
        Code::Unknown,
        Code::Cancelled,
        Code::ResourceExhausted,
    ];
    if passing.contains(&status.code()) {
        return Unanswered::Passing(status::reason(&status));
    }
    let cause = format!("the coordinator refuses: {}", status.message());
    Unanswered::Final(Told { cause, ..status::told(WHAT, &status) })
}

fn gave_up(options: &JoinOptions, cause: &str) -> Failure {
    let told = Told {
        code: code::OTHER,
        what: WHAT.into(),
        cause: format!(
            "cannot reach the coordinator at {} for {} s: {cause}",
            options.coordinator,
            options.give_up_after.as_secs()
        ),
        help: "check that pilaster-coordinator runs there and that the address and port are right; the token stays good".into(),
    };
    Failure { told, exit: Exit::Unreachable }
}

/// A token that has served opens nothing more; its file is removed all the same.
fn erase(source: &TokenSource) {
    let TokenSource::File(path) = source else { return };
    if !is_plain_file(path) {
        return;
    }
    if let Err(error) = atomic_file::remove(path) {
        note(format_args!("the token's file stays: {}", causes(&error)));
    }
}

fn is_plain_file(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_file())
}

/// Starts the agent at each boot and now. One that runs already without an identity finds it within the 5 s of its respawn.
async fn start(identity: &Identity, joined: &str, options: &JoinOptions) -> Result<(), Failure> {
    let Identity { node: NodeId { cluster, node }, address, .. } = identity;
    let joined = format!("{node} {joined} {cluster} as {address}");
    if !options.start {
        say(format_args!("{joined}; start the agent: rc-service {AGENT_SERVICE} start"));
        return Ok(());
    }
    let services = Services::detect().filter(|s| s.state(AGENT_SERVICE) != ServiceState::Absent);
    let Some(services) = services else {
        say(format_args!(
            "{joined}; there is no OpenRC service {AGENT_SERVICE} here: run {AGENT_SERVICE} run"
        ));
        return Ok(());
    };
    let mut verbs = Vec::new();
    if services.state(AGENT_SERVICE) != ServiceState::Started {
        verbs.push(ServiceVerb::Start);
    }
    if !services.is_enabled(AGENT_SERVICE) {
        verbs.push(ServiceVerb::Enable);
    }
    for verb in verbs {
        services.act(verb, AGENT_SERVICE).await.map_err(|error| {
            Failure::new(&format!("{joined}, but the agent does not run"), &error)
        })?;
    }
    say(format_args!("{joined}; {AGENT_SERVICE} is running"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use pilaster_proto::facts::Facts;

    use crate::config::JoinOptions;
    use crate::testing::{FakeCoordinator, joining};

    fn ready() -> Ready {
        Ready { node: "m-1".parse().expect("good"), facts: Facts::default() }
    }

    /// Enrolls with a coordinator changed by the test; also gives the coordinator and the folder.
    async fn enrolled(
        change: impl FnOnce(&mut FakeCoordinator),
    ) -> (Result<Identity, Failure>, FakeCoordinator, Folder, tempfile::TempDir) {
        let (token, coordinator, _reports, listener) = joining(change);
        tokio::spawn(coordinator.clone().serve(listener));
        let place = tempfile::tempdir().expect("folder");
        let folder = Folder::at(place.path().join("identity"));
        let identity =
            enroll(&folder, &token, ready(), &options(coordinator.address.as_ref())).await;
        (identity, coordinator, folder, place)
    }

    fn options(address: &str) -> JoinOptions {
        JoinOptions {
            coordinator: address.parse().expect("good"),
            token: TokenSource::Stdin,
            give_up_after: Duration::from_secs(2),
            start: false,
        }
    }

    #[tokio::test]
    async fn a_join_brings_an_identity() {
        let (identity, coordinator, folder, _place) = enrolled(|_| {}).await;
        let identity = identity.expect("joins");
        assert_eq!(identity.endpoints, [coordinator.address]);
        let current = folder.current().expect("reads").expect("is there");
        assert_eq!(current.pair.leaf(), identity.pair.leaf());
        assert_eq!(coordinator.joins.lock().expect("no panic")[0], current.pair.key().public_key());
    }

    #[tokio::test]
    async fn a_lost_answer_is_asked_for_again_with_the_same_key() {
        let (identity, coordinator, _folder, _place) = enrolled(|c| c.lost = 2).await;
        let key = identity.expect("joins").pair.key().public_key();
        assert_eq!(*coordinator.joins.lock().expect("no panic"), [key.clone(), key.clone(), key]);
    }

    #[tokio::test]
    async fn a_refusal_is_final_and_told_with_its_help() {
        let refusal = ("the token was used already".to_owned(), "coordctl enroll m-1".to_owned());
        let (identity, _, folder, _place) = enrolled(|c| c.refusal = Some(refusal)).await;
        let failure = identity.expect_err("refused");
        assert_eq!(failure.exit, Exit::Failed);
        assert_eq!(failure.told.cause, "the coordinator refuses: the token was used already");
        assert_eq!(failure.told.help, "coordctl enroll m-1");
        assert!(folder.current().expect("reads").is_none());
    }

    #[tokio::test]
    async fn a_coordinator_that_is_not_there_is_given_up_after_a_while() {
        let token = JoinToken::generate([1; 32]).expect("random bytes");
        let place = tempfile::tempdir().expect("folder");
        let folder = Folder::at(place.path().join("identity"));
        let mut options = options("127.0.0.1:1");
        options.give_up_after = Duration::from_millis(300);
        let failure = enroll(&folder, &token, ready(), &options).await.expect_err("nobody there");
        assert_eq!(failure.exit, Exit::Unreachable);
        assert!(failure.told.cause.contains("127.0.0.1:1"), "{}", failure.told);
    }
}
