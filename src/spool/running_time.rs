//! The running time of the spool, and what the wall clock is worth.
//!
//! Every run counts the time since the last count, at most one longest back-off and never a negative one. So a clock that
//! jumps, or a machine that was off for a week, adds one such step at most.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::spool::Spool;
use crate::spool::error::SpoolError;
use crate::spool::file_name::ClockTrust;
use crate::values::time::{RunningTime, Timestamp};

/// Name of the state file.
const FILE: &str = "running-time";

/// Earliest wall-clock time that can be true: no mspool was built before.
const EARLIEST_CLOCK: u64 = 1_767_225_600;

/// Time that the wall clock may stand before the last count and still be believed.
const TOLERATED_STEP_BACK: Duration = Duration::from_secs(86_400);

/// Shortest time after which a count is written: often enough for a lifetime, rarely enough for the disk.
const COUNT_INTERVAL: Duration = Duration::from_secs(30);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Count {
    /// Running time at the last count.
    running: RunningTime,
    /// Wall-clock time of the last count; `None` before the first.
    counted_at: Option<Timestamp>,
}

/// Time of a spool, as one run sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpoolTime {
    /// Wall-clock time.
    pub now: Timestamp,
    /// Running time.
    pub running: RunningTime,
    /// Trust in the wall clock. It is implausible if it stands before mspool was built, or more than a day before the last
    /// count: then no deadline is judged by it.
    pub clock: ClockTrust,
}

impl Count {
    /// Returns the time as it is now, without counting. A count would add at most `longest_step`.
    fn at(&self, now: Timestamp, longest_step: Duration) -> SpoolTime {
        let step = self.counted_at.map_or(Duration::ZERO, |last| now.since(last).min(longest_step));
        let stepped_back = self.counted_at.is_some_and(|last| last.since(now) > TOLERATED_STEP_BACK);
        let implausible = stepped_back || now.seconds() < EARLIEST_CLOCK;
        debug_assert!(step <= longest_step, "no pass counts more than the longest back-off");
        SpoolTime {
            now,
            running: self.running.after(step),
            clock: if implausible { ClockTrust::Implausible } else { ClockTrust::Plausible },
        }
    }
}

impl Spool {
    /// Returns the time as it is now, without counting it: for commands that are not runners. `longest_step` is the
    /// longest back-off.
    pub fn time(&self, now: Timestamp, longest_step: Duration) -> Result<SpoolTime, SpoolError> {
        Ok(self.state_file::<Count>(FILE)?.at(now, longest_step))
    }

    /// Counts the time since the last count: for runners, once a pass. Durable when this returns, unless the last count
    /// is less than half a minute old.
    pub fn count_time(&self, now: Timestamp, longest_step: Duration) -> Result<(), SpoolError> {
        let last: Count = self.state_file(FILE)?;
        let is_recent = last.counted_at.is_some_and(|last| now >= last && now.since(last) < COUNT_INTERVAL);
        if !is_recent {
            // Runs beside this one count, too: the step is taken from the count that is there under the lock.
            self.change_state_file(FILE, |count: &mut Count| {
                let running = count.at(now, longest_step).running;
                debug_assert!(running >= count.running, "running time never goes back");
                *count = Count { running, counted_at: Some(now) };
            })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STEP: Duration = Duration::from_secs(4 * 3600);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn a_machine_that_was_off_adds_one_step() {
        let count = Count { running: RunningTime::from_seconds(100), counted_at: Some(at(1_800_000_000)) };
        assert_eq!(count.at(at(1_800_000_060), STEP).running.seconds(), 160);
        assert_eq!(count.at(at(1_800_600_000), STEP).running.seconds(), 100 + STEP.as_secs());
        assert_eq!(count.at(at(1_700_000_000), STEP).running.seconds(), 100);
        assert_eq!(Count::default().at(at(1_800_000_000), STEP).running.seconds(), 0);
    }

    #[test]
    fn deadlines_are_judged_by_a_plausible_clock_only() {
        let count = Count { running: RunningTime::default(), counted_at: Some(at(1_800_000_000)) };
        let rule = |seconds| count.at(at(seconds), STEP).clock;
        assert_eq!(rule(1_800_000_000), ClockTrust::Plausible);
        assert_eq!(rule(1_900_000_000), ClockTrust::Plausible);
        assert_eq!(rule(1_799_950_000), ClockTrust::Plausible);
        assert_eq!(rule(1_799_000_000), ClockTrust::Implausible);
        assert_eq!(Count::default().at(at(1_000_000_000), STEP).clock, ClockTrust::Implausible);
    }

    proptest! {
        #[test]
        fn no_jump_adds_more_than_a_step_or_takes_time_away(first in 0u64..4_000_000_000, second in 0u64..4_000_000_000) {
            let count = Count { running: RunningTime::from_seconds(7), counted_at: Some(at(first)) };
            let running = count.at(at(second), STEP).running.seconds();
            prop_assert!((7..=7 + STEP.as_secs()).contains(&running));
        }
    }
}
