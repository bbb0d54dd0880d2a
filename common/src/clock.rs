//! Time, through one door: a Pi has no clock battery (promise 11), and tests have no time to wait.

use std::fmt;
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

/// Tells the time of day.
pub trait Clock: Send + Sync {
    /// The moment now, as far as this clock knows.
    fn now(&self) -> Timestamp;
}

/// The machine's clock: the only place that reads it.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp(OffsetDateTime::now_utc().unix_timestamp())
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
    fn spans_never_go_below_zero() {
        let earlier = Timestamp::from_unix(100);
        let later = earlier.plus(Duration::from_secs(5));
        assert_eq!(later.since(earlier), Duration::from_secs(5));
        assert_eq!(earlier.since(later), Duration::ZERO);
    }
}
