//! Retry schedule: the delay before the next delivery attempt.

use std::time::Duration;

/// Exponential back-off with an upper limit (RFC 5321 section 4.5.4.1 recommends retries, but no exact schedule).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetrySchedule {
    /// Delay after the first attempt.
    pub first: Duration,
    /// Factor between one delay and the next, at least 1.
    pub factor: f64,
    /// Upper limit of the delay, before jitter.
    pub max: Duration,
    /// Maximum random deviation, as a fraction of the delay from 0 to 1. Without it, messages that failed together
    /// would all be retried at the same moment.
    pub jitter: f64,
}

impl Default for RetrySchedule {
    fn default() -> RetrySchedule {
        RetrySchedule { first: Duration::from_secs(300), factor: 2.0, max: Duration::from_secs(4 * 3600), jitter: 0.2 }
    }
}

impl RetrySchedule {
    /// Returns the longest delay, jitter included, rounded up to seconds.
    pub fn longest_delay(&self) -> Duration {
        Duration::from_secs((self.max.as_secs_f64() * (1.0 + self.jitter)).clamp(0.0, 1e9).ceil() as u64)
    }

    /// Returns the delay after `attempts` counted attempts (0 counts as 1), rounded to seconds. `random` selects the
    /// jitter: the same number gives the same delay.
    pub fn delay(&self, attempts: u32, random: u64) -> Duration {
        debug_assert!(self.factor >= 1.0, "a wait is not shorter than the one before");
        debug_assert!((0.0..=1.0).contains(&self.jitter), "jitter is a part of the wait");
        let growth = self.factor.powi(attempts.clamp(1, 1000) as i32 - 1);
        let plain = (self.first.as_secs_f64() * growth).min(self.max.as_secs_f64());
        let share = (random >> 11) as f64 / (1u64 << 53) as f64;
        let wait = plain * (1.0 + self.jitter * (2.0 * share - 1.0));
        let delay = Duration::from_secs(wait.clamp(0.0, 1e9).round() as u64);
        debug_assert!(delay <= self.longest_delay(), "no wait is longer than the longest");
        delay
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn waits_double_up_to_the_ceiling() {
        let schedule = RetrySchedule { jitter: 0.0, ..RetrySchedule::default() };
        let minutes = |attempts| schedule.delay(attempts, 0).as_secs() / 60;
        assert_eq!([1, 2, 3, 6, 7, 99].map(minutes), [5, 10, 20, 160, 240, 240]);
        assert_eq!(minutes(0), 5);
        assert_eq!(minutes(u32::MAX), 240);
    }

    proptest! {
        #[test]
        fn waits_stay_within_the_jitter(
            first in 0u64..100_000, factor in 1.0f64..10.0, max in 0u64..1_000_000, jitter in 0.0f64..=1.0,
            attempts: u32, random: u64,
        ) {
            let (first, max) = (Duration::from_secs(first), Duration::from_secs(max));
            let schedule = RetrySchedule { first, factor, max, jitter };
            let plain = RetrySchedule { jitter: 0.0, ..schedule }.delay(attempts, random).as_secs_f64();
            let wait = schedule.delay(attempts, random).as_secs_f64();
            prop_assert!(wait >= (plain * (1.0 - jitter)).floor() - 1.0, "{wait} {plain}");
            prop_assert!(wait <= (plain * (1.0 + jitter)).ceil() + 1.0, "{wait} {plain}");
            prop_assert!(plain <= max.as_secs_f64());
        }

        #[test]
        fn without_jitter_a_wait_is_never_shorter_than_the_one_before(attempts in 1u32..2000) {
            let schedule = RetrySchedule { jitter: 0.0, ..RetrySchedule::default() };
            prop_assert!(schedule.delay(attempts, 0) <= schedule.delay(attempts + 1, 0));
        }
    }
}
