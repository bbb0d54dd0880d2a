//! Time, through one door: a Pi has no clock battery (promise 11), and tests have no time to wait.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::macros::format_description;

/// A moment: whole seconds since 1970, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From seconds since 1970.
    pub const fn from_unix(seconds: i64) -> Self {
        Self(seconds)
    }

    /// Seconds since 1970.
    pub const fn unix(self) -> i64 {
        self.0
    }

    /// Later by `span`; saturates.
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add_unsigned(span.as_secs()))
    }

    /// Earlier by `span`; saturates.
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub_unsigned(span.as_secs()))
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// `2027-10-31`.
    pub fn date(self) -> String {
        self.formatted(format_description!("[year]-[month]-[day]"))
    }

    /// For certificates. Moments outside the years 1 to 9999 become 1970.
    pub fn to_offset_date_time(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(self.0).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }

    fn formatted(self, format: &[time::format_description::BorrowedFormatItem<'_>]) -> String {
        self.to_offset_date_time().format(format).unwrap_or_else(|_| self.0.to_string())
    }
}

impl fmt::Display for Timestamp {
    /// `2027-10-31 17:04:05 UTC`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(
            &self.formatted(format_description!(
                "[year]-[month]-[day] [hour]:[minute]:[second] UTC"
            )),
        )
    }
}

/// The month of this release: a clock that is below it is known to be wrong.
pub const RELEASED: Timestamp = Timestamp::from_unix(1_793_491_200); // 2026-11-01

/// A moment since the machine was booted, sleep included: never steps, means nothing after a boot.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct BootTime(Duration);

impl BootTime {
    /// Never.
    pub const MAX: Self = Self(Duration::MAX);

    /// From the span since the boot.
    pub const fn from_boot(span: Duration) -> Self {
        Self(span)
    }

    /// Later by `span`; saturates.
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(span))
    }

    /// How long after `earlier` this is; zero if it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// What a sleep is while it lasts.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Tells the time, and waits.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The moment now, by the clock on the wall: it may be wrong, and step.
    fn now(&self) -> Timestamp;

    /// The moment now, since the boot (`CLOCK_BOOTTIME`): what spans are measured by.
    fn boot(&self) -> BootTime;

    /// Waits for `span`. May be dropped at any time.
    fn sleep(&self, span: Duration) -> Sleep;
}

impl dyn Clock + '_ {
    /// How long ago `earlier` was.
    pub fn elapsed(&self, earlier: BootTime) -> Duration {
        self.boot().since(earlier)
    }

    /// Waits until `moment`; does not wait when that has passed.
    pub fn sleep_until(&self, moment: BootTime) -> Sleep {
        self.sleep(moment.since(self.boot()))
    }

    /// What `future` gives, or `None` when it does not within `limit`: then it is dropped.
    pub async fn within<T>(&self, limit: Duration, future: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased; // what is there in time counts, however late this is polled
            value = future => Some(value),
            () = self.sleep(limit) => None,
        }
    }
}

/// The machine's clock: the only place that reads it.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp(OffsetDateTime::now_utc().unix_timestamp())
    }

    fn boot(&self) -> BootTime {
        let spec = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME);
        BootTime(spec.expect("Linux has it since 2.6.39").into())
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that waits by the machine's clock"
    )]
    fn sleep(&self, span: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_reads_as_a_person_would_write_it() {
        let moment = Timestamp::from_unix(1_825_081_445);
        assert_eq!(moment.to_string(), "2027-11-01 15:04:05 UTC");
        assert_eq!(moment.date(), "2027-11-01");
    }

    #[test]
    fn time_since_the_boot_goes_on() {
        let clock: &dyn Clock = &SystemClock;
        let earlier = clock.boot();
        assert!(clock.boot() >= earlier && earlier > BootTime::default());
        assert_eq!(earlier.since(earlier.plus(Duration::from_secs(1))), Duration::ZERO);
    }

    #[test]
    fn spans_never_go_below_zero() {
        let earlier = Timestamp::from_unix(100);
        let later = earlier.plus(Duration::from_secs(5));
        assert_eq!(later.since(earlier), Duration::from_secs(5));
        assert_eq!(earlier.since(later), Duration::ZERO);
    }
}
