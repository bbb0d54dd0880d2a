//! Finds the command that was called, and does it.
//!
//! A [`Question`] changes nothing. An [`Act`] is written to the audit log by its type, not by
//! memory: that it was asked for is on the disk before it is done, and what came of it before it is
//! answered. It runs in a task of its own, so that a caller who goes leaves nothing between the
//! two; where another writer was faster it is done again from a fresh read.

use std::fmt;
use std::sync::Arc;

use pilaster_common::error::{Help, Told};
use pilaster_proto::admin::v1 as pb;
use pilaster_proto::admin::v1::admin_server::Admin;
use pilaster_proto::status::to_status;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status};

use super::show::{Show, watch};
use super::socket::peer;
use super::{Apply, Approve, Deny, Enroll, IssueClient, PlanSpec, Rotate};
use crate::audit::Entry;
use crate::coordinator::Coordinator;
use crate::show;

/// Tries of an act that lost a race: each has a fresh look.
const TRIES: usize = 8;

/// What a person can have done: what it takes, and what it answers.
pub trait Command: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// As it travels; of an act also its verb in the audit log.
    const NAME: &'static str;
    /// What comes back.
    type Answer: Serialize + DeserializeOwned + Send;
}

/// A command that changes nothing.
pub(super) trait Question: Command {
    fn answer(
        self,
        coordinator: &Coordinator,
    ) -> impl Future<Output = Result<Self::Answer, Refused>> + Send;
}

/// A command that changes something.
pub(super) trait Act: Command {
    /// What it is done to: the audit log's `what`.
    type Target: fmt::Display + Send + Sync;

    /// Finds what it is to be done to. Changes nothing.
    fn target(
        &self,
        coordinator: &Coordinator,
    ) -> impl Future<Output = Result<Self::Target, Refused>> + Send;

    /// Does it, all or nothing.
    fn act(
        &self,
        target: &Self::Target,
        coordinator: &Coordinator,
    ) -> impl Future<Output = Result<Done<Self::Answer>, Refused>> + Send;
}

/// An act that was done: how what it was done to was and is, in the audit log's words, and the
/// answer.
pub(super) struct Done<T> {
    pub(super) before: String,
    pub(super) after: String,
    pub(super) answer: T,
}

/// Why a command was not done; nothing of it was.
#[derive(Debug)]
pub(super) struct Refused {
    code: Code,
    told: Told,
}

impl Refused {
    pub(super) fn new(code: Code, error: &impl Help) -> Self {
        Self { code, told: Told::new("", error) }
    }

    /// Something that was named is not there, or not so.
    pub(super) fn missing(cause: impl Into<String>, help: impl Into<String>) -> Self {
        let (cause, help) = (cause.into(), help.into());
        Self { code: Code::NotFound, told: Told { cause, help, ..Told::default() } }
    }

    /// The operating system has no random bytes to give.
    pub(super) fn no_random() -> Self {
        let cause = "the operating system has no random bytes to give".into();
        Self { code: Code::Internal, told: Told { cause, ..Told::default() } }
    }

    /// The coordinator's own parts failed, or another writer was faster.
    pub(super) fn failed(error: &impl Help, lost_race: bool) -> Self {
        Self::new(if lost_race { Code::Aborted } else { Code::Internal }, error)
    }
}

macro_rules! failures {
    ($($Error:path => $lost_race:expr;)*) => {
        $(impl From<$Error> for Refused {
            fn from(error: $Error) -> Self {
                let lost_race: fn(&$Error) -> bool = $lost_race;
                let lost = lost_race(&error);
                Self::failed(&error, lost)
            }
        })*
    };
}

failures! {
    crate::store::StoreError => crate::store::StoreError::is_conflict;
    crate::ca::vault::VaultError => |_| false;
    crate::rollout::PassError => |_| false;
    crate::ca::sign::SignError => |_| false;
}

/// The admin service.
pub struct AdminService {
    coordinator: Arc<Coordinator>,
}

impl AdminService {
    /// Of this coordinator.
    pub fn new(coordinator: Arc<Coordinator>) -> Self {
        Self { coordinator }
    }
}

