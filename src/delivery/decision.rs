//! From the result of a transport to a decision: what is recorded about a recipient.

use std::time::Duration;

use crate::mail::history::record::{AttemptCost, Decision};
use crate::mail::history::state::RecipientState;
use crate::settings::QueueSettings;
use crate::sys::random;
use crate::transports::answer::{ResultKind, TransportResult};
use crate::transports::transport::Transport;
use crate::values::time::Timestamp;

/// Decides about one recipient; the caller puts its index in.
///
/// `attempts` counts the attempts made for the recipient so far, this one included: the wait for the next grows with it.
pub(super) fn decide(
    transport: &Transport,
    queue: &QueueSettings,
    result: &TransportResult,
    attempts: u32,
    now: Timestamp,
) -> Decision {
    let (state, next, charge) = match &result.kind {
        ResultKind::Accepted => (transport.success_state(), None, AttemptCost::Full),
        ResultKind::Failed => (RecipientState::Failed, None, AttemptCost::Full),
        ResultKind::Deferred(seconds) => {
            let wait = seconds.map_or_else(
                || queue.retry.delay(attempts, random()),
                |seconds| Duration::from_secs(seconds).min(queue.max_retry_after),
            );
            (RecipientState::Owed, Some(now.after(wait)), AttemptCost::Full)
        }
        ResultKind::Async => (RecipientState::Async, Some(now.after(transport.async_timeout)), AttemptCost::Full),
        ResultKind::NotMine => (RecipientState::Owed, None, AttemptCost::Declined),
        ResultKind::Busy | ResultKind::Broken | ResultKind::LoginRefused => {
            (RecipientState::Owed, None, AttemptCost::None)
        }
    };
    Decision {
        recipients: Vec::new(),
        state,
        status: result.status,
        text: result.text.clone(),
        next,
        charge,
        remote_id: None,
        parts: result.parts.iter().map(|part| format!("{}:{part}", transport.name)).collect(),
    }
}
