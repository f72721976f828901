//! States of a recipient, and everything that a state means to the program.

use serde::{Deserialize, Serialize};

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
