//! The world's time: it passes as tokio's does, which a test may pause; and its wall clocks can be
//! set.

use std::sync::Mutex;
use std::time::Duration;

use pilaster_common::clock::{BootTime, Clock, Sleep, Timestamp};
use tokio::time::Instant;

/// 2027-01-15, when every world begins.
const BEGIN: Timestamp = Timestamp::from_unix(1_800_000_000);
/// The machines were switched on an hour before.
const UPTIME: Duration = Duration::from_secs(3600);

/// The clock of every machine in the world.
#[derive(Debug)]
pub struct WorldClock {
    began: Instant,
    ahead: Mutex<Duration>,
}

impl WorldClock {
    pub(super) fn begin() -> Self {
        Self { began: Instant::now(), ahead: Mutex::default() }
    }

    /// Sets every wall clock forward, as NTP does after a long wait: the time since the boot does
    /// not move.
    pub fn step(&self, span: Duration) {
        *self.ahead.lock().expect("no holder panics") += span;
    }
}

impl Clock for WorldClock {
    fn now(&self) -> Timestamp {
        BEGIN.plus(self.began.elapsed() + *self.ahead.lock().expect("no holder panics"))
    }

    fn boot(&self) -> BootTime {
        BootTime::from_boot(UPTIME + self.began.elapsed())
    }

    fn sleep(&self, span: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(span))
    }
}
