//! `pilaster-agent join`: trades a one-time token for an identity, then starts the agent
//! (docs/PROTOCOL.md, Join).
//!
//! In this order, so that a power cut anywhere can be answered by typing the same line again:
//! checks; a verified connection; the key on disk; the question; the checked answer on disk, whole;
//! the service started; the token gone. Until the connection is verified, nothing is written. Keeps
//! promises 1 and 3.

use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use pilaster_common::atomic_file;
use pilaster_common::endpoint::Endpoint;
use pilaster_common::error::{Help, Told, causes};
use pilaster_common::failpoint;
use pilaster_common::name::{NodeId, NodeName};
use pilaster_common::token::JoinToken;
use pilaster_proto::client::CallError;
use pilaster_proto::enrollment::JoinRequest;
use pilaster_proto::report::ServiceState;
use pilaster_proto::status;
use ring::rand::{SecureRandom, SystemRandom};
use tonic::Code;
use zeroize::Zeroizing;

use crate::console::{note, say};
use crate::exit::{Exit, Failure};
use crate::host::{Deed, Known, Service, ServiceVerb, hostname, node_name};
use crate::identity::{Asked, Folder, Identity, IdentityError, check_reply};
use crate::link::{Purpose, dial};
use crate::node::{Patience, Pins, answer, told};
use crate::preflight;
use crate::run::Parts;
use crate::settings::Settings;

/// How long an unreachable coordinator is tried unless told otherwise: a workstation that is just
/// being started.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(300);
/// Pauses while it cannot be reached.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));
/// The coordinator makes one durable commit.
const ANSWER_DEADLINE: Duration = Duration::from_secs(15);
const WHAT: &str = "this node cannot join";
const ANSWER: &str = "the coordinator's answer is refused";

/// What `pilaster-agent join` was asked.
#[derive(Debug)]
pub struct JoinOptions {
    /// Where the coordinator is.
    pub coordinator: Endpoint,
    /// How long an unreachable coordinator is tried.
    pub give_up_after: Duration,
    /// Whether the agent's service is started at the end.
    pub start: bool,
}

/// Where a token is read from: never an argument, which `ps` and the shell's history would show.
#[derive(Debug)]
pub enum TokenSource {
    /// One line of standard input.
    Stdin,
    /// A file, removed once it has served.
    File(PathBuf),
}

/// `pilaster-agent join`.
///
/// # Errors
/// When something stands in the way, the coordinator refuses, or it cannot be reached for as long
/// as `options` says. Typing the same line again is always right.
pub async fn join_command(
    settings: &Settings,
    from: &TokenSource,
    options: &JoinOptions,
) -> Result<(), Failure> {
    preflight::check_root()?;
    let token = read_token(from)?;
    let node = node_name(&hostname()).map_err(|error| Failure::new(WHAT, &error))?;
    let parts = Parts::of_this_host(node, settings);
    say(join(&parts, &token, options).await?);
    erase(from); // last: until here the same line can be typed again
    failpoint!("join.token-erased");
    Ok(())
}

/// Joins, and says how that went.
///
/// # Errors
/// As for [`join_command`].
pub async fn join(
    parts: &Parts,
    token: &JoinToken,
    options: &JoinOptions,
) -> Result<String, Failure> {
    let folder = Folder::of(&parts.state);
    match folder.current().map_err(|error| Failure::new(WHAT, &error))? {
        Some(identity) if identity.token_id != token.id => {
            Err(already(&identity, &parts.state).into())
        }
        // it may have been cut off then
        Some(identity) => start(parts, &identity, "joined before", options).await,
        None => {
            let known = parts.host.facts().await;
            let node = preflight::check_host(&known, &parts.host.look().await)?;
            let identity = enroll(parts, token, (node, known), options).await?;
            start(parts, &identity, "joined", options).await
        }
    }
}

fn read_token(source: &TokenSource) -> Result<JoinToken, Told> {
    const TOKEN_BYTES_MAX: u64 = 4096; // one has 105
    let mut text = Zeroizing::new(String::new());
    let read = match source {
        TokenSource::Stdin => io::stdin().lock().take(TOKEN_BYTES_MAX).read_line(&mut text),
        TokenSource::File(path) => std::fs::File::open(path)
            .and_then(|file| file.take(TOKEN_BYTES_MAX).read_to_string(&mut text)),
    };
    read.map_err(|error| {
        let cause = format!("cannot read the token from {}: {error}", name(source));
        told(WHAT, cause, "coordctl enroll NODE prints a token; give it by --token-file PATH, or - for standard input")
    })?;
    text.parse().map_err(|error| Told::new(WHAT, &error))
}

