//! Progress of the delivery to one recipient, as the log adds up to it.

use serde::Serialize;

use crate::mail::envelope::id::QueueId;
use crate::mail::history::record::{AttemptCost, Decision};
use crate::mail::history::state::{RecipientState, ReportKind};
use crate::mail::status::Status;
use crate::values::time::{RunningTime, Timestamp};

/// Progress of the delivery to one recipient.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecipientProgress {
    /// Current state of the recipient.
    pub state: RecipientState,
    /// Enhanced status code of the last result.
    pub status: Option<Status>,
    /// Text of the last result.
    pub text: String,
    /// Transport of the last attempt.
    pub transport: Option<String>,
    /// Id that the next system gave to the message.
    pub remote_id: Option<String>,
    /// Number of counted attempts, including those with an unknown result.
    pub attempts: u32,
    /// Number of those attempts before the last release from hold: the back-off begins again with a release.
    pub attempts_before_release: u32,
    /// Start time of the last attempt.
    pub last_attempt: Option<Timestamp>,
    /// Time of the next action; `None` means at once.
    pub next: Option<Timestamp>,
    /// Transports that declined the recipient ("not mine").
    pub declined_by: Vec<String>,
    /// True if no result follows the last attempt: the message is maybe delivered.
    pub outcome_unknown: bool,
    /// Reports that were sent, or that need not be sent any more.
    pub reported: Vec<ReportKind>,
    /// Actions in incoming reports that were proven, without repetition.
    pub incoming_actions: Vec<String>,
    /// Incoming reports that were not proven: they changed nothing. One for each action.
    pub unproven_reports: Vec<UnprovenReport>,
    /// Time of the last result.
    pub last_result: Option<Timestamp>,
    /// Running time of that result.
    pub last_result_running: Option<RunningTime>,
    /// Parts of the message, made by a filter, that the recipient already has.
    pub parts: Vec<String>,
    /// Queue ids of the messages that resend this one to the recipient, or were about to.
    pub resent: Vec<QueueId>,
}

/// Incoming report that could have been written by anybody.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UnprovenReport {
    /// Reported action: `delivered`, `failed`, `delayed` or `displayed`.
    pub action: String,
    /// Reported status code, if any.
    pub status: Option<Status>,
    /// Diagnostic text of the report.
    pub text: String,
    /// Queue id under which the report was received.
    pub report: QueueId,
}

impl RecipientProgress {
    /// Returns true when something is to be done for the recipient, but not yet.
    ///
    /// A clock that stands before the last result was wrong then, or is wrong now. Either way the time of the next action
    /// is not believed further than it was meant to reach: the recipient does not wait.
    pub fn waits(&self, now: Timestamp) -> bool {
        let was_ahead = self.last_result.is_some_and(|at| at > now);
        !was_ahead && self.next.is_some_and(|next| next > now)
    }

    /// Takes over a decision. `transport` is the one that made it; `None` if mspool did.
    pub(super) fn decide(&mut self, transport: Option<&str>, decision: &Decision) {
        if self.outcome_unknown && decision.charge != AttemptCost::Full {
            self.attempts = self.attempts.saturating_sub(1);
        }
        if decision.charge == AttemptCost::Declined
            && let Some(transport) = transport
        {
            self.declined_by.push(transport.to_owned());
        }
        debug_assert!(decision.next.is_none() || !decision.state.is_settled(), "a settled recipient waits for nothing");
        self.outcome_unknown = false;
        self.state = decision.state;
        self.status = Some(decision.status);
        self.text.clone_from(&decision.text);
        self.next = decision.next;
        if let Some(transport) = transport {
            self.transport = Some(transport.to_owned());
        }
        self.parts.extend(decision.parts.iter().filter(|part| !self.parts.contains(part)).cloned().collect::<Vec<_>>());
        if decision.remote_id.is_some() {
            self.remote_id.clone_from(&decision.remote_id);
        }
    }
}
