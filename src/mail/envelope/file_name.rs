//! Names of queue files: the id, and the data that a run needs without opening the file.

use std::fmt;

use crate::mail::envelope::Priority;
use crate::mail::envelope::id::QueueId;
use crate::values::time::{RunningTime, Timestamp};

/// Name of a queue file: `ID`, `ID,P=u`, `ID,T=SECONDS` or `ID,P=u,T=SECONDS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileName {
    /// Queue id of the message.
    pub id: QueueId,
    /// Priority: order among due messages.
    pub priority: Priority,
    /// Time of the next action on the message: attempt, expiry or removal. `None` means now.
    pub due: Option<Timestamp>,
}

/// Largest running time in a name, in seconds: 31 years. Larger numbers are wall-clock times.
const LONGEST_RUNNING_SECS: u64 = 999_999_999;

/// Trust in the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockTrust {
    /// The time can be true.
    Plausible,
    /// The time cannot be true.
    Implausible,
}

impl FileName {
    /// Builds the name of a message that is due now.
    pub fn new(id: QueueId, priority: Priority) -> FileName {
        FileName { id, priority, due: None }
    }

    /// Returns the name with a different due time; `None` makes the message due now.
    pub fn due(&self, due: Option<Timestamp>) -> FileName {
        FileName { due, ..self.clone() }
    }

    /// Returns the name of a finished message that is kept until this running time; `None` keeps it for ever.
    pub fn kept_until(&self, until: Option<RunningTime>) -> FileName {
        self.due(until.map(|until| Timestamp::from_seconds(until.seconds().min(LONGEST_RUNNING_SECS))))
    }

    /// Returns true when a finished message may be removed.
    ///
    /// Names of older versions have a wall-clock time, which is larger than any running time can be: it is believed only
    /// if the clock is plausible.
    pub fn is_retention_over(&self, now: Timestamp, running: RunningTime, clock: ClockTrust) -> bool {
        let Some(until) = self.due else { return false };
        debug_assert!(now.seconds() > LONGEST_RUNNING_SECS || clock == ClockTrust::Implausible);
        if until.seconds() <= LONGEST_RUNNING_SECS {
            return running.seconds() >= until.seconds();
        }
        clock == ClockTrust::Plausible && until <= now
    }

    /// Parses a name; `None` for a name that mspool never writes. A run parses up to 100,000 names, so only the id is
    /// allocated.
    pub fn parse(text: &str) -> Option<FileName> {
        let (id, mut marks) = text.split_once(',').map_or((text, None), |(id, marks)| (id, Some(marks)));
        let mut name = FileName::new(QueueId::parse(id).ok()?, Priority::Normal);
        if let Some(level) = marks.and_then(|marks| marks.strip_prefix("P=")) {
            let (level, rest) = level.split_once(',').map_or((level, None), |(level, rest)| (level, Some(rest)));
            name.priority = match level {
                "u" => Priority::Urgent,
                "n" => Priority::Nonurgent,
                _ => return None,
            };
            marks = rest;
        }
        if let Some(marks) = marks {
            let seconds = marks.strip_prefix("T=")?;
            let plain =
                seconds.bytes().all(|byte| byte.is_ascii_digit()) && (seconds == "0" || !seconds.starts_with('0'));
            let number = seconds.parse().ok().filter(|_| plain)?;
            name.due = Some(Timestamp::from_seconds(number)).filter(|due| due.seconds() == number);
            name.due?;
        }
        debug_assert_eq!(name.to_string(), text, "a name is written as it was read");
        Some(name)
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id.as_str())?;
        match self.priority {
            Priority::Urgent => f.write_str(",P=u")?,
            Priority::Normal => {}
            Priority::Nonurgent => f.write_str(",P=n")?,
        }
        match self.due {
            Some(due) => write!(f, ",T={}", due.seconds()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "1795308431.M123456P42Q0R00c0ffee.host";

    #[test]
    fn reads_what_it_writes_and_nothing_else() {
        for marks in ["", ",T=1795308999", ",P=u", ",P=n,T=0"] {
            let text = format!("{ID}{marks}");
            assert_eq!(FileName::parse(&text).unwrap().to_string(), text);
        }
        for marks in [",", ",T=", ",T=-1", ",T=007", ",T=1,P=u", ",P=x", ",S=12", ":2,S"] {
            assert_eq!(FileName::parse(&format!("{ID}{marks}")), None, "{marks}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_parses_is_written_the_same(marks in "(,P=[unx]?)?(,T=0?[0-9]{1,12})?,?") {
            let text = format!("{ID}{marks}");
            if let Some(name) = FileName::parse(&text) {
                proptest::prop_assert_eq!(name.to_string(), text);
            }
        }
    }

    #[test]
    fn a_new_time_keeps_the_rest() {
        let name = FileName::parse(&format!("{ID},P=u,T=5")).unwrap();
        assert_eq!(name.due(None).to_string(), format!("{ID},P=u"));
        assert_eq!(name.due(Some(Timestamp::from_seconds(9))).to_string(), format!("{ID},P=u,T=9"));
    }
}