fn name(source: &TokenSource) -> String {
    match source {
        TokenSource::Stdin => "standard input".into(),
        TokenSource::File(path) => path.display().to_string(),
    }
}

fn already(identity: &Identity, state: &Path) -> Told {
    let NodeId { cluster, node } = &identity.node;
    let folder = state.join("identity");
    let help =
        format!("nothing needs to be done; to begin anew, move {} away first", folder.display());
    told(WHAT, format!("it has joined already, as {node} of {cluster}"), help)
}

/// Gets an identity with `token` and makes it the current one.
async fn enroll(
    parts: &Parts,
    token: &JoinToken,
    (node, known): (NodeName, Known),
    options: &JoinOptions,
) -> Result<Identity, Failure> {
    let clock = &*parts.clock;
    let began = clock.boot();
    let folder = Folder::of(&parts.state);
    let mut patience = Patience::<()>::new(BACKOFF);
    let identity = loop {
        let cause = match ask(parts, &options.coordinator, token, (&node, &known)).await {
            Ok(identity) => break identity,
            Err(Unanswered::Final(told)) => return Err(told.into()),
            Err(Unanswered::Passing(cause)) => cause,
        };
        let pause = patience.pause();
        if clock.elapsed(began) + pause >= options.give_up_after {
            return Err(gave_up(options, &cause));
        }
        note(format_args!(
            "cannot reach {}: {cause}; trying again in {:.1} s",
            options.coordinator,
            pause.as_secs_f64()
        ));
        clock.sleep(pause).await;
    };
    failpoint!("join.reply-checked");
    install(&folder, &identity).map_err(|error| Failure::new(WHAT, &error))?;
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
    parts: &Parts,
    endpoint: &Endpoint,
    token: &JoinToken,
    (node, known): (&NodeName, &Known),
) -> Result<Identity, Unanswered> {
    let pins = Pins::one(token.pin);
    let dialled = dial(&*parts.dial, endpoint, pins.clone(), Purpose::Join, &parts.clock).await;
    let connection = match dialled {
        Ok(connection) => connection,
        Err(error) if error.may_pass() => return Err(Unanswered::Passing(causes(&error))),
        Err(error) => return Err(in_the_way(&error)),
    };
    let key = Folder::of(&parts.state).pending_key().map_err(|error| in_the_way(&error))?;
    failpoint!("join.key-on-disk");
    let csr = key.to_csr().map_err(|error| in_the_way(&error))?;
    let nonce = nonce().map_err(Unanswered::Final)?;
    let request = JoinRequest {
        token_id: token.id,
        node: node.clone(),
        mac: token.proof_key().prove(&connection.exporter, &csr, node.as_ref()),
        csr,
        facts: known.facts.clone(),
        boot_id: known.boot_id.clone(),
        nonce,
    };
    let question = connection.coordinator.join(request);
    let reply = answer(ANSWER_DEADLINE, &*parts.clock, question).await;
    failpoint!("join.sent"); // the answer has come, or was lost: not looked at yet
    let reply = reply.map_err(unanswered)?;
    let asked = Asked { address: endpoint, node, token_id: token.id, pins: &pins, nonce };
    check_reply(&asked, key, reply, parts.clock.now())
        .map_err(|error| Unanswered::Final(Told::new(ANSWER, &error)))
}

fn in_the_way(error: &impl Help) -> Unanswered {
    Unanswered::Final(Told::new(WHAT, error))
}

