//! Names of queue files: the id, and the data that a run needs without opening the file.

use std::fmt;

use crate::mail::envelope::Priority;
use crate::mail::envelope::id::QueueId;
use crate::mail::history::mark::{AttemptMark, HistoryMarks, ResultMark};
use crate::values::time::{RunningTime, Timestamp};

/// Name of a queue file: `ID[,P=u|n][,T=SECONDS][,A=MARK[,R=MARK]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileName {
    /// Queue id of the message.
    pub id: QueueId,
    /// Priority: order among due messages.
    pub priority: Priority,
    /// Time of the next action on the message: attempt, expiry or removal. `None` means now.
    pub due: Option<Timestamp>,
    /// Common history of the message: see [`HistoryMarks`].
    pub marks: HistoryMarks,
}

/// Longest name of a file in bytes, on the filesystems of Linux.
const LONGEST_NAME: usize = 255;

/// Bytes that a name with an attempt needs for a short result, and for a longer time of the next action.
const ROOM_FOR_RESULT: usize = 64;

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
        FileName { id, priority, due: None, marks: HistoryMarks::None }
    }

    /// Returns the name with a different due time; `None` makes the message due now.
    pub fn due(&self, due: Option<Timestamp>) -> FileName {
        FileName { due, ..self.clone() }
    }

    /// Returns the name with the mark of the first attempt; `None` if the result would not fit after it.
    pub fn with_attempt(&self, attempt: AttemptMark) -> Option<FileName> {
        debug_assert!(self.marks.is_empty(), "an attempt is marked once");
        let name = FileName { marks: HistoryMarks::Begun(attempt), ..self.clone() };
        (name.to_string().len() + ROOM_FOR_RESULT <= LONGEST_NAME).then_some(name)
    }

    /// Returns the name without the mark of an attempt; one with a result stays as it is.
    pub fn without_attempt(&self) -> FileName {
        match &self.marks {
            HistoryMarks::Begun(_) => FileName { marks: HistoryMarks::None, ..self.clone() },
            HistoryMarks::None | HistoryMarks::Succeeded(..) => self.clone(),
        }
    }

    /// Returns the name with the mark of a result; `None` if it does not fit, or if no attempt is marked.
    pub fn with_result(&self, result: ResultMark) -> Option<FileName> {
        let HistoryMarks::Begun(attempt) = &self.marks else { return None };
        let name = FileName { marks: HistoryMarks::Succeeded(attempt.clone(), result), ..self.clone() };
        // Later, a time may come in.
        let longest = name.due(name.due.or(Some(Timestamp::from_seconds(u64::MAX))));
        (longest.to_string().len() <= LONGEST_NAME).then_some(name)
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

    /// Parses a name; `None` for a name that mspool never writes. A run parses up to 100,000 names, so of names without
    /// marks only the id is allocated.
    pub fn parse(text: &str) -> Option<FileName> {
        let (id, mut rest) = split_mark(text);
        let mut name = FileName::new(QueueId::parse(id).ok()?, Priority::Normal);
        if let Some(level) = rest.and_then(|rest| rest.strip_prefix("P=")) {
            let (level, after) = split_mark(level);
            name.priority = match level {
                "u" => Priority::Urgent,
                "n" => Priority::Nonurgent,
                _ => return None,
            };
            rest = after;
        }
        if let Some(seconds) = rest.and_then(|rest| rest.strip_prefix("T=")) {
            let (seconds, after) = split_mark(seconds);
            let is_plain =
                seconds.bytes().all(|byte| byte.is_ascii_digit()) && (seconds == "0" || !seconds.starts_with('0'));
            let number = seconds.parse().ok().filter(|_| is_plain)?;
            name.due = Some(Timestamp::from_seconds(number)).filter(|due| due.seconds() == number);
            name.due?;
            rest = after;
        }
        if let Some(marks) = rest {
            name.marks = HistoryMarks::parse(marks)?;
        }
        debug_assert_eq!(name.to_string(), text, "a name is written as it was read");
        Some(name)
    }
}

/// Splits a text at its first comma.
fn split_mark(text: &str) -> (&str, Option<&str>) {
    text.split_once(',').map_or((text, None), |(mark, rest)| (mark, Some(rest)))
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id.as_str())?;
        match self.priority {
            Priority::Urgent => f.write_str(",P=u")?,
            Priority::Normal => {}
            Priority::Nonurgent => f.write_str(",P=n")?,
        }
        if let Some(due) = self.due {
            write!(f, ",T={}", due.seconds())?;
        }
        self.marks.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::history::mark::MarkedSuccess;
    use crate::mail::status::Status;

    const ID: &str = "1xUk0d-0W7E0000007-0000";

    #[test]
    fn reads_what_it_writes_and_nothing_else() {
        for marks in ["", ",T=1795308999", ",P=u", ",P=n,T=0", ",A=relay:1:0", ",P=u,T=7,A=relay:1:0,R=d:2:0:2.0.0"] {
            let text = format!("{ID}{marks}");
            assert_eq!(FileName::parse(&text).unwrap().to_string(), text);
        }
        for marks in [",", ",T=", ",T=-1", ",T=007", ",T=1,P=u", ",P=x", ",S=12", ":2,S", ",A=", ",A=relay:1:0,T=1"] {
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
    fn a_mark_that_does_not_fit_is_not_made() {
        let name = FileName::new(QueueId::parse(ID).unwrap(), Priority::Normal);
        let (at, running) = (Timestamp::from_seconds(1_795_308_431), RunningTime::from_seconds(60));
        let attempt = |transport: &str| AttemptMark { transport: transport.to_owned(), at, running };
        assert_eq!(name.with_attempt(attempt(&"r".repeat(160))), None);
        let begun = name.with_attempt(attempt("relay")).unwrap();
        let result = |text: String| ResultMark {
            success: MarkedSuccess::Relayed,
            at,
            running,
            status: Status::DONE,
            text,
            remote_id: None,
        };
        assert_eq!(begun.with_result(result("x".repeat(200))), None);
        let text = begun.with_result(result("queued as 4F".to_owned())).unwrap().to_string();
        assert!(text.ends_with(",A=relay:1795308431:60,R=r:1795308431:60:2.0.0:queued%20as%204F"), "{text}");
        assert_eq!(name.with_result(result(String::new())), None, "a result follows an attempt");
    }

    #[test]
    fn a_new_time_keeps_the_rest() {
        let name = FileName::parse(&format!("{ID},P=u,T=5")).unwrap();
        assert_eq!(name.due(None).to_string(), format!("{ID},P=u"));
        assert_eq!(name.due(Some(Timestamp::from_seconds(9))).to_string(), format!("{ID},P=u,T=9"));
        let name = FileName::parse(&format!("{ID},A=relay:1:0")).unwrap();
        assert_eq!(name.due(Some(Timestamp::from_seconds(9))).to_string(), format!("{ID},T=9,A=relay:1:0"));
    }
}
