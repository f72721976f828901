//! Deciding what to do for each recipient of a message.

use crate::mail::address::Address;
use crate::mail::envelope::Envelope;
use crate::mail::envelope::recipient::RecipientIndex;
use crate::mail::history::History;
use crate::mail::history::record::RecipientState;
use crate::mail::status::Status;
use crate::settings::Settings;
use crate::transports::transport::TransportIndex;
use crate::values::time::{self, Timestamp};

/// Plan for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecipientPlan {
    /// Do nothing now.
    Wait,
    /// Hand the message to this transport.
    HandOver(TransportIndex),
    /// Fail the recipient: no transport takes it, with the reason.
    NoRoute(String),
    /// Keep the recipient owed: no transport is configured for it.
    Unconfigured,
    /// Fail the recipient: its time is over, with the status and the reason.
    Expire(Status, String),
    /// Make the recipient owed again: the result of an asynchronous hand-off was not reported in time.
    AsyncTimeout,
}

/// Rule for recipients whose back-off is not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackoffRule {
    /// The back-off is waited for.
    Respect,
    /// The back-off does not count: the operator said so.
    Ignore,
}

/// Plans what to do for one recipient, by the configuration of now.
pub fn plan(
    settings: &Settings,
    envelope: &Envelope,
    history: &History,
    recipient: RecipientIndex,
    now: Timestamp,
    backoff: BackoffRule,
) -> RecipientPlan {
    let (Some(address), Some(progress)) = (envelope.address(recipient), history.recipients.get(recipient)) else {
        return RecipientPlan::Wait;
    };
    let waits = progress.next.is_some_and(|next| next > now);
    match progress.state {
        RecipientState::Owed => {}
        RecipientState::Async if !waits => return RecipientPlan::AsyncTimeout,
        RecipientState::Async
        | RecipientState::Delivered
        | RecipientState::Relayed
        | RecipientState::Read
        | RecipientState::Failed
        | RecipientState::Cancelled => return RecipientPlan::Wait,
    }
    if envelope.expires(settings.queue.lifetime, history.released) <= now {
        return expire(settings, envelope, &progress.text, now);
    }
    if waits && backoff == BackoffRule::Respect {
        return RecipientPlan::Wait;
    }
    let has_declined =
        |transport: &TransportIndex| progress.declined_by.contains(&settings.transports[*transport].name);
    let candidates = settings.candidates(address, envelope.transport.as_deref());
    match candidates.iter().find(|transport| !has_declined(transport)) {
        Some(transport) => RecipientPlan::HandOver(*transport),
        None if settings.has_no_transports => RecipientPlan::Unconfigured,
        None if candidates.is_empty() && envelope.transport.is_some() => RecipientPlan::Unconfigured,
        None if candidates.is_empty() => RecipientPlan::NoRoute(format!("no transport takes {}", describe(address))),
        None => RecipientPlan::NoRoute(format!("every transport declined {}", describe(address))),
    }
}

/// Words why a recipient fails for its time: a deadline that the sender gave, or the lifetime.
fn expire(settings: &Settings, envelope: &Envelope, last_text: &str, now: Timestamp) -> RecipientPlan {
    let tried = if last_text.is_empty() { String::new() } else { format!("; last: {last_text}") };
    match envelope.deliver_by {
        Some(deadline) if deadline <= now => {
            RecipientPlan::Expire(Status::TOO_LATE, format!("not delivered by {deadline}{tried}"))
        }
        _ => RecipientPlan::Expire(
            Status::EXPIRED,
            format!("not delivered within {}{tried}", time::span(settings.queue.lifetime)),
        ),
    }
}

fn describe(address: &Address) -> String {
    if address.is_smtp() { "this address".to_owned() } else { format!("addresses of type {}", address.kind()) }
}