fn nonce() -> Result<[u8; 16], Told> {
    let mut nonce = [0; 16];
    let drawn = SystemRandom::new().fill(&mut nonce);
    drawn.map_err(|_| told(WHAT, "the operating system gives no random bytes", ""))?;
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
    let JoinOptions { coordinator, give_up_after, .. } = options;
    let seconds = give_up_after.as_secs();
    let cause = format!("cannot reach the coordinator at {coordinator} for {seconds} s: {cause}");
    let help = "check that pilaster-coordinator runs there and that the address and port are right; the token stays good";
    Failure { told: told(WHAT, cause, help), exit: Exit::Unreachable }
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

/// Starts the agent at each boot and now. One that runs already without an identity finds it by
/// itself.
async fn start(
    parts: &Parts,
    identity: &Identity,
    joined: &str,
    options: &JoinOptions,
) -> Result<String, Failure> {
    let Identity { node: NodeId { cluster, node }, address, .. } = identity;
    let joined = format!("{node} {joined} {cluster} as {address}");
    let name = Service::Agent.name();
    if !options.start {
        return Ok(format!("{joined}; start the agent: rc-service {name} start"));
    }
    let agent = parts.host.look().await.agent;
    if agent.state == ServiceState::Absent {
        return Ok(format!("{joined}; there is no OpenRC service {name} here: run {name} run"));
    }
    let verbs = [
        (agent.state != ServiceState::Started, ServiceVerb::Start),
        (!agent.is_enabled, ServiceVerb::Enable),
    ];
    for (_, verb) in verbs.into_iter().filter(|(is_missing, _)| *is_missing) {
        let deed = Deed::Service { service: Service::Agent, verb };
        parts.host.perform(deed).await.map_err(|error| {
            Failure::new(&format!("{joined}, but the agent does not run"), &error)
        })?;
    }
    Ok(format!("{joined}; {name} is running"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeCoordinator, TestHost, TestNet, joining, parts};

    /// A node that is about to join, and a coordinator changed by the test.
    fn world(
        change: impl FnOnce(&mut FakeCoordinator),
    ) -> (Parts, JoinToken, FakeCoordinator, tempfile::TempDir) {
        let net = TestNet::default();
        let (token, coordinator, _reports) = joining(&net, change);
        let place = tempfile::tempdir().expect("folder");
        let parts = parts(&net, &TestHost::default(), place.path());
        (parts, token, coordinator, place)
    }

    fn options(coordinator: &Endpoint) -> JoinOptions {
        JoinOptions {
            coordinator: coordinator.clone(),
            give_up_after: Duration::from_secs(20),
            start: false,
        }
    }

    async fn joined(
        change: impl FnOnce(&mut FakeCoordinator),
    ) -> (Result<String, Failure>, FakeCoordinator, Option<Identity>) {
        let (parts, token, coordinator, _place) = world(change);
        let said = join(&parts, &token, &options(&coordinator.address)).await;
        (said, coordinator, Folder::of(&parts.state).current().expect("reads"))
    }

    #[tokio::test(start_paused = true)]
    async fn a_join_brings_an_identity() {
        let (said, coordinator, identity) = joined(|_| {}).await;
        let said = said.expect("joins");
        assert!(said.starts_with("m-1 joined x-k3s as 192.168.7.11; start the agent"), "{said}");
        let identity = identity.expect("is there");
        assert_eq!(identity.endpoints, [coordinator.address]);
        assert_eq!(
            coordinator.joins.lock().expect("no panic")[0],
            identity.pair.key().public_key()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_agent_is_started_and_the_same_line_may_be_typed_again() {
        let (parts, token, coordinator, _place) = world(|_| {});
        let options = JoinOptions { start: true, ..options(&coordinator.address) };
        let said = join(&parts, &token, &options).await.expect("joins");
        assert!(said.ends_with("pilaster-agent is running"), "{said}");
        let said = join(&parts, &token, &options).await.expect("again");
        assert!(said.starts_with("m-1 joined before x-k3s"), "{said}");
        assert_eq!(coordinator.joins.lock().expect("no panic").len(), 1);
        let other = JoinToken::generate(token.pin).expect("random bytes");
        let failure = join(&parts, &other, &options).await.expect_err("another token");
        assert!(failure.told.cause.contains("has joined already"), "{}", failure.told);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_answer_is_asked_for_again_with_the_same_key() {
        let (said, coordinator, identity) = joined(|c| c.lost = 2).await;
        said.expect("joins");
        let key = identity.expect("is there").pair.key().public_key();
        assert_eq!(*coordinator.joins.lock().expect("no panic"), [key.clone(), key.clone(), key]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_final_and_told_with_its_help() {
        let refusal = ("the token was used already".to_owned(), "coordctl enroll m-1".to_owned());
        let (said, _, identity) = joined(|c| c.refusal = Some(refusal)).await;
        let failure = said.expect_err("refused");
        assert_eq!(failure.exit, Exit::Failed);
        assert_eq!(failure.told.cause, "the coordinator refuses: the token was used already");
        assert_eq!(failure.told.help, "coordctl enroll m-1");
        assert!(identity.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_coordinator_that_is_not_there_is_given_up_after_a_while() {
        let (parts, token, _, _place) = world(|_| {});
        let nobody = "192.168.7.9:7443".parse().expect("good");
        let failure = join(&parts, &token, &options(&nobody)).await.expect_err("nobody there");
        assert_eq!(failure.exit, Exit::Unreachable);
        assert!(failure.told.cause.contains("192.168.7.9:7443"), "{}", failure.told);
    }
}
