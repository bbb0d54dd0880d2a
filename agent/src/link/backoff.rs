//! How long to pause before the next try: exponential with full jitter, so that a fleet does not come back as one.

use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};

/// Pauses between `floor` and a bound that doubles with each try up to `ceiling`.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    floor: Duration,
    ceiling: Duration,
    tries: u32,
}

impl Backoff {
    /// Begins at `floor`, never above `ceiling`.
    pub(crate) fn new((floor, ceiling): (Duration, Duration)) -> Self {
        Self { floor, ceiling, tries: 0 }
    }

    /// The next pause, drawn by the operating system's dice.
    pub(crate) fn pause(&mut self) -> Duration {
        let mut dice = [0; 4];
        let drawn = SystemRandom::new().fill(&mut dice).is_ok();
        self.pause_for(if drawn { u32::from_ne_bytes(dice) } else { u32::MAX })
    }

    /// It worked: the next pause is a short one again.
    pub(crate) fn reset(&mut self) {
        self.tries = 0;
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

    #[test]
    fn the_bound_doubles_up_to_the_ceiling_and_starts_again() {
        let mut backoff = Backoff::new(RANGE);
        let bounds: Vec<u128> = (0..9).map(|_| backoff.pause_for(u32::MAX).as_millis()).collect();
        assert_eq!(bounds, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000]);
        backoff.reset();
        assert_eq!(backoff.pause_for(u32::MAX).as_millis(), 200);
    }

    #[test]
    fn the_draw_decides_between_floor_and_bound() {
        let mut backoff = Backoff::new(RANGE);
        assert_eq!(backoff.pause_for(0), RANGE.0);
        let half = backoff.pause_for(u32::MAX / 2).as_secs_f64();
        assert!((half - 0.25).abs() < 1e-6, "{half}");
        for _ in 0..100 {
            let pause = backoff.pause();
            assert!(RANGE.0 <= pause && pause <= RANGE.1);
        }
    }
}
