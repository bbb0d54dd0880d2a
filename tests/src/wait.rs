//! Waits for a condition, never for a time.

use std::thread;
use std::time::{Duration, Instant};

use crate::error::LabError;

/// How often a condition is looked at.
const POLL_EVERY: Duration = Duration::from_millis(20);

/// Waits until `condition` answers `Ok(true)`. `Ok(false)` and every error mean "not yet"; the last
/// error (a failed command, or [`LabError::NotYet`] with what was seen) is told when the time is
/// over.
///
/// # Errors
/// [`LabError::NotInTime`] after `limit`, with what was awaited and what was seen last.
pub fn wait_until(
    awaited: &str,
    limit: Duration,
    mut condition: impl FnMut() -> Result<bool, LabError>,
) -> Result<(), LabError> {
    let start = Instant::now();
    loop {
        let last = match condition() {
            Ok(true) => return Ok(()),
            Ok(false) => "not so".to_owned(),
            Err(LabError::NotYet(state)) => state,
            Err(error) => error.told(),
        };
        if start.elapsed() >= limit {
            return Err(LabError::NotInTime { awaited: awaited.to_owned(), limit, last });
        }
        thread::sleep(POLL_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_names_what_was_awaited_and_what_was_seen_last() {
        let mut seen = 0;
        let error = wait_until("all members healthy", Duration::from_millis(50), || {
            seen += 1;
            Err(LabError::NotYet(format!("{seen} looks")))
        });
        let told = error.unwrap_err().told();
        assert!(told.contains("waited in vain: all members healthy"), "{told}");
        assert!(told.contains(&format!("{seen} looks")), "{told}");
    }

    #[test]
    fn it_ends_as_soon_as_the_condition_holds() {
        let mut looks = 0;
        wait_until("the third look", Duration::from_secs(10), || {
            looks += 1;
            Ok(looks == 3)
        })
        .unwrap();
        assert_eq!(looks, 3);
    }
}
