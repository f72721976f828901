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
use crate::transports::command::{MOST_ADDRESS_BYTES, MOST_RECIPIENTS};

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
    pub(super) lost: bool,
    /// Recipients for whom nobody has configured a transport.
    pub(super) unconfigured: usize,
}

impl<'e> RunState<'e> {
    /// Looks at a message for the first time and finds it its transports.
    pub(super) fn admit(&self, place: usize) -> Option<Arc<ClaimedMessage<'e>>> {
        let listed = self.due.get(place).filter(|(_, name)| !self.passed_over.contains(&name.id));
        let opened = listed.and_then(|listed| self.claim(&[listed])).and_then(|claim| self.open(place, claim));
        let Some((message, sorted)) = opened.and_then(|message| {
            self.engine.observer.picked_up(&message.envelope().id);
            let sorted = self.sort_out(&message).map_err(|error| self.trouble(&error)).ok()?;
            if sorted.lost {
                self.board().tally.busy.push(message.envelope().id.clone());
                return None;
            }
            Some((Arc::new(message), sorted))
        }) else {
            self.board().admitted(0);
            self.engine.observer.message_done();
            return None;
        };
        let mut board = self.board();
        let mut give = None;
        let mut left = sorted.unconfigured > 0;
        board.tally.unconfigured += sorted.unconfigured;
        for (lane, places) in &sorted.wanted {
            if matches!(board.lanes[*lane].ready, Readiness::No(_)) {
                board.tally.skipped += places.len();
                left = true;
            } else if give.is_none() && board.lanes[*lane].has_room() && board.lanes[*lane].backlog.is_empty() {
                board.lanes[*lane].running += 1;
                give = Some(*lane);
            } else {
                board.wait_for(*lane, place);
            }
        }
        if left {
            board.tally.left.push(message.envelope().id.clone());
        }
        board.admitted(usize::from(sorted.decided || !sorted.wanted.is_empty()));
        let now = self.engine.now();
        let waits = sorted.wanted.keys().any(|lane| board.lanes[*lane].backlog.binary_search(&place).is_ok());
        let reports = || !waits && message.owes_report(self.engine.settings, now);
        if give.is_some() || sorted.decided || message.is_misplaced(now) || reports() {
            board.sit(&message);
        } else {
            if sorted.wanted.is_empty() {
                self.engine.observer.message_done();
            }
            // The claim goes before the board does: who takes the message up from a backlog must not find us in it.
            drop(message);
            return None;
        }
        drop(board);
        // The next message can be looked at while this one is delivered.
        self.changed.notify_all();
        Some(match give {
            Some(lane) => self.give(message, lane),
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
            let found = || self.engine.spool.find(&id).ok().flatten();
            claim.or_else(|| match found()? {
                (state @ (QueueState::New | QueueState::Cur), name) => self.claim(&[(state, name)]),
                _ => None,
            })
        });
        let Some(message) = claim.and_then(|claim| self.open(place, claim)).map(Arc::new) else {
            self.board().lanes[lane].running -= 1;
            return None;
        };
        match self.sort_out(&message) {
            Ok(sorted) if !sorted.lost && (sorted.decided || !sorted.wanted.is_empty()) => {
                self.board().sit(&message);
                Some(self.give(message, lane))
            }
            answer => {
                if let Err(error) = answer {
                    self.trouble(&error);
                }
                self.board().lanes[lane].running -= 1;
                None
            }
        }
    }

    fn claim(&self, names: &[(QueueState, FileName)]) -> Option<Box<Claim<'e>>> {
        for (state, name) in names {
            let path = || self.engine.spool.path_of_message(*state, name);
            match self.engine.spool.claim(*state, name) {
                Ok(ClaimOutcome::Claimed(claim)) => return Some(claim),
                Ok(ClaimOutcome::Gone) => {}
                Ok(ClaimOutcome::Busy) => {
                    self.board().tally.busy.push(name.id.clone());
                    return None;
                }
                Ok(ClaimOutcome::Stray(reason)) => {
                    self.engine.observer.problem(&format!("{} {reason}; it is left alone", path().display()));
                    return None;
                }
                Ok(ClaimOutcome::SetAside(reason)) => {
                    self.board().tally.errors += 1;
                    self.engine.observer.problem(&format!("{} was moved to corrupt: {reason}", path().display()));
                    return None;
                }
                Err(error) => {
                    self.trouble(&error.into());
                    return None;
                }
            }
        }
        None
    }

    fn open(&self, place: usize, claim: Box<Claim<'e>>) -> Option<ClaimedMessage<'e>> {
        let (name, envelope) = (&claim.message().name, &claim.message().envelope);
        if let Some(time) = envelope.wakes(self.engine.now()) {
            // Its time in the name was lost or overridden; nothing overrides the sender's.
            let result = if name.due == Some(time) { Ok(()) } else { claim.put_back(Some(time)) };
            if let Err(error) = result {
                self.trouble(&error.into());
            }
            return None;
        }
        match self.engine.spool.history(envelope) {
            Ok(history) => Some(ClaimedMessage::new(place, claim, history)),
            Err(error) => {
                self.trouble(&error.into());
                None
            }
        }
    }

    pub(super) fn patience(&self) -> BackoffRule {
        if self.orders.force == ForceLevel::No { BackoffRule::Waits } else { BackoffRule::None }
    }

    /// Decides what can be decided without a transport, and says which transports are wanted for whom.
    pub(super) fn sort_out(&self, message: &ClaimedMessage<'e>) -> Result<AdmissionPlan> {
        let mut sorted = AdmissionPlan::default();
        let mut results = Vec::new();
        let mut again = false;
        let now = self.engine.now();
        for (place, plan) in message.plans(self.engine.settings, now, self.patience()) {
            let meant = self.is_meant(message, place);
            match plan {
                RecipientPlan::Rest => {}
                RecipientPlan::Give(lane) if meant && self.orders.transport.is_none_or(|only| only == lane) => {
                    sorted.wanted.entry(lane).or_default().push(place);
                }
                RecipientPlan::NoRoute(text) if meant && self.orders.transport.is_none() => {
                    results.push(verdict(place, RecipientState::Failed, Status::NO_ROUTE, text));
                }
                RecipientPlan::Give(_) | RecipientPlan::NoRoute(_) => {}
                RecipientPlan::Unconfigured => sorted.unconfigured += 1,
                RecipientPlan::Expire(..) if !meant => {}
                RecipientPlan::Expire(status, text) => {
                    results.push(verdict(place, RecipientState::Failed, status, text))
                }
                RecipientPlan::AsyncOver => {
                    again = true;
                    let text = "no result was reported in time".to_owned();
                    results.push(verdict(place, RecipientState::Owed, Status::TEMPORARY, text));
                }
            }
        }
        sorted.decided = !results.is_empty();
        message.decide(self.engine.spool, results, now)?;
        if again {
            return Ok(AdmissionPlan { decided: true, ..self.sort_out(message)? });
        }
        let hand_offs = |(lane, places): (&usize, &Vec<usize>)| match self.transport(*lane).batch() {
            RecipientBatch::One => places.len(),
            RecipientBatch::All => {
                let length = |place: &usize| message.envelope().address(*place).map_or(0, |a| a.text().len() + 1);
                let bytes: usize = places.iter().map(length).sum();
                // Bytes split less evenly than recipients do: one more, to be sure.
                let by_bytes = if bytes > MOST_ADDRESS_BYTES { bytes.div_ceil(MOST_ADDRESS_BYTES) + 1 } else { 1 };
                places.len().div_ceil(MOST_RECIPIENTS).max(by_bytes.min(places.len()))
            }
        };
        if sorted.wanted.iter().map(hand_offs).sum::<usize>() > 1 && !message.share()? {
            sorted.wanted.clear();
            sorted.lost = true;
        }
        Ok(sorted)
    }

    pub(super) fn is_meant(&self, message: &ClaimedMessage<'e>, place: usize) -> bool {
        let address = message.envelope().address(place);
        self.orders.to.as_ref().is_none_or(|pattern| address.is_some_and(|address| pattern.matches(address)))
    }
}

fn verdict(place: usize, state: RecipientState, status: Status, text: String) -> Decision {
    let charge = if state == RecipientState::Owed { AttemptCost::None } else { AttemptCost::Full };
    Decision { recipients: vec![place], state, status, text, next: None, charge, remote_id: None, parts: Vec::new() }
}
