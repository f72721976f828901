//! Log records: the events of a message, one JSON object per line.

use serde::{Deserialize, Serialize};

use crate::mail::envelope::id::QueueId;
use crate::mail::envelope::recipient::RecipientIndex;
use crate::mail::status::Status;
use crate::values::time::{RunningTime, Timestamp};

/// Record on one line of a message's log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogRecord {
    /// Time of the event.
    pub at: Timestamp,
    /// Running time of the spool at the event, where a runner or an operator recorded it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<RunningTime>,
    /// Event that is recorded.
    #[serde(flatten)]
    pub event: LogEvent,
}

impl LogRecord {
    /// Builds a record without a running time.
    pub fn new(at: Timestamp, event: LogEvent) -> LogRecord {
        LogRecord { at, running: None, event }
    }
}

/// Event of a message. Recipients are given as indices into the envelope, from 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum LogEvent {
    /// Start of a delivery attempt. Without a result after it, the message is maybe delivered.
    Attempt {
        /// Name of the transport.
        transport: String,
        /// Number of this attempt for these recipients, from 1.
        attempt: u32,
        /// Recipients of the attempt.
        recipients: Vec<RecipientIndex>,
    },
    /// Decision about recipients.
    Result {
        /// Transport that gave the result; `None` if mspool decided.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        transport: Option<String>,
        /// Decisions about the recipients.
        results: Vec<Decision>,
    },
    /// Hold by the operator.
    Held,
    /// Release from hold by the operator.
    Released,
    /// Start of a report under this queue id. Without a `reported` record after it, the report may or may not exist.
    Reporting {
        /// Kind of the report.
        kind: ReportKind,
        /// Recipients in the report.
        recipients: Vec<RecipientIndex>,
        /// Queue id of the report.
        report: QueueId,
    },
    /// End of a report: it is durable, or none is made and the text says why.
    Reported {
        /// Kind of the report.
        kind: ReportKind,
        /// Recipients in the report.
        recipients: Vec<RecipientIndex>,
        /// Queue id of the report; `None` if none is made.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        report: Option<QueueId>,
        /// Reason why no report is made.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        text: String,
    },
    /// Incoming report of another system on these recipients.
    Heard {
        /// Recipients in the report.
        recipients: Vec<RecipientIndex>,
        /// State of the recipients after the report.
        state: RecipientState,
        /// Reported action: `delivered`, `failed`, `delayed` or `displayed`.
        action: String,
        /// Reported status code, if any.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<Status>,
        /// Diagnostic text of the report.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        text: String,
        /// Queue id under which the report was received.
        report: QueueId,
    },
    /// Resend of the message as a new one.
    Resent {
        /// Queue id of the new message.
        id: QueueId,
        /// Recipients that the new message is sent to instead.
        #[serde(default)]
        recipients: Vec<RecipientIndex>,
        /// True in the second record, which is written when the new message is in the queue.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        queued: bool,
    },
    /// Filing of a received message in the store.
    Filed {
        /// Folder; empty for the inbox.
        folder: String,
        /// Class of the message.
        class: String,
    },
    /// Acknowledgement of a received message to its source.
    Acknowledged,
    /// Removal of the message by a hook.
    Dropped {
        /// Program of the hook.
        hook: String,
    },
    /// Answer of the outbound hooks about the copy of sent mail.
    Asked {
        /// Folder of the copy, empty for the Maildir itself; `None` for no copy.
        #[serde(default)]
        folder: Option<String>,
    },
    /// Error that did not affect the delivery.
    Trouble {
        /// Description of the error.
        text: String,
    },
}

/// Kind of a report to the sender (RFC 3461 section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReportKind {
    /// Recipients have the message.
    Success,
    /// Recipients do not have the message yet.
    Delay,
    /// Recipients will not get the message.
    Failure,
}

/// Decision about one or more recipients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Recipients that the decision applies to.
    pub recipients: Vec<RecipientIndex>,
    /// State of the recipients after the decision.
    pub state: RecipientState,
    /// Enhanced status code of the result.
    pub status: Status,
    /// Text of the transport, or the reason of mspool.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// Time of the next action for recipients that are owed or async; `None` means at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Timestamp>,
    /// Effect of the attempt on the attempt count.
    #[serde(default, skip_serializing_if = "AttemptCost::is_full")]
    pub charge: AttemptCost,
    /// Id that the next system gave to the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_id: Option<String>,
    /// Parts of the message, made by a filter, that the recipients have so far, if they do not have all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<String>,
}

impl Decision {
    /// Decides that one recipient fails for good.
    pub fn failed(recipient: RecipientIndex, status: Status, text: String) -> Decision {
        Decision { charge: AttemptCost::Full, ..Decision::uncharged(recipient, RecipientState::Failed, status, text) }
    }

    /// Decides on the state of one recipient without counting an attempt.
    pub fn uncharged(recipient: RecipientIndex, state: RecipientState, status: Status, text: String) -> Decision {
        Decision {
            recipients: vec![recipient],
            state,
            status,
            text,
            next: None,
            charge: AttemptCost::None,
            remote_id: None,
            parts: Vec::new(),
        }
    }
}

/// Effect of a delivery attempt on the attempt count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttemptCost {
    /// The attempt counts, and the next delay is longer.
    #[default]
    Full,
    /// The attempt does not count.
    None,
    /// The attempt does not count, and this transport is not tried again.
    Declined,
}

impl AttemptCost {
    fn is_full(&self) -> bool {
        *self == AttemptCost::Full
    }
}

