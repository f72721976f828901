//! Log records: the events of a message, one JSON object per line.

use serde::{Deserialize, Serialize};

use crate::mail::envelope::id::QueueId;
use crate::mail::envelope::recipient::RecipientIndex;
use crate::mail::history::state::{RecipientState, ReportKind};
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
    /// Start of a program, as earlier versions recorded it.
    Started {},
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
        /// Proof of the report. A report without one changes no state.
        #[serde(default, skip_serializing_if = "ReportProof::is_given")]
        proof: ReportProof,
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
    /// The end of the file is missing, probably since a power failure before the message was acknowledged.
    Incomplete {
        /// What is missing.
        text: String,
    },
    /// Error that did not affect the delivery.
    Trouble {
        /// Description of the error.
        text: String,
    },
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

/// Words for a message whose end is missing and that has no history.
pub const CUT_SHORT: &str = "cut short, perhaps by a power failure before it was accepted";

/// Proof that a report comes from a system that was given the message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReportProof {
    /// The report has a tag of this spool, or came in a way that is trusted.
    #[default]
    Given,
    /// None: anybody who knows the message could have written the report.
    None,
}

impl ReportProof {
    fn is_given(&self) -> bool {
        *self == ReportProof::Given
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
