//! A claimed message during a run: what is to be done for whom, and what is written down about it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Result;

use crate::mail::envelope::Envelope;
use crate::mail::history::History;
use crate::mail::history::record::{AttemptCost, Decision, LogEvent, LogRecord};
use crate::settings::Settings;
use crate::spool::Spool;
use crate::spool::claim::Claim;
use crate::spool::log::MessageLog;
use crate::transports::answer::HandOffResult;
use crate::transports::command::MAX_ADDRESS_BYTES;
use crate::transports::transport::Transport;
use crate::values::time::Timestamp;

use crate::delivery::decision::Given;
use crate::delivery::plan::{BackoffRule, RecipientPlan, plan};
use crate::delivery::reports_due;
use crate::output::observer::RecipientEvent;

/// A message that this run has claimed.
#[derive(Debug)]
pub struct ClaimedMessage<'e> {
    /// Its place in the list of what is due.
    pub place: usize,
    /// The claim; moving the message on consumes it.
    pub claim: Box<Claim<'e>>,
    state: Mutex<ClaimedState>,
}

#[derive(Debug)]
struct ClaimedState {
    history: History,
    log: Option<MessageLog>,
    in_flight: Vec<bool>,
    shared: bool,
    unsynced: bool,
    /// Results that are known and could not be written yet.
    unwritten: Vec<LogRecord>,
    handled: Vec<RecipientEvent>,
}

