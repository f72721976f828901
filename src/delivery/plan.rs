//! Deciding what to do for each recipient of a message.

use std::time::Duration;

use crate::delivery::age::MessageAge;
use crate::mail::address::Address;
use crate::mail::address::list;
use crate::mail::envelope::Envelope;
use crate::mail::envelope::recipient::RecipientIndex;
use crate::mail::history::History;
use crate::mail::history::progress::RecipientProgress;
use crate::mail::history::state::RecipientState;
use crate::mail::status::Status;
use crate::settings::Settings;
use crate::spool::file_name::ClockTrust;
use crate::spool::running_time::SpoolTime;
use crate::spool::transport_state::FailedTrial;
use crate::transports::transport::TransportIndex;
use crate::values::table::Table;
use crate::values::time::{self, RunningTime, Timestamp};

/// Plan for one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecipientPlan {
    /// Do nothing now.
    Wait,
    /// Hand the message to this transport.
    HandOver(TransportIndex),
    /// Fail the recipient: no transport takes it, with the status and the reason.
    NoRoute(Status, String),
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

/// Everything that plans are made by, besides the message.
#[derive(Clone, Copy, Debug)]
pub struct PlanInputs<'a> {
    /// Configuration of now.
    pub settings: &'a Settings,
    /// Time of now.
    pub time: SpoolTime,
    /// Rule for recipients whose back-off is not over.
    pub backoff: BackoffRule,
    /// Last failed trial of each transport that may be used now. One that is paused or offline has none: nothing ends
    /// there.
    pub trials: &'a FailedTrials,
}

/// Last failed trial of each transport.
pub type FailedTrials = Table<TransportIndex, Option<FailedTrial>>;

/// Plans what to do for one recipient.
pub fn plan(
    inputs: &PlanInputs<'_>,
    envelope: &Envelope,
    history: &History,
    recipient: RecipientIndex,
) -> RecipientPlan {
    let (Some(address), Some(progress)) = (envelope.address(recipient), history.recipients.get(recipient)) else {
        return RecipientPlan::Wait;
    };
    debug_assert_eq!(history.recipients.len(), envelope.recipients.len(), "a history is that of its envelope");
    debug_assert_eq!(inputs.trials.len(), inputs.settings.transports.len(), "a trial for each transport");
    let (settings, now) = (inputs.settings, inputs.time.now);
    if progress.state.is_settled() {
        return RecipientPlan::Wait;
    }
    if inputs.time.clock == ClockTrust::Plausible {
        let is_over = |deadline: &Timestamp| *deadline <= now;
        if let Some(deadline) = envelope.deliver_by.filter(is_over) {
            let text = format!("not delivered by {deadline}{}", last(&progress.text));
            return RecipientPlan::Expire(Status::TOO_LATE, text);
        }
        if let Some(time) = envelope.expires.filter(is_over) {
            let text = format!("the message expired {time}{}", last(&progress.text));
            return RecipientPlan::Expire(Status::EXPIRED, text);
        }
    }
    if address.is_invalid() {
        let reason = list::parse(address.text()).err().map_or_else(String::new, |error| format!(": {error}"));
        return RecipientPlan::NoRoute(Status::BAD_SYNTAX, format!("the header has no address here{reason}"));
    }
    let waits = progress.waits(now);
    match progress.state {
        RecipientState::Async => {
            return if waits && !is_async_over(settings, progress, inputs.time.running) {
                RecipientPlan::Wait
            } else {
                RecipientPlan::AsyncTimeout
            };
        }
        RecipientState::Owed => {}
        RecipientState::Delivered
        | RecipientState::Relayed
        | RecipientState::Read
        | RecipientState::Failed
        | RecipientState::Cancelled => return RecipientPlan::Wait,
    }
    let has_declined =
        |transport: &TransportIndex| progress.declined_by.contains(&settings.transports[*transport].name);
    let candidates = settings.candidates(address, envelope.transport.as_deref());
    let transport = candidates.iter().copied().find(|transport| !has_declined(transport));
    // The lifetime ends only by a failed trial of the transport that came after it: the message's own attempts are judged
    // when they end. So nothing ends without a try after its lifetime.
    if let Some(trial) = transport.and_then(|transport| inputs.trials.get(transport)?.as_ref()) {
        let lifetime = settings.queue.lifetime;
        if MessageAge::of(envelope, history, inputs.time).was_at_least(lifetime, trial.running) {
            let text = if progress.text.is_empty() { &trial.text } else { &progress.text };
            return RecipientPlan::Expire(Status::EXPIRED, lifetime_text(lifetime, text));
        }
    }
    if waits && inputs.backoff == BackoffRule::Respect {
        return RecipientPlan::Wait;
    }
    match transport {
        Some(transport) => RecipientPlan::HandOver(transport),
        None if settings.has_no_transports => RecipientPlan::Unconfigured,
        None if candidates.is_empty() && envelope.transport.is_some() => RecipientPlan::Unconfigured,
        None if candidates.is_empty() => {
            RecipientPlan::NoRoute(Status::NO_ROUTE, format!("no transport takes {}", describe(address)))
        }
        None => RecipientPlan::NoRoute(Status::NO_ROUTE, format!("every transport declined {}", describe(address))),
    }
}

/// Returns true when the result of an asynchronous hand-off has been waited for long enough, in running time.
fn is_async_over(settings: &Settings, progress: &RecipientProgress, running: RunningTime) -> bool {
    let transport = progress.transport.as_deref().and_then(|name| settings.transport(name));
    let (Some(transport), Some(since)) = (transport, progress.last_result_running) else { return false };
    running >= since.after(settings.transports[transport].async_timeout)
}

/// Words why a recipient fails at the end of the lifetime, with the last answer.
pub fn lifetime_text(lifetime: Duration, last_text: &str) -> String {
    format!("not delivered within {}{}", time::span(lifetime), last(last_text))
}

fn last(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("; last: {text}") }
}

fn describe(address: &Address) -> String {
    if address.is_smtp() { "this address".to_owned() } else { format!("addresses of type {}", address.kind()) }
}
