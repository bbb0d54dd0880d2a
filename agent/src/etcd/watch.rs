//! Asks the member how it is, again and again: often while it should be healthy and is not, seldom otherwise.
//!
//! One task for the daemon's life; it changes nothing. A question that hangs holds up nobody else.

use std::time::{Duration, Instant};

use pilaster_common::error::causes;
use pilaster_proto::etcd_state::EtcdState;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::health::is_healthy;
use super::member::Asker;
use crate::apply::System;
use crate::config::{ETCD_EAGER_SPAN, ETCD_INTERVAL, ETCD_INTERVAL_EAGER, ETCD_INTERVAL_SICK};

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
    asker: Asker,
    pace: watch::Receiver<Pace>,
    state: watch::Sender<Option<EtcdState>>,
    sick_since: Option<Instant>,
}

impl Watch {
    /// Publishes to `state`, as eagerly as `pace` says.
    pub(crate) fn new(
        system: System,
        pace: watch::Receiver<Pace>,
        state: watch::Sender<Option<EtcdState>>,
    ) -> Self {
        Self { asker: Asker::new(system), pace, state, sick_since: None }
    }

    /// Asks until told to stop.
    pub(crate) async fn run(mut self, shutdown: CancellationToken) {
        loop {
            let state = tokio::select! {
                () = shutdown.cancelled() => return,
                state = look(&mut self.asker) => state, // reads only: nothing is lost when dropped
            };
            let pause = self.pause_after(state.as_ref().is_some_and(|state| state.healthy));
            self.state.send_if_modified(|known| {
                let changed = *known != state;
                *known = state;
                changed
            });
            tokio::select! {
                () = shutdown.cancelled() => return,
                changed = self.pace.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    fn pause_after(&mut self, healthy: bool) -> Duration {
        if healthy || *self.pace.borrow_and_update() == Pace::Calm {
            self.sick_since = None;
            return ETCD_INTERVAL;
        }
        let since = self.sick_since.get_or_insert_with(Instant::now);
        if since.elapsed() < ETCD_EAGER_SPAN { ETCD_INTERVAL_EAGER } else { ETCD_INTERVAL_SICK }
    }
}

/// Asks how it is; `/health` only where there is a leader, since etcd logs two warnings each time that it has to say no.
async fn look(asker: &mut Asker) -> Option<EtcdState> {
    let answer = asker.ask().await;
    let mut state = answer
        .inspect_err(|error| tracing::debug!("etcd did not answer: {}", causes(error)))
        .ok()?;
    state.healthy = state.leader_id != 0 && is_healthy().await;
    Some(state)
}
