//! Asks the member how it is, again and again: often while it should be healthy and is not, seldom
//! otherwise.
//!
//! One task for the daemon's life; it changes nothing. A question that hangs holds up nobody else.

use std::sync::Arc;
use std::time::Duration;

use pilaster_common::clock::{BootTime, Clock};
use pilaster_proto::etcd_state::EtcdState;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::AskEtcd;

/// A question to a healthy etcd.
const INTERVAL: Duration = Duration::from_secs(5);
/// A question to an etcd that should be healthy and is not: it is what a person waits for.
const INTERVAL_EAGER: Duration = Duration::from_millis(150);
/// The same once it has been sick for [`EAGER_SPAN`].
const INTERVAL_SICK: Duration = Duration::from_secs(5);
/// A formation at 5 s election timeout takes less.
const EAGER_SPAN: Duration = Duration::from_secs(60);

/// How eagerly etcd is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Pace {
    /// It need not run.
    #[default]
    Calm,
    /// It should run and be healthy.
    Eager,
}

/// The task.
pub(crate) struct Watch {
    pub(crate) etcd: Arc<dyn AskEtcd>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) pace: watch::Receiver<Pace>,
    pub(crate) state: watch::Sender<Option<EtcdState>>,
}

impl Watch {
    /// Asks until told to stop, as eagerly as `pace` says, and publishes to `state`.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        let mut sick_since = None;
        loop {
            let state = tokio::select! {
                () = shutdown.cancelled() => return,
                state = self.etcd.state() => state, // reads only: nothing is lost when dropped
            };
            let is_healthy = state.as_ref().is_some_and(|state| state.healthy);
            let pause = self.pause_after(is_healthy, &mut sick_since);
            self.state.send_if_modified(|known| {
                let changed = *known != state;
                *known = state;
                changed
            });
            tokio::select! {
                () = shutdown.cancelled() => return,
                changed = self.pace.changed() => if changed.is_err() { return },
                () = self.clock.sleep(pause) => {}
            }
        }
    }

    fn pause_after(&mut self, is_healthy: bool, sick_since: &mut Option<BootTime>) -> Duration {
        if is_healthy || *self.pace.borrow_and_update() == Pace::Calm {
            *sick_since = None;
            return INTERVAL;
        }
        let since = *sick_since.get_or_insert_with(|| self.clock.boot());
        if self.clock.elapsed(since) < EAGER_SPAN { INTERVAL_EAGER } else { INTERVAL_SICK }
    }
}