/// State of a recipient.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecipientState {
    /// The message is still to be delivered.
    #[default]
    Owed,
    /// The message is delivered.
    Delivered,
    /// The message was given to a system that forwards it.
    Relayed,
    /// The message will not be delivered.
    Failed,
    /// The operator cancelled the delivery.
    Cancelled,
    /// The transport accepted the message and reports the result later.
    Async,
    /// The message is delivered and was read.
    Read,
}

/// Properties of a recipient state: its whole meaning to the program, in one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateProperties {
    /// Word on disk, in JSON, in reports and in the manual.
    pub word: &'static str,
    /// Word for an attempt that ended in the state.
    pub attempted_word: &'static str,
    /// True when nothing more is done for the recipient.
    pub is_settled: bool,
    /// True when the recipient has the message, or a system that takes it further has it.
    pub has_message: bool,
    /// True when an incoming report may change the state: the message left this machine, and no bad news is known.
    pub follows_reports: bool,
    /// Chance that the recipient does not have the message, for sending it again.
    pub loss: Loss,
    /// Kind of DSN that the state may call for (RFC 3461 section 4.1); `None` for no DSN.
    pub report: Option<ReportKind>,
    /// Event that reaching the state is.
    pub event: RecipientEventKind,
}

/// Chance that a recipient does not have the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// The recipient does not have it and will not get it: `resend` sends it again.
    Certain,
    /// The recipient may not have it: `resend` sends it again if a report says so.
    Possible,
    /// The recipient has it for sure, or delivery is still being attempted.
    None,
}

/// Event that reaching a recipient state is, for counts and for `watch`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecipientEventKind {
    /// Delivered to the recipient.
    Delivered,
    /// Relayed to a system that takes it further.
    Relayed,
    /// Attempted, and to be attempted again, or waiting for a result.
    Deferred,
    /// Failed for good.
    Failed,
    /// A change that no delivery attempt made.
    Changed,
}

impl RecipientState {
    /// Every state, in the order of the manual.
    pub const ALL: [RecipientState; 7] = [
        RecipientState::Owed,
        RecipientState::Delivered,
        RecipientState::Relayed,
        RecipientState::Failed,
        RecipientState::Cancelled,
        RecipientState::Async,
        RecipientState::Read,
    ];

    /// Returns the properties of the state. Each row is written in full: a new state takes over nothing unseen.
    pub const fn properties(self) -> StateProperties {
        match self {
            RecipientState::Owed => StateProperties {
                word: "owed",
                attempted_word: "deferred",
                is_settled: false,
                has_message: false,
                follows_reports: false,
                loss: Loss::None,
                report: Some(ReportKind::Delay),
                event: RecipientEventKind::Deferred,
            },
            RecipientState::Async => StateProperties {
                word: "async",
                attempted_word: "async",
                is_settled: false,
                has_message: false,
                follows_reports: false,
                loss: Loss::None,
                report: None,
                event: RecipientEventKind::Deferred,
            },
            RecipientState::Delivered => StateProperties {
                word: "delivered",
                attempted_word: "delivered",
                is_settled: true,
                has_message: true,
                follows_reports: true,
                loss: Loss::Possible,
                report: Some(ReportKind::Success),
                event: RecipientEventKind::Delivered,
            },
            RecipientState::Relayed => StateProperties {
                word: "relayed",
                attempted_word: "relayed",
                is_settled: true,
                has_message: true,
                follows_reports: true,
                loss: Loss::Possible,
                report: Some(ReportKind::Success),
                event: RecipientEventKind::Relayed,
            },
            RecipientState::Read => StateProperties {
                word: "read",
                attempted_word: "read",
                is_settled: true,
                has_message: true,
                follows_reports: true,
                loss: Loss::None,
                report: None,
                event: RecipientEventKind::Changed,
            },
            RecipientState::Failed => StateProperties {
                word: "failed",
                attempted_word: "failed",
                is_settled: true,
                has_message: false,
                follows_reports: false,
                loss: Loss::Certain,
                report: Some(ReportKind::Failure),
                event: RecipientEventKind::Failed,
            },
            RecipientState::Cancelled => StateProperties {
                word: "cancelled",
                attempted_word: "cancelled",
                is_settled: true,
                has_message: false,
                follows_reports: false,
                loss: Loss::Certain,
                report: None,
                event: RecipientEventKind::Changed,
            },
        }
    }

    /// Returns the word used on disk, in reports and in the manual.
    pub fn word(self) -> &'static str {
        self.properties().word
    }

    /// Returns true if the recipient has the message, or a system that forwards it has.
    pub fn has_message(self) -> bool {
        self.properties().has_message
    }

    /// Returns true if no action is left for the recipient.
    pub fn is_settled(self) -> bool {
        self.properties().is_settled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Position of a state in [`RecipientState::ALL`]. A new state does not compile without one.
    fn position(state: RecipientState) -> usize {
        match state {
            RecipientState::Owed => 0,
            RecipientState::Delivered => 1,
            RecipientState::Relayed => 2,
            RecipientState::Failed => 3,
            RecipientState::Cancelled => 4,
            RecipientState::Async => 5,
            RecipientState::Read => 6,
        }
    }

    #[test]
    fn every_state_is_listed_and_has_one_word() {
        for (index, state) in RecipientState::ALL.into_iter().enumerate() {
            assert_eq!(position(state), index);
            assert_eq!(serde_json::to_value(state).unwrap(), state.word());
            let row = state.properties();
            assert!(row.is_settled || !row.has_message, "{}: who has the message is settled", row.word);
            assert!(!row.has_message || row.loss != Loss::Certain, "{}: nobody gets it twice", row.word);
        }
    }
}
