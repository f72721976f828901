//! Marks in the name of a queue file: the common history of a message, which then needs no log.
//!
//! Most messages are handed over once, as a whole, and succeed. Their history is two marks: `A=` says that a hand-off to
//! all recipients has begun, `R=` that it succeeded for all of them. A mark stands for a record of the log, and tells the
//! same.

use std::fmt;

use crate::mail::envelope::recipient::RecipientIndex;
use crate::mail::history::record::{AttemptCost, Decision, LogEvent, LogRecord};
use crate::mail::history::state::RecipientState;
use crate::mail::status::{Status, StatusClass};
use crate::values::time::{RunningTime, Timestamp};

/// Mark `A=TRANSPORT:SECONDS:RUNNING`: the first hand-off of a message, to all its recipients, has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptMark {
    /// Name of the transport.
    pub transport: String,
    /// Wall-clock time of the start.
    pub at: Timestamp,
    /// Running time of the start.
    pub running: RunningTime,
}

/// Success of a whole message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkedSuccess {
    /// Written `d`.
    Delivered,
    /// Written `r`.
    Relayed,
}

/// Mark `R=STATE:SECONDS:RUNNING:STATUS[:TEXT[:REMOTE_ID]]`: the hand-off succeeded for all recipients, with the same
/// result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultMark {
    /// State of every recipient.
    pub success: MarkedSuccess,
    /// Wall-clock time of the result.
    pub at: Timestamp,
    /// Running time of the result.
    pub running: RunningTime,
    /// Status code of the result.
    pub status: Status,
    /// Text of the transport.
    pub text: String,
    /// Id that the next system gave to the message.
    pub remote_id: Option<String>,
}

/// Marks in the name of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HistoryMarks {
    /// What happened, if anything, is in the log.
    #[default]
    None,
    /// The first hand-off has begun.
    Begun(AttemptMark),
    /// The first hand-off has succeeded.
    Succeeded(AttemptMark, ResultMark),
}

impl HistoryMarks {
    /// Returns true if there is no mark.
    pub fn is_empty(&self) -> bool {
        *self == HistoryMarks::None
    }

    /// Returns the mark of the attempt.
    pub fn attempt(&self) -> Option<&AttemptMark> {
        match self {
            HistoryMarks::None => None,
            HistoryMarks::Begun(attempt) | HistoryMarks::Succeeded(attempt, _) => Some(attempt),
        }
    }

    /// Returns the mark of the result.
    pub fn result(&self) -> Option<&ResultMark> {
        if let HistoryMarks::Succeeded(_, result) = self { Some(result) } else { None }
    }

    /// Returns the records that the marks stand for. The recipients are all of the message.
    pub fn records(&self, recipients: impl Iterator<Item = RecipientIndex>) -> Vec<LogRecord> {
        let all: Vec<RecipientIndex> = if self.is_empty() { Vec::new() } else { recipients.collect() };
        let attempt = self.attempt().map(|mark| mark.record(all.clone()));
        let result = self.result().zip(self.attempt()).map(|(mark, attempt)| mark.record(&attempt.transport, all));
        attempt.into_iter().chain(result).collect()
    }

    /// Parses what follows the id and the other marks in a name, such as `A=relay:1795308431:60`; `None` for a text that
    /// this module does not write.
    pub fn parse(text: &str) -> Option<HistoryMarks> {
        let (attempt, result) = text.split_once(',').map_or((text, None), |(first, rest)| (first, Some(rest)));
        let attempt = AttemptMark::parse(attempt.strip_prefix("A=")?)?;
        let marks = match result {
            None => HistoryMarks::Begun(attempt),
            Some(result) => HistoryMarks::Succeeded(attempt, ResultMark::parse(result.strip_prefix("R=")?)?),
        };
        // One history has one text.
        (marks.to_string().strip_prefix(',') == Some(text)).then_some(marks)
    }
}

impl fmt::Display for HistoryMarks {
    /// Writes the marks with a comma before each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(attempt) = self.attempt() {
            let AttemptMark { transport, at, running } = attempt;
            write!(f, ",A={}:{}:{}", Escaped(transport), at.seconds(), running.seconds())?;
        }
        if let Some(result) = self.result() {
            let state = match result.success {
                MarkedSuccess::Delivered => 'd',
                MarkedSuccess::Relayed => 'r',
            };
            let (at, running) = (result.at.seconds(), result.running.seconds());
            write!(f, ",R={state}:{at}:{running}:{}", result.status)?;
            if !result.text.is_empty() || result.remote_id.is_some() {
                write!(f, ":{}", Escaped(&result.text))?;
            }
            if let Some(remote_id) = &result.remote_id {
                write!(f, ":{}", Escaped(remote_id))?;
            }
        }
        Ok(())
    }
}

impl AttemptMark {
    /// Returns the record of the attempt.
    pub fn record(&self, recipients: Vec<RecipientIndex>) -> LogRecord {
        let event = LogEvent::Attempt { transport: self.transport.clone(), attempt: 1, recipients };
        LogRecord { at: self.at, running: Some(self.running), event }
    }

    fn parse(text: &str) -> Option<AttemptMark> {
        let mut fields = text.split(':');
        let mark = AttemptMark {
            transport: unescaped(fields.next()?)?,
            at: Timestamp::from_seconds(number(fields.next()?)?),
            running: RunningTime::from_seconds(number(fields.next()?)?),
        };
        fields.next().is_none().then_some(mark)
    }
}

