//! What happened to a message: the records of its log.

use serde::{Deserialize, Serialize};

use crate::mail::envelope::id::QueueId;
use crate::mail::status::Status;
use crate::values::time::Timestamp;

/// One line of a log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogRecord {
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub event: LogEvent,
}

/// What can happen to a message. Recipients are given by their places in the envelope, from 0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum LogEvent {
    /// A transport is given the message. Without a result behind it nobody knows how that ended.
    Attempt {
        /// The transport.
        transport: String,
        /// The number of this attempt for these recipients, from 1.
        attempt: u32,
        /// Whom it is for.
        recipients: Vec<usize>,
    },
    /// Something was decided about recipients.
    Result {
        /// The transport that said so; `None` when we did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        transport: Option<String>,
        /// The decisions.
        results: Vec<Decision>,
    },
    /// The operator set the message aside.
    Held,
    /// The operator let it go on.
    Released,
    /// A report on these recipients is about to be made under this id. Without a `reported` behind it nobody knows
    /// whether it was.
    Reporting {
        /// What the report says.
        kind: ReportKind,
        /// About whom.
        recipients: Vec<usize>,
        /// The report's own queue id.
        report: QueueId,
    },
    /// That report is durable; or none is made, and the text says why.
    Reported {
        /// What the report says.
        kind: ReportKind,
        /// About whom.
        recipients: Vec<usize>,
        /// The report's own queue id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        report: Option<QueueId>,
        /// Why there is none.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        text: String,
    },
    /// Another system has reported on these recipients.
    Heard {
        /// About whom.
        recipients: Vec<usize>,
        /// What they are now.
        state: RecipientState,
        /// The word for what was reported: `delivered`, `failed`, `delayed`, `displayed`.
        action: String,
        /// The status code, where there was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<Status>,
        /// What was said.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        text: String,
        /// The id under which the report was received.
        report: QueueId,
    },
    /// The message is sent again, as this one.
    Resent {
        /// The new message.
        id: QueueId,
        /// Those of its recipients in whose place the new one's are.
        #[serde(default)]
        recipients: Vec<usize>,
        /// True in the second record, which is written when the new message is in the queue.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        queued: bool,
    },
    /// A received message was filed.
    Filed {
        /// The folder; empty for the inbox itself.
        folder: String,
        /// Its message class.
        class: String,
    },
    /// The source of a received message knows that it is safe.
    Acknowledged,
    /// A hook dropped the message.
    Dropped {
        /// The hook's program.
        hook: String,
    },
    /// The outbound hooks were asked; where they want the copy: a folder, empty for the Maildir itself, or nowhere.
    Asked {
        /// The folder.
        #[serde(default)]
        folder: Option<String>,
    },
    /// Something went wrong beside the delivery, and made no difference to it.
    Trouble {
        /// What.
        text: String,
    },
}

/// What a report to the sender says (RFC 3461 section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReportKind {
    /// Somebody has it.
    Success,
    /// Somebody does not have it yet.
    Delay,
    /// Somebody will not get it.
    Failure,
}

/// One decision about some recipients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Whom it is about.
    pub recipients: Vec<usize>,
    /// What they are now.
    pub state: RecipientState,
    /// The status code.
    pub status: Status,
    /// What the transport said, or why we decided.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// When something is to be done again for those who are owed or waited for; `None` is at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Timestamp>,
    /// What the attempt means for the count of attempts.
    #[serde(default, skip_serializing_if = "AttemptCost::is_full")]
    pub charge: AttemptCost,
    /// The next system's name for the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_id: Option<String>,
    /// Messages made of this one by a preprocessor that they have now, where they do not have all of them yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<String>,
}

/// Whether an attempt counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AttemptCost {
    /// It counts, and the next wait is longer.
    #[default]
    Full,
    /// It does not count.
    None,
    /// It does not count, and this transport is not asked again.
    Declined,
}

impl AttemptCost {
    fn is_full(&self) -> bool {
        *self == AttemptCost::Full
    }
}

/// Where a recipient stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RecipientState {
    /// To be delivered yet.
    #[default]
    Owed,
    /// Has it.
    Delivered,
    /// Handed to a system that takes it further.
    Relayed,
    /// Will not get it.
    Failed,
    /// Taken out by the operator.
    Cancelled,
    /// Handed over; the result comes later.
    Async,
    /// Has it, and has read it.
    Read,
}

impl RecipientState {
    /// The word used on disk, in reports and in the manual.
    pub fn word(self) -> &'static str {
        match self {
            RecipientState::Owed => "owed",
            RecipientState::Delivered => "delivered",
            RecipientState::Relayed => "relayed",
            RecipientState::Failed => "failed",
            RecipientState::Cancelled => "cancelled",
            RecipientState::Async => "async",
            RecipientState::Read => "read",
        }
    }

    /// True for whoever has the message, or has had it handed to a system that takes it further.
    pub fn has_message(self) -> bool {
        matches!(self, RecipientState::Delivered | RecipientState::Relayed | RecipientState::Read)
    }

    /// True when nothing is to be done for the recipient any more.
    pub fn is_settled(self) -> bool {
        !matches!(self, RecipientState::Owed | RecipientState::Async)
    }
}
