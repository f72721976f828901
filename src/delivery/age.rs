//! Age of a message, in running time: the measure of its lifetime and of its delay warning.

use std::time::Duration;

use crate::mail::envelope::Envelope;
use crate::mail::history::History;
use crate::spool::running_time::SpoolTime;
use crate::values::time::{RunningTime, Timestamp};

/// Age of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageAge {
    start: RunningTime,
    time: SpoolTime,
}

impl MessageAge {
    /// Measures the age of a message now.
    ///
    /// Counted from the last release from hold, or else from arrival. A message that its sender delayed, and one of an
    /// older version, is counted from its first record.
    pub fn of(envelope: &Envelope, history: &History, time: SpoolTime) -> MessageAge {
        let from_arrival = envelope.running.filter(|_| !history.was_released && envelope.not_before.is_none());
        let start = from_arrival.or(history.lifetime_start).unwrap_or(time.running);
        MessageAge { start, time }
    }

    /// Returns true when the message is at least this old.
    pub fn is_at_least(&self, span: Duration) -> bool {
        self.time.running >= self.start.after(span)
    }

    /// Returns true when the message was at least this old at that running time.
    pub fn was_at_least(&self, span: Duration, at: RunningTime) -> bool {
        at >= self.start.after(span)
    }

    /// Returns the wall-clock time at which the message will be this old, if a runner is at work from now on.
    pub fn reaches(&self, span: Duration) -> Timestamp {
        let reached = self.time.now.after(self.start.after(span).since(self.time.running));
        debug_assert!(reached >= self.time.now, "an age is reached now or later");
        reached
    }
}