impl<'e> ClaimedMessage<'e> {
    /// A claimed message, its log read.
    pub fn new(place: usize, claim: Box<Claim<'e>>, history: History) -> ClaimedMessage<'e> {
        let in_flight = vec![false; history.recipients.len()];
        let inner = ClaimedState {
            history,
            log: None,
            in_flight,
            shared: false,
            unsynced: false,
            unwritten: Vec::new(),
            handled: Vec::new(),
        };
        ClaimedMessage { place, claim, state: Mutex::new(inner) }
    }

    /// What its first line says.
    pub fn envelope(&self) -> &Envelope {
        &self.claim.message().envelope
    }

    fn inner(&self) -> MutexGuard<'_, ClaimedState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be done for every recipient that nobody is at work on.
    pub fn plans(&self, settings: &Settings, now: Timestamp, patience: BackoffRule) -> Vec<(usize, RecipientPlan)> {
        let inner = self.inner();
        let free = (0..inner.in_flight.len()).filter(|place| !inner.in_flight[*place]);
        free.map(|place| (place, plan(settings, self.envelope(), &inner.history, place, now, patience))).collect()
    }

    /// Takes the first so many recipients that are for this transport now and that `wanted` accepts, so that no other
    /// thread takes them too. The flag says that there are more.
    pub fn reserve(
        &self,
        lane: usize,
        most: usize,
        settings: &Settings,
        now: Timestamp,
        patience: BackoffRule,
        wanted: impl Fn(usize) -> bool,
    ) -> (Vec<usize>, bool) {
        let mut inner = self.inner();
        let free = (0..inner.in_flight.len()).filter(|place| !inner.in_flight[*place]);
        let mine = |place: &usize| {
            plan(settings, self.envelope(), &inner.history, *place, now, patience) == RecipientPlan::HandOver(lane)
                && wanted(*place)
        };
        let mut places: Vec<usize> = free.filter(mine).take(most + 1).collect();
        let fits = most.min(self.fits_in_hand_off(&places));
        let more = places.len() > fits;
        places.truncate(fits);
        for place in &places {
            inner.in_flight[*place] = true;
        }
        (places, more)
    }

    /// How many of these addresses fit into the arguments and the environment of one command.
    fn fits_in_hand_off(&self, places: &[usize]) -> usize {
        let mut bytes = 0;
        let fits = places.iter().take_while(|place| {
            bytes += self.envelope().address(**place).map_or(0, |address| address.text().len() + 1);
            bytes <= MAX_ADDRESS_BYTES
        });
        fits.count().max(1)
    }

    /// Gives back recipients that were taken.
    pub fn release_recipients(&self, places: &[usize]) {
        let mut inner = self.inner();
        for place in places {
            inner.in_flight[*place] = false;
        }
    }

    /// What has happened so far.
    pub fn history(&self) -> History {
        self.inner().history.clone()
    }

    /// True when the sender is owed a report on somebody for whom nothing more is done now.
    pub fn owes_report(&self, settings: &Settings, now: Timestamp) -> bool {
        let inner = self.inner();
        !inner.history.unfinished_reports.is_empty()
            || !reports_due::due(settings, self.envelope(), &inner.history, now).is_empty()
    }

    /// Which messages made by this transport's preprocessing these recipients have already, by position.
    pub fn filtered_parts(&self, transport: &str, places: &[usize]) -> Vec<(usize, String)> {
        let inner = self.inner();
        let of = |(index, place): (usize, &usize)| {
            let parts = inner.history.recipients.get(*place).map_or(Vec::new(), |progress| progress.parts.clone());
            let own = |part: String| Some((index, part.strip_prefix(transport)?.strip_prefix(':')?.to_owned()));
            parts.into_iter().filter_map(own).collect::<Vec<_>>()
        };
        places.iter().enumerate().flat_map(of).collect()
    }

    /// Adds to the log; [`OpenMessage::sync`] makes it durable.
    pub fn append_event(&self, spool: &Spool, event: LogEvent, now: Timestamp) -> Result<()> {
        self.inner().write(spool, &self.envelope().id, LogRecord { at: now, event })
    }

    /// Its claim and its history, for whoever moves it on.
    pub fn into_parts(self, spool: &Spool) -> Result<(Box<Claim<'e>>, History)> {
        let inner = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut history = inner.history;
        if inner.log.is_some_and(|log| log.has_foreign_lines()) {
            history = spool.history(&self.claim.message().envelope)?;
        }
        Ok((self.claim, history))
    }

    /// True when the message lies, or is named, otherwise than its log says: a run died before it could move it.
    pub fn is_misplaced(&self, now: Timestamp) -> bool {
        let inner = self.inner();
        let due = self.claim.message().name.due;
        inner.history.is_settled() || (due.is_none() && inner.history.next().is_some_and(|next| next > now))
    }

    /// Makes sure that several hand-offs at once are safe; `false` when the message is no longer ours alone.
    pub fn allow_parallel_hand_offs(&self) -> Result<bool> {
        let mut inner = self.inner();
        if !inner.shared {
            inner.shared = self.claim.share_lock()?;
        }
        Ok(inner.shared)
    }

    /// True when hand-offs must each open the message for themselves.
    pub fn allows_parallel_hand_offs(&self) -> bool {
        self.inner().shared
    }

    /// Writes down that these recipients are about to be handed over, and returns the number of the attempt and
    /// whether an earlier one ended unseen. If that cannot be written, nothing may be handed over: its result could
    /// not be written either.
    pub fn record_attempt(
        &self,
        spool: &Spool,
        transport: &Transport,
        places: &[usize],
        now: Timestamp,
    ) -> Result<(u32, bool)> {
        let mut inner = self.inner();
        let about = || places.iter().filter_map(|place| inner.history.recipients.get(*place));
        let attempt = about().map(|progress| progress.attempts).max().unwrap_or(0) + 1;
        let unseen = about().any(|progress| progress.outcome_unknown);
        let event = LogEvent::Attempt { transport: transport.name.clone(), attempt, recipients: places.to_vec() };
        inner.write(spool, &self.envelope().id, LogRecord { at: now, event })?;
        Ok((attempt, unseen))
    }

    /// Writes down what a transport answered. Returns the places that it declined or gave back without a charge.
    pub fn record_results(
        &self,
        spool: &Spool,
        given: &Given<'_>,
        answer: &HandOffResult,
        now: Timestamp,
    ) -> Result<Vec<usize>> {
        let mut inner = self.inner();
        let mut results: Vec<Decision> = Vec::new();
        let mut back = Vec::new();
        for (place, outcome) in given.places.iter().zip(&answer.outcomes) {
            let attempts = inner.history.recipients.get(*place).map_or(1, |progress| progress.attempts);
            let decision = given.decide(*place, outcome, answer, attempts, now);
            if decision.charge != AttemptCost::Full {
                back.push(*place);
            }
            let same = |other: &Decision| Decision { recipients: Vec::new(), ..other.clone() };
            match results.iter_mut().find(|other| same(other) == same(&decision)) {
                Some(other) => other.recipients.push(*place),
                None => results.push(decision),
            }
        }
        for place in given.places {
            inner.in_flight[*place] = false;
        }
        self.write_results(&mut inner, spool, Some(&given.transport.name), results, now)?;
        Ok(back)
    }

    /// Writes down decisions of our own.
    pub fn record_decisions(&self, spool: &Spool, results: Vec<Decision>, now: Timestamp) -> Result<()> {
        if results.is_empty() {
            return Ok(());
        }
        self.write_results(&mut self.inner(), spool, None, results, now)
    }

    fn write_results(
        &self,
        inner: &mut ClaimedState,
        spool: &Spool,
        transport: Option<&str>,
        results: Vec<Decision>,
        now: Timestamp,
    ) -> Result<()> {
        let envelope = self.envelope();
        // Who was declined is not handled: somebody else is asked.
        for decision in results.iter().filter(|decision| decision.charge != AttemptCost::Declined) {
            for place in &decision.recipients {
                let Some(address) = envelope.address(*place) else { continue };
                inner.handled.push(RecipientEvent {
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
        let event = LogEvent::Result { transport: transport.map(str::to_owned), results };
        inner.write(spool, &envelope.id, LogRecord { at: now, event })
    }

    /// Tells the kernel to begin writing the log out.
    pub fn begin_sync(&self) {
        if let Some(log) = &self.inner().log {
            log.begin_sync();
        }
    }

    /// Makes what was written down durable, and hands out what may now be told. The flag says that the log's name is
    /// new too.
    pub fn sync(&self) -> (Result<bool>, Vec<RecipientEvent>) {
        let mut inner = self.inner();
        if let Err(error) = inner.write_pending() {
            inner.handled.clear();
            return (Err(error), Vec::new());
        }
        let handled = std::mem::take(&mut inner.handled);
        if !std::mem::take(&mut inner.unsynced) {
            return (Ok(false), handled);
        }
        match inner.log.as_ref().map_or(Ok(false), |log| log.sync().map(|()| log.is_new())) {
            Ok(is_new) => (Ok(is_new), handled),
            // What is not durable is not told.
            Err(error) => (Err(error.into()), Vec::new()),
        }
    }
}

impl ClaimedState {
    fn write(&mut self, spool: &Spool, id: &crate::mail::envelope::id::QueueId, record: LogRecord) -> Result<()> {
        // An attempt that cannot be written down is not made. A result that cannot be is known to this run at least.
        let is_result = !matches!(record.event, LogEvent::Attempt { .. });
        if is_result {
            self.history.apply(&record);
        }
        self.unsynced = true;
        if is_result {
            self.unwritten.push(record);
            self.open_log(spool, id)?;
            return self.write_pending();
        }
        self.open_log(spool, id)?;
        self.write_pending()?;
        if let Some(log) = &mut self.log {
            log.append(&record)?;
        }
        self.history.apply(&record);
        Ok(())
    }

    fn open_log(&mut self, spool: &Spool, id: &crate::mail::envelope::id::QueueId) -> Result<()> {
        if self.log.is_none() {
            self.log = Some(spool.log(id)?);
        }
        Ok(())
    }

    /// Writes the results that are not in the log yet. One that cannot be written is tried again with the next, and
    /// before the message moves: a message must not move by a result that only this run knows.
    fn write_pending(&mut self) -> Result<()> {
        while let Some(record) = self.unwritten.first() {
            let Some(log) = &mut self.log else { anyhow::bail!("the log could not be opened") };
            log.append(record)?;
            self.unwritten.remove(0);
        }
        Ok(())
    }
}
