//! How long to wait before the next try, and why nothing is tried now: the same for a lost stream,
//! a step that failed and a certificate that was taken back.
//!
//! Exponential with full jitter, so that a fleet does not come back as one. Pure but for the dice.

use std::time::Duration;

use pilaster_common::clock::BootTime;
use pilaster_common::error::Told;
use ring::rand::{SecureRandom, SystemRandom};

/// Pauses between a floor and a bound that doubles with each try up to a ceiling. Of what has
/// failed it keeps the reason and what was wanted then: something else (`W`) is tried at once.
#[derive(Debug, Clone)]
pub(crate) struct Patience<W = ()> {
    floor: Duration,
    ceiling: Duration,
    tries: u32,
    waiting: Option<Waiting<W>>,
}

#[derive(Debug, Clone)]
struct Waiting<W> {
    until: BootTime,
    wanted: W,
    why: Told,
}

impl<W: PartialEq> Patience<W> {
    /// Begins at the floor, never above the ceiling.
    pub(crate) fn new((floor, ceiling): (Duration, Duration)) -> Self {
        Self { floor, ceiling, tries: 0, waiting: None }
    }

    /// Returns the next pause, drawn by the operating system's dice.
    pub(crate) fn pause(&mut self) -> Duration {
        let mut dice = [0; 4];
        let drawn = SystemRandom::new().fill(&mut dice).is_ok();
        self.pause_for(if drawn { u32::from_ne_bytes(dice) } else { u32::MAX })
    }

    /// What was `wanted` failed: it is not tried again before the next pause is over.
    pub(crate) fn wait(&mut self, now: BootTime, wanted: W, why: Told) {
        let until = now.plus(self.pause());
        self.waiting = Some(Waiting { until, wanted, why });
    }

    /// Returns why what is `wanted` is not tried now.
    pub(crate) fn reason(&self, now: BootTime, wanted: &W) -> Option<Told> {
        let waiting = self.waiting.as_ref();
        let waiting = waiting.filter(|it| it.wanted == *wanted && now < it.until)?;
        Some(waiting.why.clone())
    }

    /// Returns when the next try is due; `None` where nothing waits.
    pub(crate) fn until(&self) -> Option<BootTime> {
        self.waiting.as_ref().map(|waiting| waiting.until)
    }

    /// Something has changed: the next try is due now. Its pause stays a long one.
    pub(crate) fn hurry(&mut self) {
        self.waiting = None;
    }

    /// It worked: nothing waits, and the next pause is a short one again.
    pub(crate) fn reset(&mut self) {
        (self.tries, self.waiting) = (0, None);
    }

    /// The pause for a draw out of all `u32`.
    fn pause_for(&mut self, draw: u32) -> Duration {
        self.tries = self.tries.saturating_add(1);
        let doubled = self.floor.saturating_mul(2u32.saturating_pow(self.tries));
        let span = doubled.min(self.ceiling).saturating_sub(self.floor);
        self.floor + span.mul_f64(f64::from(draw) / f64::from(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));

    fn patience() -> Patience<u8> {
        Patience::new(RANGE)
    }

    #[test]
    fn the_bound_doubles_up_to_the_ceiling_and_starts_again() {
        let mut patience = patience();
        let bounds: Vec<u128> = (0..9).map(|_| patience.pause_for(u32::MAX).as_millis()).collect();
        assert_eq!(bounds, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000]);
        patience.hurry();
        assert_eq!(patience.pause_for(u32::MAX).as_millis(), 10_000);
        patience.reset();
        assert_eq!(patience.pause_for(u32::MAX).as_millis(), 200);
    }

    #[test]
    fn the_draw_decides_between_floor_and_bound() {
        let mut patience = patience();
        assert_eq!(patience.pause_for(0), RANGE.0);
        let half = patience.pause_for(u32::MAX / 2).as_secs_f64();
        assert!((half - 0.25).abs() < 1e-6, "{half}");
        for _ in 0..100 {
            let pause = patience.pause();
            assert!(RANGE.0 <= pause && pause <= RANGE.1);
        }
    }

    #[test]
    fn what_failed_waits_with_its_reason_and_something_else_does_not() {
        let (mut patience, now) = (patience(), BootTime::from_boot(Duration::from_secs(7)));
        assert_eq!((patience.reason(now, &1), patience.until()), (None, None));
        let why = Told { what: "it failed".into(), ..Told::default() };
        patience.wait(now, 1, why.clone());
        assert_eq!(patience.reason(now, &1), Some(why));
        assert_eq!(patience.reason(now, &2), None, "something else is wanted");
        let until = patience.until().expect("it waits");
        assert!(now < until && until <= now.plus(RANGE.1));
        assert_eq!(patience.reason(until, &1), None, "its time has come");
        patience.hurry();
        assert_eq!(patience.reason(now, &1), None, "something has changed");
    }
}
