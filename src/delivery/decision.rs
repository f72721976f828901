//! What a transport's answer means for the recipients it was given.

use std::time::Duration;

use crate::mail::history::record::{Charge, Decision, RecipientState};
use crate::settings::Queue;
use crate::transports::answer::{Answer, Outcome, Verdict};
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
    pub queue: &'a Queue,
}

impl Given<'_> {
    /// What is written down about one of them, after so many attempts.
    pub fn decide(&self, place: usize, outcome: &Outcome, answer: &Answer, attempts: u32, now: Timestamp) -> Decision {
        let mut decision = Decision {
            recipients: vec![place],
            state: RecipientState::Owed,
            status: outcome.status,
            text: outcome.text.clone(),
            next: None,
            charge: Charge::Full,
            remote_id: answer.remote_id.clone(),
            parts: outcome.parts.iter().map(|part| format!("{}:{part}", self.transport.name)).collect(),
        };
        match &outcome.verdict {
            Verdict::Taken => decision.state = self.transport.success_state(),
            Verdict::Failed => decision.state = RecipientState::Failed,
            Verdict::Later(seconds) => {
                let wait = seconds.map(Duration::from_secs);
                let wait = wait.unwrap_or_else(|| self.queue.retry.wait(attempts, crate::sys::random()));
                decision.next = Some(now.after(wait));
            }
            Verdict::Async => {
                decision.state = RecipientState::Async;
                decision.next = Some(now.after(self.transport.async_timeout));
            }
            Verdict::NotMine => decision.charge = Charge::Refused,
            Verdict::Busy | Verdict::Broken => decision.charge = Charge::None,
        }
        decision
    }
}