impl ResultMark {
    /// Returns the mark of a decision, if it is a success for all and a mark can tell all of it.
    pub fn of(decision: &Decision, at: Timestamp, running: RunningTime) -> Option<ResultMark> {
        let success = match decision.state {
            RecipientState::Delivered => MarkedSuccess::Delivered,
            RecipientState::Relayed => MarkedSuccess::Relayed,
            _ => return None,
        };
        let is_plain = decision.charge == AttemptCost::Full
            && decision.parts.is_empty()
            && decision.next.is_none()
            && decision.status.class() == StatusClass::Success;
        is_plain.then(|| ResultMark {
            success,
            at,
            running,
            status: decision.status,
            text: decision.text.clone(),
            remote_id: decision.remote_id.clone(),
        })
    }

    /// Returns the record of the result.
    pub fn record(&self, transport: &str, recipients: Vec<RecipientIndex>) -> LogRecord {
        let state = match self.success {
            MarkedSuccess::Delivered => RecipientState::Delivered,
            MarkedSuccess::Relayed => RecipientState::Relayed,
        };
        let decision = Decision {
            recipients,
            state,
            status: self.status,
            text: self.text.clone(),
            next: None,
            charge: AttemptCost::Full,
            remote_id: self.remote_id.clone(),
            parts: Vec::new(),
        };
        let event = LogEvent::Result { transport: Some(transport.to_owned()), results: vec![decision] };
        LogRecord { at: self.at, running: Some(self.running), event }
    }

    fn parse(text: &str) -> Option<ResultMark> {
        let mut fields = text.split(':');
        let success = match fields.next()? {
            "d" => MarkedSuccess::Delivered,
            "r" => MarkedSuccess::Relayed,
            _ => return None,
        };
        let mark = ResultMark {
            success,
            at: Timestamp::from_seconds(number(fields.next()?)?),
            running: RunningTime::from_seconds(number(fields.next()?)?),
            status: Status::parse(fields.next()?)?,
            text: fields.next().map_or(Some(String::new()), unescaped)?,
            remote_id: match fields.next() {
                Some(remote_id) => Some(unescaped(remote_id)?),
                None => None,
            },
        };
        fields.next().is_none().then_some(mark)
    }
}

fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// Text in a file name: every byte that is neither a letter, a digit nor one of `._@+-` is written as `%XX`.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.bytes() {
            if byte.is_ascii_alphanumeric() || b"._@+-".contains(&byte) {
                write!(f, "{}", char::from(byte))?;
            } else {
                write!(f, "%{byte:02X}")?;
            }
        }
        Ok(())
    }
}

fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut pieces = text.split('%');
    bytes.extend_from_slice(pieces.next()?.as_bytes());
    for piece in pieces {
        bytes.push(u8::from_str_radix(piece.get(..2)?, 16).ok()?);
        bytes.extend_from_slice(piece.get(2..)?.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn marks(text: &str) -> HistoryMarks {
        HistoryMarks::parse(text).unwrap()
    }

    #[test]
    fn reads_what_it_writes_and_nothing_else() {
        for text in [
            "A=relay:1795308431:60",
            "A=relay:1795308431:60,R=r:1795308432:61:2.0.0",
            "A=my%20relay:1:0,R=d:2:0:2.1.5:queued%20as%204F:4F",
            "A=relay:1:0,R=d:2:0:2.0.0::4F",
        ] {
            assert_eq!(marks(text).to_string(), format!(",{text}"));
        }
        for text in [
            "",
            "A=",
            "A=relay",
            "A=relay:1",
            "A=relay:01:0",
            "A=relay:1:0:0",
            "A=relay:1:0,",
            "A=relay:1:0,R=",
            "A=relay:1:0,R=x:1:0:2.0.0",
            "A=relay:1:0,R=d:1:0:2.0.0:",
            "A=re%6cay:1:0",
            "A=re%6Cay:1:0",
            "A=re%:1:0",
            "R=d:1:0:2.0.0",
        ] {
            assert_eq!(HistoryMarks::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_mark_stands_for_two_records() {
        let recipients = [0, 1].map(<RecipientIndex as crate::values::table::TableIndex>::new);
        let records = marks("A=relay:10:5,R=r:11:6:2.0.0:ok:4F").records(recipients.into_iter());
        let lines: Vec<String> = records.iter().map(|record| serde_json::to_string(record).unwrap()).collect();
        assert!(lines[0].contains("\"attempt\":1,\"recipients\":[0,1]"), "{}", lines[0]);
        assert!(lines[1].contains("\"recipients\":[0,1],\"state\":\"relayed\",\"status\":\"2.0.0\""), "{}", lines[1]);
        assert!(lines[1].ends_with("\"text\":\"ok\",\"remote_id\":\"4F\"}]}"), "{}", lines[1]);
    }

    proptest! {
        #[test]
        fn any_text_survives(transport in "\\PC{1,20}", text in "(?s).{0,40}", remote in proptest::option::of("\\PC{0,20}")) {
            let attempt =
                AttemptMark { transport, at: Timestamp::from_seconds(1), running: RunningTime::from_seconds(2) };
            let result = ResultMark {
                success: MarkedSuccess::Relayed,
                at: Timestamp::from_seconds(3),
                running: RunningTime::from_seconds(4),
                status: Status::DONE,
                text,
                remote_id: remote,
            };
            let marks = HistoryMarks::Succeeded(attempt, result);
            let written = marks.to_string();
            prop_assert!(written.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/'));
            prop_assert_eq!(HistoryMarks::parse(&written[1..]), Some(marks));
        }

        #[test]
        fn any_name_can_be_judged(text in "A=[a-z%0-9:.,R=]{0,40}") {
            if let Some(marks) = HistoryMarks::parse(&text) {
                prop_assert_eq!(marks.to_string(), format!(",{text}"));
            }
        }
    }
}
