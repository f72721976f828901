//! What a transport's answer means for the recipients it was given.

use std::time::Duration;

use crate::mail::history::record::{AttemptCost, Decision, RecipientState};
use crate::settings::QueueSettings;
use crate::transports::answer::{HandOffResult, ResultKind, TransportResult};
use crate::transports::transport::Transport;
use crate::values::time::Timestamp;

/// Recipients that were handed to a transport.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// The transport.
    pub transport: &'a Transport,
    /// Their places.
    pub places: &'a [usize],
    /// How the queue is kept.
    pub queue: &'a QueueSettings,
}

impl Given<'_> {
    /// What is written down about one of them, after so many attempts.
    pub fn decide(
        &self,
        place: usize,
        outcome: &TransportResult,
        answer: &HandOffResult,
        attempts: u32,
        now: Timestamp,
    ) -> Decision {
        let mut decision = Decision {
            recipients: vec![place],
            state: RecipientState::Owed,
            status: outcome.status,
            text: outcome.text.clone(),
            next: None,
            charge: AttemptCost::Full,
            remote_id: answer.remote_id.clone(),
            parts: outcome.parts.iter().map(|part| format!("{}:{part}", self.transport.name)).collect(),
        };
        match &outcome.verdict {
            ResultKind::Accepted => decision.state = self.transport.success_state(),
            ResultKind::Failed => decision.state = RecipientState::Failed,
            ResultKind::Deferred(seconds) => {
                let wait = seconds.map(Duration::from_secs);
                let wait = wait.unwrap_or_else(|| self.queue.retry.delay(attempts, crate::sys::random()));
                decision.next = Some(now.after(wait));
            }
            ResultKind::Async => {
                decision.state = RecipientState::Async;
                decision.next = Some(now.after(self.transport.async_timeout));
            }
            ResultKind::NotMine => decision.charge = AttemptCost::Declined,
            ResultKind::Busy | ResultKind::Broken => decision.charge = AttemptCost::None,
        }
        decision
    }
}