#[tonic::async_trait]
impl Admin for AdminService {
    async fn call(&self, request: Request<pb::Command>) -> Result<Response<pb::Answer>, Status> {
        let who = peer(request.extensions()).map_or_else(|| "unknown".into(), |p| p.to_string());
        let pb::Command { name, json } = request.into_inner();
        let call = Call { coordinator: Arc::clone(&self.coordinator), who, json };
        match name.as_str() {
            Apply::NAME => call.act::<Apply>().await,
            Approve::NAME => call.act::<Approve>().await,
            Deny::NAME => call.act::<Deny>().await,
            Enroll::NAME => call.act::<Enroll>().await,
            IssueClient::NAME => call.act::<IssueClient>().await,
            Rotate::NAME => call.act::<Rotate>().await,
            PlanSpec::NAME => call.ask::<PlanSpec>().await,
            Show::<show::Access>::NAME => call.ask::<Show<show::Access>>().await,
            Show::<show::Certificates>::NAME => call.ask::<Show<show::Certificates>>().await,
            Show::<show::Nodes>::NAME => call.ask::<Show<show::Nodes>>().await,
            Show::<show::Rotation>::NAME => call.ask::<Show<show::Rotation>>().await,
            Show::<show::Status>::NAME => call.ask::<Show<show::Status>>().await,
            _ => Err(unknown(&name)),
        }
    }

    type WatchStream = ReceiverStream<Result<pb::Answer, Status>>;

    async fn watch(
        &self,
        request: Request<pb::Command>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let pb::Command { name, json } = request.into_inner();
        let coordinator = Arc::clone(&self.coordinator);
        let states: Self::WatchStream = match name.as_str() {
            Show::<show::Access>::NAME => watch::<show::Access>(coordinator, read(&json)?).await?,
            Show::<show::Certificates>::NAME => {
                watch::<show::Certificates>(coordinator, read(&json)?).await?
            }
            Show::<show::Nodes>::NAME => watch::<show::Nodes>(coordinator, read(&json)?).await?,
            Show::<show::Rotation>::NAME => {
                watch::<show::Rotation>(coordinator, read(&json)?).await?
            }
            Show::<show::Status>::NAME => watch::<show::Status>(coordinator, read(&json)?).await?,
            _ => return Err(unknown(&name)),
        };
        Ok(Response::new(states))
    }
}

/// One call of one person.
struct Call {
    coordinator: Arc<Coordinator>,
    who: String,
    json: Vec<u8>,
}

impl Call {
    async fn ask<Q: Question>(self) -> Result<Response<pb::Answer>, Status> {
        let question: Q = read(&self.json)?;
        let answer = question.answer(&self.coordinator).await?;
        Ok(Response::new(to_answer(&answer)))
    }

    async fn act<A: Act>(self) -> Result<Response<pb::Answer>, Status> {
        let act: A = read(&self.json)?;
        let Self { coordinator, who, .. } = self;
        let acting = tokio::spawn(async move { audited(&act, &who, &coordinator).await });
        match acting.await {
            Ok(done) => Ok(Response::new(to_answer(&done?))),
            Err(panicked) => Err(Status::internal(panicked.to_string())),
        }
    }
}

async fn audited<A: Act>(
    act: &A,
    who: &str,
    coordinator: &Coordinator,
) -> Result<A::Answer, Refused> {
    let entry = |what: &str, result: &str| Entry {
        result: result.into(),
        ..Entry::new(coordinator.now(), who, A::NAME, what)
    };
    let target = match act.target(coordinator).await {
        Ok(target) => target,
        Err(refused) => {
            coordinator.audit.write(entry("-", &refused.told.cause)).await;
            return Err(refused);
        }
    };
    let what = target.to_string();
    coordinator.audit.write(entry(&what, "asked for")).await;
    let mut tries = 1..TRIES;
    let done = loop {
        match act.act(&target, coordinator).await {
            Err(Refused { code: Code::Aborted, .. }) if tries.next().is_some() => {}
            done => break done,
        }
    };
    let (entry, answer) = match done {
        Ok(Done { before, after, answer }) => {
            (Entry { before, after, ..entry(&what, "done") }, Ok(answer))
        }
        Err(refused) => (entry(&what, &refused.told.cause), Err(refused)),
    };
    coordinator.audit.write(entry).await;
    answer
}

fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, Status> {
    let told = |error: serde_json::Error| Told {
        cause: format!("the command cannot be understood: {error}"),
        help: "use the coordctl of the coordinator's version: coordctl --version".into(),
        ..Told::default()
    };
    serde_json::from_slice(json).map_err(|error| to_status(Code::InvalidArgument, told(error)))
}

pub(super) fn to_answer(answer: &impl Serialize) -> pb::Answer {
    pb::Answer { json: serde_json::to_vec(answer).expect("answers are plain data") }
}

fn unknown(name: &str) -> Status {
    let told = Told {
        cause: format!("this coordinator has no command {name:?}"),
        help: "use the coordctl of the coordinator's version: coordctl --version".into(),
        ..Told::default()
    };
    to_status(Code::Unimplemented, told)
}

impl From<Refused> for Status {
    fn from(Refused { code, told }: Refused) -> Self {
        to_status(code, told)
    }
}
