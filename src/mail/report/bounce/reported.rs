//! Recipients in an incoming report.

use crate::mail::status::{Status, StatusClass};

/// Action in an incoming report: the result of the delivery, or the action of the recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReportedAction {
    /// Delivery failed permanently (RFC 3464 section 2.3.3), or the disposition failed (RFC 3798).
    Failed,
    /// Delivery is still being attempted.
    Delayed,
    /// The message is in the mailbox.
    Delivered,
    /// The message went to a system that sends no such reports.
    Relayed,
    /// The message was forwarded to several recipients.
    Expanded,
    /// The message was displayed (RFC 8098 section 3.2.6.2).
    Displayed,
    /// The message was deleted, possibly unread.
    Deleted,
    /// The message was forwarded without being displayed.
    Dispatched,
    /// The message was processed without being displayed.
    Processed,
    /// The recipient declined to send a disposition.
    Denied,
    /// The report has no action, an unknown one, or one that its status contradicts. It says nothing about the delivery.
    Other,
}

impl ReportedAction {
    const ALL: [ReportedAction; 11] = [
        ReportedAction::Failed,
        ReportedAction::Delayed,
        ReportedAction::Delivered,
        ReportedAction::Relayed,
        ReportedAction::Expanded,
        ReportedAction::Displayed,
        ReportedAction::Deleted,
        ReportedAction::Dispatched,
        ReportedAction::Processed,
        ReportedAction::Denied,
        ReportedAction::Other,
    ];

    /// Returns the keyword of the RFC, or `other`.
    pub fn word(self) -> &'static str {
        match self {
            ReportedAction::Failed => "failed",
            ReportedAction::Delayed => "delayed",
            ReportedAction::Delivered => "delivered",
            ReportedAction::Relayed => "relayed",
            ReportedAction::Expanded => "expanded",
            ReportedAction::Displayed => "displayed",
            ReportedAction::Deleted => "deleted",
            ReportedAction::Dispatched => "dispatched",
            ReportedAction::Processed => "processed",
            ReportedAction::Denied => "denied",
            ReportedAction::Other => "other",
        }
    }

    /// Parses the action of a delivery report: a keyword of the RFC, or a word that some systems write for `failed`.
    pub(super) fn of_delivery(word: &str) -> Option<ReportedAction> {
        let failed = ["failure", "error", "expired"].iter().any(|other| other.eq_ignore_ascii_case(word));
        if failed { Some(ReportedAction::Failed) } else { ReportedAction::parse(word) }
    }

    /// Parses a keyword of the RFC, ignoring case.
    pub(super) fn parse(word: &str) -> Option<ReportedAction> {
        ReportedAction::ALL
            .into_iter()
            .find(|action| *action != ReportedAction::Other && action.word().eq_ignore_ascii_case(word))
    }

    /// Returns the action that a status implies, for a report without an action. Success implies none: the message can be
    /// in the mailbox, or only on the way, or the report can be about an address alone.
    pub(super) fn by_status(status: Option<Status>) -> ReportedAction {
        match status.map(Status::class) {
            Some(StatusClass::Temporary) => ReportedAction::Delayed,
            Some(StatusClass::Permanent) => ReportedAction::Failed,
            Some(StatusClass::Success) | None => ReportedAction::Other,
        }
    }

    /// Returns true if a report states both the action and the status, and one of them must be wrong.
    pub(super) fn contradicts(self, status: Status) -> bool {
        let is_success = status.class() == StatusClass::Success;
        match self {
            ReportedAction::Failed | ReportedAction::Delayed => is_success,
            ReportedAction::Delivered | ReportedAction::Relayed | ReportedAction::Expanded => !is_success,
            _ => false,
        }
    }

    /// Returns the status that the action implies, for a report without a status.
    pub(super) fn status(self) -> Option<Status> {
        match self {
            ReportedAction::Failed => Some(Status::FAILED),
            ReportedAction::Delayed => Some(Status::TEMPORARY),
            ReportedAction::Delivered | ReportedAction::Relayed | ReportedAction::Expanded => Some(Status::DONE),
            _ => None,
        }
    }

    /// Returns true if a report with this action can have the status. A message that failed after many attempts can
    /// have a temporary status.
    pub(super) fn allows(self, status: Status) -> bool {
        match self {
            ReportedAction::Failed => status.class() != StatusClass::Success,
            ReportedAction::Delayed => status.class() == StatusClass::Temporary,
            ReportedAction::Delivered | ReportedAction::Relayed | ReportedAction::Expanded => {
                status.class() == StatusClass::Success
            }
            _ => true,
        }
    }
}

/// Certainty that a report says what was read from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReportCertainty {
    /// The report says so in its fields or in a known wording, or with a permanent status code in the text about the
    /// recipient.
    Stated,
    /// The recipient was found by the structure of a text and the words in it.
    Inferred,
}

impl ReportCertainty {
    /// Returns the certainty as one word.
    pub fn word(self) -> &'static str {
        match self {
            ReportCertainty::Stated => "stated",
            ReportCertainty::Inferred => "inferred",
        }
    }
}

/// Recipient in an incoming report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedRecipient {
    /// Final recipient, without its type.
    pub address: String,
    /// Original recipient as the sender wrote it, decoded, without its type.
    pub original: Option<String>,
    /// Action that the report states or implies.
    pub action: ReportedAction,
    /// Certainty of the address and the action.
    pub certainty: ReportCertainty,
    /// Status that the report states or implies.
    pub status: Option<Status>,
    /// Diagnostic text of the reporting system, safe to print.
    pub diagnostic: Option<String>,
    /// System that gave the diagnostic.
    pub remote_mta: Option<String>,
}
