//! What a report says about one recipient.

use crate::mail::status::{Status, StatusClass};

/// What became of the message, or what its reader did with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ReportedAction {
    /// It could not be delivered, and will not be (RFC 3464 section 2.3.3); or not be disposed of (RFC 3798).
    Failed,
    /// It is still being tried.
    Delayed,
    /// It is in the mailbox.
    Delivered,
    /// It went on to a system that makes no such reports.
    Relayed,
    /// It went on to several recipients.
    Expanded,
    /// It was shown to somebody (RFC 8098 section 3.2.6.2).
    Displayed,
    /// It was deleted, perhaps unseen.
    Deleted,
    /// It was sent on, without being shown.
    Dispatched,
    /// It was processed, without being shown.
    Processed,
    /// The reader does not want to tell.
    Denied,
    /// The report does not tell, or uses a word of its own.
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

    /// The RFC's word; `other` where it has none.
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

    /// Takes the RFC's word, in any case.
    pub(super) fn parse(word: &str) -> Option<ReportedAction> {
        ReportedAction::ALL
            .into_iter()
            .find(|action| *action != ReportedAction::Other && action.word().eq_ignore_ascii_case(word))
    }

    /// What a status means when there is no word.
    pub(super) fn by_status(status: Option<Status>) -> ReportedAction {
        match status.map(Status::class) {
            Some(StatusClass::Success) => ReportedAction::Delivered,
            Some(StatusClass::Temporary) => ReportedAction::Delayed,
            Some(StatusClass::Permanent) => ReportedAction::Failed,
            None => ReportedAction::Other,
        }
    }

    /// The status of a recipient of whom only this is told.
    pub(super) fn status(self) -> Option<Status> {
        match self {
            ReportedAction::Failed => Some(Status::FAILED),
            ReportedAction::Delayed => Some(Status::TEMPORARY),
            ReportedAction::Delivered | ReportedAction::Relayed | ReportedAction::Expanded => Some(Status::DONE),
            _ => None,
        }
    }

    /// True when a report with this word may have such a status. A message given up after many tries has failed with a
    /// temporary one.
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

/// What a report says about one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportedRecipient {
    /// The final recipient, without its type.
    pub address: String,
    /// The recipient as the sender wrote it, decoded and without its type.
    pub original: Option<String>,
    /// What became of the message.
    pub action: ReportedAction,
    /// The status, given or derived.
    pub status: Option<Status>,
    /// What the reporting system was told, or found; safe to print.
    pub diagnostic: Option<String>,
    /// The system that told it.
    pub remote_mta: Option<String>,
}
