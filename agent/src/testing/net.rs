//! A network in memory, and a clock that goes as tokio's does: paused time passes at once.

#![allow(clippy::disallowed_methods, reason = "the test's clock reads tokio's")]

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pilaster_common::clock::{BootTime, Clock, Sleep, Timestamp};
use pilaster_common::endpoint::Endpoint;
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::pki::now;
use crate::link::{BoxedStream, Dial};

/// Clones are the same one.
#[derive(Debug, Clone)]
pub(crate) struct TestNet {
    pub(crate) clock: Arc<dyn Clock>,
    listeners: Arc<Mutex<BTreeMap<Endpoint, mpsc::UnboundedSender<DuplexStream>>>>,
}

impl Default for TestNet {
    fn default() -> Self {
        Self { clock: test_clock(), listeners: Arc::default() }
    }
}

impl TestNet {
    /// The connections to this endpoint, as long as they are received.
    pub(crate) fn listen(&self, endpoint: &Endpoint) -> mpsc::UnboundedReceiver<DuplexStream> {
        let (dialled, accepted) = mpsc::unbounded_channel();
        self.listeners.lock().expect("no panic").insert(endpoint.clone(), dialled);
        accepted
    }
}

#[tonic::async_trait]
impl Dial for TestNet {
    async fn connect(&self, endpoint: &Endpoint) -> io::Result<BoxedStream> {
        let (here, there) = tokio::io::duplex(1 << 16);
        let listeners = self.listeners.lock().expect("no panic");
        let listener = listeners.get(endpoint).filter(|listener| listener.send(there).is_ok());
        listener.map(|_| Box::new(here) as _).ok_or(io::ErrorKind::ConnectionRefused.into())
    }
}

#[derive(Debug)]
struct TestClock {
    began: Instant,
}

/// Begins at [`now()`], an hour after the boot.
pub(crate) fn test_clock() -> Arc<dyn Clock> {
    Arc::new(TestClock { began: Instant::now() })
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        now().plus(self.began.elapsed())
    }

    fn boot(&self) -> BootTime {
        BootTime::from_boot(Duration::from_secs(3600) + self.began.elapsed())
    }

    fn sleep(&self, span: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(span))
    }
}
