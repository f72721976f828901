//! A claimed message during a run: its recipients' plans, and what is recorded about them.

use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Result;

use crate::delivery::age::MessageAge;
use crate::delivery::decision::decide;
use crate::delivery::plan::{PlanInputs, RecipientPlan, lifetime_text, plan};
use crate::delivery::recorded_history::{RecordedHistory, SyncedRecords};
use crate::delivery::{final_steps, reports_due};
use crate::mail::envelope::recipient::RecipientIndex;
use crate::mail::envelope::{AfterSent, Envelope};
use crate::mail::history::History;
use crate::mail::history::mark::{AttemptMark, ResultMark};
use crate::mail::history::record::{AttemptCost, Decision, LogEvent};
use crate::mail::history::state::RecipientState;
use crate::mail::status::Status;
use crate::output::observer::RecipientEvent;
use crate::settings::Settings;
use crate::spool::Spool;
use crate::spool::claim::{Claim, MarkedPlace};
use crate::spool::listing::MessageIndex;
use crate::spool::running_time::SpoolTime;
use crate::transports::answer::HandOffResult;
use crate::transports::command::MAX_ADDRESS_BYTES;
use crate::transports::transport::{Transport, TransportIndex};
use crate::values::table::Table;
use crate::values::time::Timestamp;

/// Message that this run has claimed.
#[derive(Debug)]
pub struct ClaimedMessage<'e> {
    /// Index among the due messages of the run.
    pub index: MessageIndex,
    /// Claim of the message; moving the message on consumes it.
    pub claim: Box<Claim<'e>>,
    state: Mutex<ClaimedState>,
}

/// State that the hand-offs of one message share.
#[derive(Debug)]
struct ClaimedState {
    recorded: RecordedHistory,
    /// True for a recipient that a thread is handing over.
    in_flight: Table<RecipientIndex, bool>,
}

/// Recipients that a thread has reserved for one hand-off.
#[derive(Debug)]
pub(super) struct ReservedRecipients {
    /// The recipients, in the order of the envelope.
    pub(super) recipients: Vec<RecipientIndex>,
    /// True when more recipients are for the same transport now.
    pub(super) more: bool,
}

/// Attempt that was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordedAttempt {
    /// Number of the attempt for these recipients, from 1.
    pub(super) number: u32,
    /// True when the result of an earlier attempt is unknown: the message may have been delivered.
    pub(super) earlier_result_unknown: bool,
}

/// Hand-off that came to its end.
#[derive(Clone, Copy, Debug)]
pub(super) struct HandOffOutcome<'a> {
    /// Transport that was given the message.
    pub(super) transport: &'a Transport,
    /// Recipients of the hand-off.
    pub(super) recipients: &'a [RecipientIndex],
    /// Results in the same order.
    pub(super) result: &'a HandOffResult,
}

