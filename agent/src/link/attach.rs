//! Keeps one stream to the coordinator: reports go up, desired states come down.
//!
//! One task for the daemon's life. A report goes out at once when something in it is news, otherwise once a minute (promise 12). When
//! the stream ends, the endpoints are tried in turn, with backoff and jitter after each round.
//! Not here: what is done with a desired state (`reconcile`).

use std::time::{Duration, Instant};

use pilaster_common::error::{Told, causes};
use pilaster_proto::agent::v1 as pb;
use pilaster_proto::agent::v1::agent_client::AgentClient;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval_at, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

use super::{Backoff, DialError, Pins, Purpose, dial, reason};
use crate::config::{ATTACH_DEADLINE, LINK_BACKOFF, LOG_AGAIN, MESSAGE_BYTES_MAX, REPORT_INTERVAL};
use crate::identity::Identity;
use crate::reconcile::{Desired, Report};

/// The latest word of the coordinator; a message that cannot be used is told as the problem it is.
pub(crate) type Latest = Option<Result<Desired, Told>>;

/// What the link needs, and what it keeps up to date.
pub(crate) struct Link {
    pub(crate) identity: Identity,
    /// Reports to send; `None` until the first look at the node.
    pub(crate) report: watch::Receiver<Option<Report>>,
    /// Desired states received.
    pub(crate) desired: watch::Sender<Latest>,
    /// The channel while there is one, for other calls over the same connection.
    pub(crate) channel: watch::Sender<Option<Channel>>,
}

/// Why a stream ended or did not begin.
#[derive(Debug, thiserror::Error)]
enum LinkError {
    #[error(transparent)]
    Dial(#[from] DialError),
    #[error("the coordinator says: {}", reason(.0))]
    Refused(tonic::Status),
    #[error("the coordinator did not answer within {} s", .0.as_secs())]
    Deadline(Duration),
    #[error("the stream ended")]
    Ended,
    #[error("the daemon is ending")]
    Stopping,
}

impl Link {
    /// Attaches again and again. Cancel safety: none is needed, it holds nothing that must not be dropped.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let mut backoff = Backoff::new(LINK_BACKOFF);
        let mut log = Log::default();
        loop {
            for endpoint in self.identity.endpoints.clone() {
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    ended = self.attach(&endpoint, &mut backoff) => {
                        self.channel.send_replace(None);
                        if let Err(error) = ended {
                            log.warn(&endpoint, &error);
                        }
                    }
                }
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(backoff.pause()) => {}
            }
        }
    }

    /// One stream, from dialling to its end.
    async fn attach(&mut self, endpoint: &str, backoff: &mut Backoff) -> Result<(), LinkError> {
        let pins = Pins::of_roots(&self.identity.roots);
        let connection = dial(endpoint, pins, Purpose::Attach(&self.identity.pair)).await?;
        let mut client = AgentClient::new(connection.channel.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX);
        let (up, reports) = mpsc::channel(1); // one on its way; what is newer replaces what waits behind it
        let mut outbox = Outbox::default();
        outbox.put(self.first_report().await?);
        outbox.send_if_free(&up);
        let attached = client.attach(ReceiverStream::new(reports));
        let down = timeout(ATTACH_DEADLINE, attached)
            .await
            .map_err(|_| LinkError::Deadline(ATTACH_DEADLINE))?
            .map_err(LinkError::Refused)?
            .into_inner();
        tracing::info!("attached to the coordinator at {endpoint}");
        self.channel.send_replace(Some(connection.channel));
        self.exchange(down, (up, outbox), backoff).await
    }

    async fn first_report(&mut self) -> Result<Report, LinkError> {
        let report = self.report.wait_for(Option::is_some).await;
        report.ok().and_then(|report| report.clone()).ok_or(LinkError::Stopping)
    }

    async fn exchange(
        &mut self,
        mut down: tonic::Streaming<pb::Desired>,
        (up, mut outbox): (mpsc::Sender<pb::Report>, Outbox),
        backoff: &mut Backoff,
    ) -> Result<(), LinkError> {
        let mut minute =
            interval_at(tokio::time::Instant::now() + REPORT_INTERVAL, REPORT_INTERVAL);
        minute.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // cancel-safe: each polls and keeps what it has not yet given (tonic, tokio docs)
                message = down.message() => {
                    let desired = message.map_err(LinkError::Refused)?.ok_or(LinkError::Ended)?;
                    backoff.reset();
                    self.desired.send_replace(Some(understood(desired)));
                }
                changed = self.report.changed() => {
                    changed.map_err(|_| LinkError::Stopping)?;
                    let report = self.report.borrow_and_update().clone();
                    report.into_iter().for_each(|report| outbox.put_news(report));
                }
                _ = minute.tick() => {
                    let report = self.report.borrow().clone();
                    report.into_iter().for_each(|report| outbox.put(report));
                }
                free = up.reserve(), if outbox.waits() => {
                    outbox.send(free.map_err(|_| LinkError::Ended)?);
                }
            }
        }
    }
}

fn understood(desired: pb::Desired) -> Result<Desired, Told> {
    let generation = desired.generation;
    Desired::try_from(desired)
        .map_err(|error| Told::new(format!("cannot take over generation {generation}"), &error))
}

/// The report that waits to be sent, and the one that was sent last.
#[derive(Default)]
struct Outbox {
    waiting: Option<Report>,
    sent: Option<Report>,
}

impl Outbox {
    fn put(&mut self, report: Report) {
        self.waiting = Some(report);
    }

    fn put_news(&mut self, report: Report) {
        if self.waits() || self.sent.as_ref().is_none_or(|sent| report.is_news_after(sent)) {
            self.put(report);
        }
    }

    fn waits(&self) -> bool {
        self.waiting.is_some()
    }

    fn send(&mut self, free: mpsc::Permit<'_, pb::Report>) {
        if let Some(report) = self.waiting.take() {
            free.send(report.clone().into());
            self.sent = Some(report);
        }
    }

    fn send_if_free(&mut self, up: &mpsc::Sender<pb::Report>) {
        if let Ok(free) = up.try_reserve() {
            self.send(free);
        }
    }
}

/// Logs a cause when it is new, and once an hour: a coordinator that is away for months fills no card.
#[derive(Default)]
struct Log {
    last: Option<(String, Instant)>,
}

impl Log {
    fn warn(&mut self, endpoint: &str, error: &LinkError) {
        let line = format!("no stream to the coordinator at {endpoint}: {}", causes(error));
        if self.last.as_ref().is_some_and(|(said, at)| *said == line && at.elapsed() < LOG_AGAIN) {
            return;
        }
        tracing::warn!("{line}; trying again until it works");
        self.last = Some((line, Instant::now()));
    }
}
