//! What a report says about one recipient.

use crate::mail::status::{Class, Status};

/// What became of the message, or what its reader did with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
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

impl Action {
    const ALL: [Action; 11] = [
        Action::Failed,
        Action::Delayed,
        Action::Delivered,
        Action::Relayed,
        Action::Expanded,
        Action::Displayed,
        Action::Deleted,
        Action::Dispatched,
        Action::Processed,
        Action::Denied,
        Action::Other,
    ];

    /// The RFC's word; `other` where it has none.
    pub fn word(self) -> &'static str {
        match self {
            Action::Failed => "failed",
            Action::Delayed => "delayed",
            Action::Delivered => "delivered",
            Action::Relayed => "relayed",
            Action::Expanded => "expanded",
            Action::Displayed => "displayed",
            Action::Deleted => "deleted",
            Action::Dispatched => "dispatched",
            Action::Processed => "processed",
            Action::Denied => "denied",
            Action::Other => "other",
        }
    }

    /// Takes the RFC's word, in any case.
    pub(super) fn parse(word: &str) -> Option<Action> {
        Action::ALL.into_iter().find(|action| *action != Action::Other && action.word().eq_ignore_ascii_case(word))
    }

    /// What a status means when there is no word.
    pub(super) fn by_status(status: Option<Status>) -> Action {
        match status.map(Status::class) {
            Some(Class::Success) => Action::Delivered,
            Some(Class::Temporary) => Action::Delayed,
            Some(Class::Permanent) => Action::Failed,
            None => Action::Other,
        }
    }

    /// The status of a recipient of whom only this is told.
    pub(super) fn status(self) -> Option<Status> {
        match self {
            Action::Failed => Some(Status::FAILED),
            Action::Delayed => Some(Status::TEMPORARY),
            Action::Delivered | Action::Relayed | Action::Expanded => Some(Status::DONE),
            _ => None,
        }
    }

    /// True when a report with this word may have such a status. A message given up after many tries has failed with a
    /// temporary one.
    pub(super) fn allows(self, status: Status) -> bool {
        match self {
            Action::Failed => status.class() != Class::Success,
            Action::Delayed => status.class() == Class::Temporary,
            Action::Delivered | Action::Relayed | Action::Expanded => status.class() == Class::Success,
            _ => true,
        }
    }
}

/// What a report says about one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// The final recipient, without its type.
    pub address: String,
    /// The recipient as the sender wrote it, decoded and without its type.
    pub original: Option<String>,
    /// What became of the message.
    pub action: Action,
    /// The status, given or derived.
    pub status: Option<Status>,
    /// What the reporting system was told, or found; safe to print.
    pub diagnostic: Option<String>,
    /// The system that told it.
    pub remote_mta: Option<String>,
}
