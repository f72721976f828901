//! Next attempts as reports show them: the time in the queue, unless the transport may be tried only later.

use crate::delivery::plan::{BackoffRule, FailedTrials, PlanInputs, RecipientPlan, plan};
use crate::delivery::transport_queue::{failed_trials, pause_reason};
use crate::mail::envelope::Envelope;
use crate::mail::envelope::recipient::RecipientIndex;
use crate::mail::history::History;
use crate::session::Session;
use crate::settings::Settings;
use crate::spool::Spool;
use crate::spool::error::SpoolError;
use crate::spool::running_time::SpoolTime;
use crate::spool::transport_state::{BreakerCause, TransportState};
use crate::transports::transport::{Transport, TransportIndex};
use crate::values::table::Table;
use crate::values::time::Timestamp;

/// Next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextAttempt {
    /// Wall-clock time; `None` if nothing is known to happen by itself.
    pub time: Option<Timestamp>,
    /// What is waited for besides a time: `paused` or `auth`.
    pub wait: Option<&'static str>,
}

impl NextAttempt {
    /// Returns an attempt at a time that nothing else delays.
    pub fn at(time: Timestamp) -> NextAttempt {
        NextAttempt { time: Some(time), wait: None }
    }

    /// Order of next attempts: one that only a time delays comes first, one without a time last.
    fn rank(&self) -> (bool, bool, Option<Timestamp>) {
        (self.wait.is_some(), self.time.is_none(), self.time)
    }
}

/// Reason why a transport is not tried now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TransportDelay {
    /// None.
    None,
    /// Its circuit breaker is open until then.
    Broken(Timestamp),
    /// A person has to correct its login; the next trial is then.
    Auth(Timestamp),
    /// An operator paused it, until then or without an end.
    Paused(Option<Timestamp>),
}

/// Delays of all transports, as they are when a report begins.
#[derive(Debug)]
pub struct TransportDelays<'a> {
    /// Configuration of now.
    pub settings: &'a Settings,
    /// Time of now.
    pub time: SpoolTime,
    delays: Table<TransportIndex, TransportDelay>,
    trials: FailedTrials,
}

impl<'a> TransportDelays<'a> {
    /// Reads the state of every transport.
    ///
    /// # Errors
    ///
    /// An error of the spool.
    pub fn read(session: &'a Session, spool: &Spool, time: SpoolTime) -> Result<TransportDelays<'a>, SpoolError> {
        let settings = &session.settings;
        let delay = |transport: &Transport| {
            Ok::<_, SpoolError>(delay(transport, &spool.transport_state(&transport.name)?, time))
        };
        Ok(TransportDelays {
            settings,
            time,
            delays: settings.transports.iter().map(delay).collect::<Result<_, _>>()?,
            trials: failed_trials(spool, &settings.transports, session.network, time)?,
        })
    }

    /// Returns the transport that a recipient is for, if any, and its next attempt. `due` is the time in the queue.
    pub fn of_recipient(
        &self,
        envelope: &Envelope,
        history: &History,
        recipient: RecipientIndex,
        due: Timestamp,
    ) -> (Option<TransportIndex>, NextAttempt) {
        let (settings, time) = (self.settings, self.time);
        let inputs = PlanInputs { settings, time, backoff: BackoffRule::Ignore, trials: &self.trials };
        let RecipientPlan::HandOver(transport) = plan(&inputs, envelope, history, recipient) else {
            return (None, NextAttempt::at(due));
        };
        let next = match self.delays[transport] {
            TransportDelay::None => NextAttempt::at(due),
            TransportDelay::Broken(until) => NextAttempt::at(due.max(until)),
            TransportDelay::Auth(until) => NextAttempt { time: Some(due.max(until)), wait: Some("auth") },
            TransportDelay::Paused(until) => {
                NextAttempt { time: until.map(|until| due.max(until)), wait: Some("paused") }
            }
        };
        (Some(transport), next)
    }

    /// Returns the next attempt of a message: that of the recipient who is first.
    pub fn of_message(&self, envelope: &Envelope, history: &History, due: Timestamp) -> NextAttempt {
        let of = |recipient| self.of_recipient(envelope, history, recipient, due).1;
        history.owed().map(of).min_by_key(NextAttempt::rank).unwrap_or(NextAttempt::at(due))
    }
}

fn delay(transport: &Transport, state: &TransportState, time: SpoolTime) -> TransportDelay {
    if pause_reason(state, time).is_some() {
        return TransportDelay::Paused(state.pause.as_ref().and_then(|pause| pause.until));
    }
    match state.breaker.as_ref().filter(|breaker| breaker.config == transport.fingerprint) {
        Some(breaker) if breaker.cause == BreakerCause::Auth => TransportDelay::Auth(breaker.until),
        Some(breaker) => TransportDelay::Broken(breaker.until),
        None => TransportDelay::None,
    }
}
