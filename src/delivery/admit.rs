//! Looking at messages: what is to be done for each recipient, and by whom.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;

use crate::mail::envelope::file_name::FileName;
use crate::mail::history::record::{AttemptCost, Decision, RecipientState};
use crate::mail::status::Status;
use crate::spool::QueueState;
use crate::spool::claim::{Claim, ClaimOutcome};
use crate::transports::argv::RecipientBatch;
use crate::transports::command::{MAX_ADDRESS_BYTES, MAX_RECIPIENTS};

use crate::delivery::message::ClaimedMessage;
use crate::delivery::plan::{BackoffRule, RecipientPlan};
use crate::delivery::selection::ForceLevel;
use crate::delivery::transport_queue::Readiness;
use crate::delivery::worker::RunState;

/// What is to be done for a message.
#[derive(Debug, Default)]
pub(super) struct AdmissionPlan {
    /// The transports that are wanted, and for whom.
    pub(super) wanted: BTreeMap<usize, Vec<usize>>,
    /// True when something was decided without any.
    pub(super) decided: bool,
    /// True when somebody else got in; nothing may be done with the message then.
    pub(super) lost_claim: bool,
    /// Recipients for whom nobody has configured a transport.
    pub(super) unconfigured: usize,
}

impl<'e> RunState<'e> {
    /// Looks at a message for the first time and finds it its transports.
    pub(super) fn admit(&self, place: usize) -> Option<Arc<ClaimedMessage<'e>>> {
        let listed = self.due.get(place).filter(|(_, name)| !self.passed_over.contains(&name.id));
        let opened = listed.and_then(|listed| self.claim(&[listed])).and_then(|claim| self.open(place, claim));
        let Some((message, sorted)) = opened.and_then(|message| {
            self.context.observer.message_started(&message.envelope().id);
            let sorted = self.plan_recipients(&message).map_err(|error| self.report_error(&error)).ok()?;
            if sorted.lost_claim {
                self.scheduler().tally.busy.push(message.envelope().id.clone());
                return None;
            }
            Some((Arc::new(message), sorted))
        }) else {
            self.scheduler().admitted(0);
            self.context.observer.message_done();
            return None;
        };
        let mut scheduler = self.scheduler();
        let mut give = None;
        let mut left = sorted.unconfigured > 0;
        scheduler.tally.unconfigured += sorted.unconfigured;
        for (lane, places) in &sorted.wanted {
            if matches!(scheduler.queues[*lane].ready, Readiness::No(_)) {
                scheduler.tally.skipped += places.len();
                left = true;
            } else if give.is_none() && scheduler.queues[*lane].has_room() && scheduler.queues[*lane].backlog.is_empty()
            {
                scheduler.queues[*lane].running += 1;
                give = Some(*lane);
            } else {
                scheduler.add_to_backlog(*lane, place);
            }
        }
        if left {
            scheduler.tally.left.push(message.envelope().id.clone());
        }
        scheduler.admitted(usize::from(sorted.decided || !sorted.wanted.is_empty()));
        let now = self.context.now();
        let waits = sorted.wanted.keys().any(|lane| scheduler.queues[*lane].backlog.binary_search(&place).is_ok());
        let reports = || !waits && message.owes_report(self.context.settings, now);
        if give.is_some() || sorted.decided || message.is_misplaced(now) || reports() {
            scheduler.check_out(&message);
        } else {
            if sorted.wanted.is_empty() {
                self.context.observer.message_done();
            }
            // The claim goes before the board does: who takes the message up from a backlog must not find us in it.
            drop(message);
            return None;
        }
        drop(scheduler);
        // The next message can be looked at while this one is delivered.
        self.changed.notify_all();
        Some(match give {
            Some(lane) => self.hand_off_next(message, lane),
            None => message,
        })
    }

    /// Claims a message again for a transport that it waited for.
    pub(super) fn reopen(&self, place: usize, lane: usize) -> Option<Arc<ClaimedMessage<'e>>> {
        let claim = self.due.get(place).and_then(|(state, name)| {
            // Its first attempt in this run may have moved it.
            let moved = (QueueState::Cur, name.due(None));
            let id = name.id.clone();
            let claim = self.claim(&[(state, name), moved]);
            // Or given it a time that nobody here knows.
            let found = || self.context.spool.find(&id).ok().flatten();
            claim.or_else(|| match found()? {
                (state @ (QueueState::New | QueueState::Cur), name) => self.claim(&[(state, name)]),
                _ => None,
            })
        });
        let Some(message) = claim.and_then(|claim| self.open(place, claim)).map(Arc::new) else {
            self.scheduler().queues[lane].running -= 1;
            return None;
        };
        match self.plan_recipients(&message) {
            Ok(sorted) if !sorted.lost_claim && (sorted.decided || !sorted.wanted.is_empty()) => {
                self.scheduler().check_out(&message);
                Some(self.hand_off_next(message, lane))
            }
            answer => {
                if let Err(error) = answer {
                    self.report_error(&error);
                }
                self.scheduler().queues[lane].running -= 1;
                None
            }
        }
    }

    fn claim(&self, names: &[(QueueState, FileName)]) -> Option<Box<Claim<'e>>> {
        for (state, name) in names {
            let path = || self.context.spool.path_of_message(*state, name);
            match self.context.spool.claim(*state, name) {
                Ok(ClaimOutcome::Claimed(claim)) => return Some(claim),
                Ok(ClaimOutcome::Gone) => {}
                Ok(ClaimOutcome::Busy) => {
                    self.scheduler().tally.busy.push(name.id.clone());
                    return None;
                }
                Ok(ClaimOutcome::Stray(reason)) => {
                    self.context.observer.error(&format!("{} {reason}; it is left alone", path().display()));
                    return None;
                }
                Ok(ClaimOutcome::SetAside(reason)) => {
                    self.scheduler().tally.errors += 1;
                    self.context.observer.error(&format!("{} was moved to corrupt: {reason}", path().display()));
                    return None;
                }
                Err(error) => {
                    self.report_error(&error.into());
                    return None;
                }
            }
        }
        None
    }

    fn open(&self, place: usize, claim: Box<Claim<'e>>) -> Option<ClaimedMessage<'e>> {
        let (name, envelope) = (&claim.message().name, &claim.message().envelope);
        if let Some(time) = envelope.delayed_until(self.context.now()) {
            // Its time in the name was lost or overridden; nothing overrides the sender's.
            let result = if name.due == Some(time) { Ok(()) } else { claim.reschedule(Some(time)) };
            if let Err(error) = result {
                self.report_error(&error.into());
            }
            return None;
        }
        match self.context.spool.history(envelope) {
            Ok(history) => Some(ClaimedMessage::new(place, claim, history)),
            Err(error) => {
                self.report_error(&error.into());
                None
            }
        }
    }

    pub(super) fn backoff_rule(&self) -> BackoffRule {
        if self.selection.force == ForceLevel::No { BackoffRule::Respect } else { BackoffRule::Ignore }
    }

    /// Decides what can be decided without a transport, and says which transports are wanted for whom.
    pub(super) fn plan_recipients(&self, message: &ClaimedMessage<'e>) -> Result<AdmissionPlan> {
        let mut sorted = AdmissionPlan::default();
        let mut results = Vec::new();
        let mut again = false;
        let now = self.context.now();
        for (place, plan) in message.plans(self.context.settings, now, self.backoff_rule()) {
            let meant = self.is_selected(message, place);
            match plan {
                RecipientPlan::Wait => {}
                RecipientPlan::HandOver(lane) if meant && self.selection.transport.is_none_or(|only| only == lane) => {
                    sorted.wanted.entry(lane).or_default().push(place);
                }
                RecipientPlan::NoRoute(text) if meant && self.selection.transport.is_none() => {
                    results.push(own_decision(place, RecipientState::Failed, Status::NO_ROUTE, text));
                }
                RecipientPlan::HandOver(_) | RecipientPlan::NoRoute(_) => {}
                RecipientPlan::Unconfigured => sorted.unconfigured += 1,
                RecipientPlan::Expire(..) if !meant => {}
                RecipientPlan::Expire(status, text) => {
                    results.push(own_decision(place, RecipientState::Failed, status, text))
                }
                RecipientPlan::AsyncTimeout => {
                    again = true;
                    let text = "no result was reported in time".to_owned();
                    results.push(own_decision(place, RecipientState::Owed, Status::TEMPORARY, text));
                }
            }
        }
        sorted.decided = !results.is_empty();
        message.record_decisions(self.context.spool, results, now)?;
        if again {
            return Ok(AdmissionPlan { decided: true, ..self.plan_recipients(message)? });
        }
        let hand_offs = |(lane, places): (&usize, &Vec<usize>)| match self.transport(*lane).recipient_batch() {
            RecipientBatch::One => places.len(),
            RecipientBatch::All => {
                let length = |place: &usize| message.envelope().address(*place).map_or(0, |a| a.text().len() + 1);
                let bytes: usize = places.iter().map(length).sum();
                // Bytes split less evenly than recipients do: one more, to be sure.
                let by_bytes = if bytes > MAX_ADDRESS_BYTES { bytes.div_ceil(MAX_ADDRESS_BYTES) + 1 } else { 1 };
                places.len().div_ceil(MAX_RECIPIENTS).max(by_bytes.min(places.len()))
            }
        };
        if sorted.wanted.iter().map(hand_offs).sum::<usize>() > 1 && !message.allow_parallel_hand_offs()? {
            sorted.wanted.clear();
            sorted.lost_claim = true;
        }
        Ok(sorted)
    }

    pub(super) fn is_selected(&self, message: &ClaimedMessage<'e>, place: usize) -> bool {
        let address = message.envelope().address(place);
        self.selection.to.as_ref().is_none_or(|pattern| address.is_some_and(|address| pattern.matches(address)))
    }
}

fn own_decision(place: usize, state: RecipientState, status: Status, text: String) -> Decision {
    let charge = if state == RecipientState::Owed { AttemptCost::None } else { AttemptCost::Full };
    Decision { recipients: vec![place], state, status, text, next: None, charge, remote_id: None, parts: Vec::new() }
}
