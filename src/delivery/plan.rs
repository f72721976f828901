//! Deciding what to do for each recipient of a message.

use crate::mail::address::Address;
use crate::mail::envelope::Envelope;
use crate::mail::history::History;
use crate::mail::history::record::RecipientState;
use crate::mail::status::Status;
use crate::settings::Settings;
use crate::values::time::{self, Timestamp};

/// What is to be done for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecipientPlan {
    /// Nothing now.
    Wait,
    /// Give it to this transport.
    HandOver(usize),
    /// Nobody takes it: why.
    NoRoute(String),
    /// Nobody is configured to take it yet.
    Unconfigured,
    /// Its time is over: the status and why.
    Expire(Status, String),
    /// The result that was promised has not come.
    AsyncTimeout,
}

/// What a recipient's back-off means to a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackoffRule {
    /// It is waited for.
    Respect,
    /// It is passed over.
    Ignore,
}

/// Decides what is to be done for one recipient.
pub fn plan(
    settings: &Settings,
    envelope: &Envelope,
    history: &History,
    place: usize,
    now: Timestamp,
    patience: BackoffRule,
) -> RecipientPlan {
    let (Some(address), Some(progress)) = (envelope.address(place), history.recipients.get(place)) else {
        return RecipientPlan::Wait;
    };
    let waits = progress.next.is_some_and(|next| next > now);
    match progress.state {
        RecipientState::Async if !waits => return RecipientPlan::AsyncTimeout,
        RecipientState::Owed => {}
        _ => return RecipientPlan::Wait,
    }
    let released = history.released;
    if envelope.expires(settings.queue.lifetime, released) <= now {
        let tried = if progress.text.is_empty() { String::new() } else { format!("; last: {}", progress.text) };
        return match envelope.deliver_by {
            Some(deadline) if deadline <= now => {
                RecipientPlan::Expire(Status::TOO_LATE, format!("not delivered by {deadline}{tried}"))
            }
            _ => RecipientPlan::Expire(
                Status::EXPIRED,
                format!("not delivered within {}{tried}", time::span(settings.queue.lifetime)),
            ),
        };
    }
    if waits && patience == BackoffRule::Respect {
        return RecipientPlan::Wait;
    }
    let refused = |lane: &usize| progress.declined_by.contains(&settings.transports[*lane].name);
    let candidates = settings.candidates(address, envelope.transport.as_deref());
    match candidates.iter().find(|lane| !refused(lane)) {
        Some(lane) => RecipientPlan::HandOver(*lane),
        None if settings.has_no_transports => RecipientPlan::Unconfigured,
        None if candidates.is_empty() && envelope.transport.is_some() => RecipientPlan::Unconfigured,
        None if candidates.is_empty() => RecipientPlan::NoRoute(format!("no transport takes {}", describe(address))),
        None => RecipientPlan::NoRoute(format!("every transport declined {}", describe(address))),
    }
}

fn describe(address: &Address) -> String {
    if address.is_smtp() { "this address".to_owned() } else { format!("addresses of type {}", address.kind()) }
}
