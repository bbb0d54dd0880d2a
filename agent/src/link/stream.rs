//! One stream that stands: reports go up, desired states come down.
//!
//! A report goes out at once when something in it is news, otherwise once a minute (promise 12).

use std::sync::Arc;
use std::time::Duration;

use pilaster_common::clock::{BootTime, Clock};
use pilaster_common::endpoint::Endpoint;
use pilaster_common::error::Told;
use pilaster_proto::client::{Coordinator, DesiredStates};
use pilaster_proto::desired::Desired;
use pilaster_proto::report::Report;
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;

use super::error::LinkError;

/// The stream's headers come before anything else is done for it.
const ATTACH_DEADLINE: Duration = Duration::from_secs(10);
/// A report when nothing changed (promise 12).
const REPORT_INTERVAL: Duration = Duration::from_secs(60);

/// The latest word of the coordinator; a message that cannot be used, or a refusal, is told as the
/// problem it is.
pub(crate) type Latest = Option<Result<Desired, Told>>;

/// A stream.
pub(super) struct Stream {
    /// Of the identity that it was dialled with.
    pub(super) generation: u64,
    pub(super) endpoint: Endpoint,
    pub(super) coordinator: Coordinator,
    clock: Arc<dyn Clock>,
    down: DesiredStates,
    /// What was sent last, or is on its way: what is newer replaces what waits.
    up: watch::Sender<Report>,
    /// When a report is sent though nothing changed.
    minute: BootTime,
}

impl Stream {
    /// Opens one, with the first report on its way.
    pub(super) async fn open(
        (coordinator, endpoint, generation): (Coordinator, Endpoint, u64),
        first: Report,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, LinkError> {
        let (up, reports) = watch::channel(first);
        let attached = coordinator.attach(WatchStream::new(reports));
        let down = clock.within(ATTACH_DEADLINE, attached).await;
        let down = down.ok_or(LinkError::Deadline(ATTACH_DEADLINE))?.map_err(LinkError::Refused)?;
        let minute = clock.boot().plus(REPORT_INTERVAL);
        Ok(Self { generation, endpoint, coordinator, clock, down, up, minute })
    }

    /// Waits for one thing to do, and does it; for nothing after `until`. Returns a word of the
    /// coordinator.
    pub(super) async fn exchange(
        &mut self,
        report: &mut watch::Receiver<Option<Report>>,
        until: Option<BootTime>,
    ) -> Result<Latest, LinkError> {
        let clock = &*self.clock;
        tokio::select! {
            // cancel-safe: each polls and keeps what it has not yet given (proto, tokio docs)
            desired = self.down.next() => {
                let desired = desired.map_err(LinkError::Refused)?.ok_or(LinkError::Ended)?;
                return Ok(Some(desired.map_err(|(generation, error)| {
                    Told::new(format!("cannot take over generation {generation}"), &error)
                })));
            }
            changed = report.changed() => {
                changed.map_err(|_| LinkError::Stopping)?;
                if let Some(report) = &*report.borrow_and_update() {
                    self.up.send_if_modified(|sent| {
                        let is_news = report.is_news_after(sent);
                        if is_news {
                            sent.clone_from(report);
                        }
                        is_news
                    });
                }
            }
            () = clock.sleep_until(self.minute) => {
                self.minute = clock.boot().plus(REPORT_INTERVAL);
                if let Some(report) = &*report.borrow() {
                    self.up.send_replace(report.clone());
                }
            }
            () = clock.sleep_until(until.unwrap_or_default()), if until.is_some() => {}
        }
        Ok(None)
    }
}