impl<'e> ClaimedMessage<'e> {
    /// Wraps a claim whose log was read.
    pub fn new(index: MessageIndex, claim: Box<Claim<'e>>, history: History) -> ClaimedMessage<'e> {
        debug_assert_eq!(history.recipients.len(), claim.message().envelope.recipients.len());
        let in_flight = history.recipients.map(|_| false);
        let state = ClaimedState { recorded: RecordedHistory::new(history, claim.message()), in_flight };
        ClaimedMessage { index, claim, state: Mutex::new(state) }
    }

    /// Returns the envelope.
    pub fn envelope(&self) -> &Envelope {
        &self.claim.message().envelope
    }

    fn state(&self) -> MutexGuard<'_, ClaimedState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a plan for every recipient that no thread is handing over.
    pub fn plans(&self, inputs: &PlanInputs<'_>) -> Vec<(RecipientIndex, RecipientPlan)> {
        let state = self.state();
        let free = state.in_flight.entries().filter(|(_, in_flight)| !**in_flight);
        free.map(|(recipient, _)| (recipient, plan(inputs, self.envelope(), state.recorded.history(), recipient)))
            .collect()
    }

    /// Reserves at most `most` recipients that are for this transport now and that `is_wanted` accepts, so that no other
    /// thread hands them over too.
    pub(super) fn reserve(
        &self,
        transport: TransportIndex,
        most: usize,
        inputs: &PlanInputs<'_>,
        is_wanted: impl Fn(RecipientIndex) -> bool,
    ) -> ReservedRecipients {
        let mut state = self.state();
        let is_for_transport = |recipient: &RecipientIndex| {
            plan(inputs, self.envelope(), state.recorded.history(), *recipient) == RecipientPlan::HandOver(transport)
                && is_wanted(*recipient)
        };
        let free = state.in_flight.entries().filter(|(_, in_flight)| !**in_flight).map(|(recipient, _)| recipient);
        let mut recipients: Vec<RecipientIndex> = free.filter(is_for_transport).take(most + 1).collect();
        let fits = most.min(self.fits_in_hand_off(&recipients));
        let more = recipients.len() > fits;
        recipients.truncate(fits);
        for recipient in &recipients {
            state.in_flight[*recipient] = true;
        }
        ReservedRecipients { recipients, more }
    }

    /// Returns how many of these addresses fit into the arguments and the environment of one command, at least one.
    fn fits_in_hand_off(&self, recipients: &[RecipientIndex]) -> usize {
        let mut bytes = 0;
        let fits = recipients.iter().take_while(|recipient| {
            bytes += self.address_bytes(**recipient);
            bytes <= MAX_ADDRESS_BYTES
        });
        fits.count().max(1)
    }

    /// Returns the bytes of an address in a list, its separator included.
    pub(super) fn address_bytes(&self, recipient: RecipientIndex) -> usize {
        self.envelope().address(recipient).map_or(0, |address| address.text().len() + 1)
    }

    /// Gives reserved recipients back, untouched.
    pub fn release_recipients(&self, recipients: &[RecipientIndex]) {
        let mut state = self.state();
        for recipient in recipients {
            debug_assert!(state.in_flight[*recipient], "only reserved recipients are given back");
            state.in_flight[*recipient] = false;
        }
    }

    /// Returns what has happened so far.
    pub fn history(&self) -> History {
        self.state().recorded.history().clone()
    }

    /// Returns true when the sender is owed a DSN about a recipient for which nothing more is done now.
    pub fn owes_report(&self, settings: &Settings, time: SpoolTime) -> bool {
        let state = self.state();
        !state.recorded.history().unfinished_reports.is_empty()
            || !reports_due::due(settings, self.envelope(), state.recorded.history(), time).is_empty()
    }

    /// Returns the messages made by the filters of this transport that these recipients have already, each with the
    /// position of its recipient in the hand-off.
    pub(super) fn filtered_parts(&self, transport: &str, recipients: &[RecipientIndex]) -> Vec<(usize, String)> {
        let state = self.state();
        let of = |(position, recipient): (usize, &RecipientIndex)| {
            let parts = state
                .recorded
                .history()
                .recipients
                .get(*recipient)
                .map_or(Vec::new(), |progress| progress.parts.clone());
            let own = |part: String| Some((position, part.strip_prefix(transport)?.strip_prefix(':')?.to_owned()));
            parts.into_iter().filter_map(own).collect::<Vec<_>>()
        };
        recipients.iter().enumerate().flat_map(of).collect()
    }

    /// Appends an event to the log; the next sync makes it durable.
    pub fn append_event(&self, spool: &Spool, event: LogEvent, time: SpoolTime) -> Result<()> {
        self.state().recorded.append(spool, &self.envelope().id, time, event)
    }

    /// Returns the claim and the history, for moving the message on. Every record must be durable before.
    pub fn into_parts(self, spool: &Spool) -> (Box<Claim<'e>>, History) {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        debug_assert!(state.in_flight.iter().all(|in_flight| !in_flight), "no hand-off outlives its message");
        (self.claim, state.recorded.into_history(spool))
    }

    /// Returns true when the state or the name of the message differs from what its log says: a run died before it could
    /// move the message.
    pub fn is_misplaced(&self, now: Timestamp) -> bool {
        let state = self.state();
        let due = self.claim.message().name.due;
        state.recorded.history().is_settled()
            || (due.is_none() && state.recorded.history().next().is_some_and(|next| next > now))
    }

    /// Records that these recipients are about to be handed over. If that cannot be written, nothing may be handed over:
    /// the result could not be written either.
    pub(super) fn record_attempt(
        &self,
        spool: &Spool,
        transport: &Transport,
        recipients: &[RecipientIndex],
        time: SpoolTime,
    ) -> Result<RecordedAttempt> {
        let mut state = self.state();
        debug_assert!(recipients.iter().all(|recipient| state.in_flight[*recipient]), "an attempt is reserved first");
        if self.mark_attempt(&mut state, spool, transport, recipients, time)? {
            return Ok(RecordedAttempt { number: 1, earlier_result_unknown: false });
        }
        let progress = || recipients.iter().filter_map(|recipient| state.recorded.history().recipients.get(*recipient));
        let number = progress().map(|progress| progress.attempts).max().unwrap_or(0) + 1;
        let earlier_result_unknown = progress().any(|progress| progress.outcome_unknown);
        let event =
            LogEvent::Attempt { transport: transport.name.clone(), attempt: number, recipients: recipients.to_vec() };
        state.recorded.append(spool, &self.envelope().id, time, event)?;
        Ok(RecordedAttempt { number, earlier_result_unknown })
    }

    /// Marks in the name of the message that its first hand-off, to all its recipients, begins. Returns false if a log must
    /// be kept instead: for several hand-offs, for a message that is removed when it is sent, so that only its log tells
    /// that it was, or without a spare log.
    fn mark_attempt(
        &self,
        state: &mut ClaimedState,
        spool: &Spool,
        transport: &Transport,
        recipients: &[RecipientIndex],
        time: SpoolTime,
    ) -> Result<bool> {
        let is_whole = recipients.len() == self.envelope().recipients.len();
        if !is_whole || !state.recorded.is_blank() || self.envelope().after_sent == AfterSent::Delete {
            return Ok(false);
        }
        let Ok(spare) = spool.spare_log() else { return Ok(false) };
        let attempt = AttemptMark { transport: transport.name.clone(), at: time.now, running: time.running };
        match self.claim.mark_attempt(attempt.clone()) {
            Ok(true) => {
                state.recorded.attempt_marked(attempt, spare);
                Ok(true)
            }
            // Without room in the name, or if the filesystem takes no long names, the log has it.
            Ok(false) | Err(_) => {
                spool.give_back(spare);
                Ok(false)
            }
        }
    }

    /// Records the results of a hand-off. Returns the recipients that came back without a charge: declined, busy or
    /// broken.
    pub(super) fn record_results(
        &self,
        spool: &Spool,
        outcome: &HandOffOutcome<'_>,
        settings: &Settings,
        time: SpoolTime,
    ) -> Result<Vec<RecipientIndex>> {
        let queue = &settings.queue;
        let mut state = self.state();
        let lifetime_is_over =
            MessageAge::of(self.envelope(), state.recorded.history(), time).is_at_least(queue.lifetime);
        let mut decisions: Vec<Decision> = Vec::new();
        let mut returned = Vec::new();
        for (recipient, result) in outcome.recipients.iter().zip(&outcome.result.results) {
            let attempts = state.recorded.history().recipients.get(*recipient).map_or(1, |progress| {
                debug_assert!(progress.attempts > 0, "a result follows a recorded attempt");
                progress.attempts.saturating_sub(progress.attempts_before_release).max(1)
            });
            let mut decision = decide(outcome.transport, queue, result, attempts, time.now);
            if lifetime_is_over && decision.state == RecipientState::Owed && decision.charge == AttemptCost::Full {
                // A try after the end of the lifetime has failed: that, and nothing else, ends the mail for its age.
                decision.state = RecipientState::Failed;
                decision.status = Status::EXPIRED;
                decision.text = lifetime_text(queue.lifetime, &decision.text);
                decision.next = None;
            }
            if decision.state.has_message() || decision.state == RecipientState::Async {
                decision.remote_id.clone_from(&outcome.result.remote_id);
            }
            if decision.charge != AttemptCost::Full {
                returned.push(*recipient);
            }
            let same = |other: &Decision| Decision { recipients: Vec::new(), ..other.clone() };
            match decisions.iter_mut().find(|other| same(other) == decision) {
                Some(other) => other.recipients.push(*recipient),
                None => decisions.push(Decision { recipients: vec![*recipient], ..decision }),
            }
        }
        for recipient in outcome.recipients {
            state.in_flight[*recipient] = false;
        }
        if let [decision] = decisions.as_slice()
            && let Some(result) = ResultMark::of(decision, time.now, time.running)
            && self.mark_result(&mut state, spool, settings, &result, time)
        {
            self.tell_later(&mut state, Some(&outcome.transport.name), decision);
            return Ok(returned);
        }
        self.append_decisions(&mut state, spool, Some(&outcome.transport.name), decisions, time)?;
        Ok(returned)
    }

    /// Marks in the name of the message that the hand-off to all its recipients succeeded, and moves it to `sent` unless
    /// something is to be done before. Returns false if the result is for the log.
    fn mark_result(
        &self,
        state: &mut ClaimedState,
        spool: &Spool,
        settings: &Settings,
        result: &ResultMark,
        time: SpoolTime,
    ) -> bool {
        if !state.recorded.is_marked() {
            return false;
        }
        let after = state.recorded.history_with(result);
        let place = if final_steps::are_none(settings, self.envelope(), &after, time) {
            MarkedPlace::Finished(final_steps::sent_until(settings, self.envelope(), time.running))
        } else {
            MarkedPlace::Attempted
        };
        // An error is no reason to lose the result: the log takes it.
        let is_marked = self.claim.mark_result(result.clone(), place).unwrap_or(false);
        if is_marked {
            state.recorded.result_marked(spool, result, self.claim.state());
        }
        is_marked
    }

    /// Records decisions that no transport made.
    pub fn record_decisions(&self, spool: &Spool, decisions: Vec<Decision>, time: SpoolTime) -> Result<()> {
        if decisions.is_empty() {
            return Ok(());
        }
        self.append_decisions(&mut self.state(), spool, None, decisions, time)
    }

    fn append_decisions(
        &self,
        state: &mut ClaimedState,
        spool: &Spool,
        transport: Option<&str>,
        decisions: Vec<Decision>,
        time: SpoolTime,
    ) -> Result<()> {
        // A declined recipient is not handled yet: another transport is asked.
        for decision in decisions.iter().filter(|decision| decision.charge != AttemptCost::Declined) {
            self.tell_later(state, transport, decision);
        }
        let event = LogEvent::Result { transport: transport.map(str::to_owned), results: decisions };
        state.recorded.append(spool, &self.envelope().id, time, event)
    }

    fn tell_later(&self, state: &mut ClaimedState, transport: Option<&str>, decision: &Decision) {
        let envelope = self.envelope();
        for recipient in &decision.recipients {
            let Some(address) = envelope.address(*recipient) else { continue };
            state.recorded.tell_later(RecipientEvent {
                id: envelope.id.clone(),
                address: address.clone(),
                transport: transport.map(str::to_owned),
                state: decision.state,
                status: decision.status,
                text: decision.text.clone(),
                next: decision.next,
            });
        }
    }

    /// Tells the kernel to begin writing the log out.
    pub fn begin_sync(&self) {
        self.state().recorded.begin_sync();
    }

    /// Returns true when every record is durable.
    pub(super) fn is_synced(&self) -> bool {
        self.state().recorded.is_synced()
    }

    /// Makes the content of the log durable; see [`RecordedHistory::sync`].
    pub(super) fn sync(&self, spool: &Spool) -> Result<SyncedRecords> {
        self.state().recorded.sync(spool, &self.envelope().id)
    }

    /// Makes the records durable, and returns the events that may be told now.
    pub fn sync_with_names(&self, spool: &Spool) -> Result<Vec<RecipientEvent>> {
        let synced = self.sync(spool)?;
        spool.sync_names(&synced.names)?;
        Ok(synced.events)
    }
}
