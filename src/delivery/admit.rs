//! Admission: claiming messages, and giving each to the transports that it needs.

use std::sync::Arc;
use std::time::Duration;

use crate::delivery::message::ClaimedMessage;
use crate::delivery::planning::AdmissionPlan;
use crate::delivery::scheduler::Admission;
use crate::delivery::worker::{RunState, SharedMessage};
use crate::mail::envelope::Envelope;
use crate::spool::QueueState;
use crate::spool::claim::{Claim, ClaimOutcome};
use crate::spool::file_name::FileName;
use crate::spool::listing::MessageIndex;
use crate::transports::transport::TransportIndex;
use crate::values::time::Timestamp;

impl<'e> RunState<'e> {
    /// Claims a message for the first time in this run, and hands it to a free transport or puts it into backlogs.
    /// Returns the message when this thread has worked on it.
    pub(super) fn admit(&self, index: MessageIndex) -> Option<SharedMessage<'e>> {
        let listed = self.due.get(index).filter(|(_, name)| !self.passed_over.contains(&name.id));
        let opened = listed.and_then(|listed| self.claim(&[listed])).and_then(|claim| self.open(index, claim));
        let Some((message, plan)) = opened.and_then(|message| self.first_plan(message)) else {
            self.scheduler().admitted(Admission::PassedOver);
            self.context.observer.message_done();
            return None;
        };
        let mut scheduler = self.scheduler();
        let mut hand_off = None;
        let mut left = plan.unconfigured > 0;
        scheduler.tally.unconfigured += plan.unconfigured;
        for (transport, recipients) in &plan.needed {
            let queue = &mut scheduler.queues[*transport];
            if queue.is_closed() {
                scheduler.tally.skipped += recipients.len();
                left = true;
            } else if hand_off.is_none() && queue.has_room() && queue.backlog.is_empty() {
                queue.begin_hand_off(index);
                hand_off = Some(*transport);
            } else {
                queue.add(index);
            }
        }
        if left {
            scheduler.tally.left.push(message.envelope().id.clone());
        }
        let is_taken_up = plan.decided || !plan.needed.is_empty();
        scheduler.admitted(if is_taken_up { Admission::TakenUp } else { Admission::PassedOver });
        let waits = plan.needed.keys().any(|transport| scheduler.queues[*transport].has_waiting(index));
        let owes_report = || !waits && message.owes_report(self.context.settings, self.context.time());
        if hand_off.is_none() && !plan.decided && !message.is_misplaced(self.context.now()) && !owes_report() {
            if plan.needed.is_empty() {
                self.context.observer.message_done();
            }
            // The claim is given back before the scheduler is: the thread that takes the message from a backlog must not
            // find it claimed by this one.
            drop(message);
            return None;
        }
        scheduler.check_out(index, Arc::clone(&message));
        drop(scheduler);
        // The next message can be admitted while this one is delivered.
        self.changed.notify_all();
        Some(match hand_off {
            Some(transport) => self.hand_off_next(message, transport),
            None => message,
        })
    }

    fn first_plan(&self, message: ClaimedMessage<'e>) -> Option<(SharedMessage<'e>, AdmissionPlan)> {
        self.context.observer.message_started(&message.envelope().id);
        let plan = self.plan_recipients(&message).map_err(|error| self.report_error(&error)).ok()?;
        Some((Arc::new(message), plan))
    }

    /// Claims a message again for a transport that it waited for.
    pub(super) fn reopen(&self, index: MessageIndex, transport: TransportIndex) -> Option<SharedMessage<'e>> {
        let message = self.claim_again(index).and_then(|claim| self.open(index, claim)).map(Arc::new);
        let Some(message) = message else {
            self.scheduler().queues[transport].end_hand_off(index);
            return None;
        };
        match self.plan_recipients(&message) {
            Ok(plan) if plan.decided || !plan.needed.is_empty() => {
                self.scheduler().check_out(index, Arc::clone(&message));
                Some(self.hand_off_next(message, transport))
            }
            planned => {
                if let Err(error) = planned {
                    self.report_error(&error);
                }
                // Claim first, as in `admit`.
                drop(message);
                self.scheduler().queues[transport].end_hand_off(index);
                None
            }
        }
    }

    /// Claims a message under the name that this run gave it, or under its present name.
    fn claim_again(&self, index: MessageIndex) -> Option<Box<Claim<'e>>> {
        let (state, name) = self.due.get(index)?;
        let attempted = (QueueState::Cur, name.due(None));
        let id = name.id.clone();
        self.claim(&[(state, name), attempted]).or_else(|| match self.context.spool.find(&id).ok().flatten()? {
            (state @ (QueueState::New | QueueState::Cur), name) => self.claim(&[(state, name)]),
            _ => None,
        })
    }

    /// Claims a message under the first of these names that it has.
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
                Ok(ClaimOutcome::Incomplete(message)) => {
                    let text = format!("{} {message}; what is left of it was moved to corrupt", path().display());
                    match message.set_aside(self.context.now()) {
                        Ok(()) => self.context.observer.error(&text),
                        Err(error) => self.report_error(&error.into()),
                    }
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

    /// Returns the time of the first action on a message that its sender delayed, if that is yet to come. A message that
    /// arrived in the future was delayed by a clock that was wrong: it has waited long enough when the running time since
    /// its arrival says so.
    fn delayed_until(&self, envelope: &Envelope) -> Option<Timestamp> {
        let time = self.context.time();
        let until = envelope.delayed_until(time.now)?;
        let waited = envelope.running.map_or(Duration::ZERO, |arrival| time.running.since(arrival));
        let is_over = envelope.arrival > time.now && waited >= until.since(envelope.arrival);
        (!is_over).then_some(until)
    }

    /// Reads the history of a claimed message; `None` when it must wait.
    fn open(&self, index: MessageIndex, claim: Box<Claim<'e>>) -> Option<ClaimedMessage<'e>> {
        let (name, envelope) = (&claim.message().name, &claim.message().envelope);
        debug_assert!(name.id == envelope.id, "a claimed file has the envelope of its name");
        if let Some(time) = self.delayed_until(envelope) {
            // The time in the name was lost or overridden; nothing overrides the sender's.
            let result = if name.due == Some(time) { Ok(()) } else { claim.reschedule(Some(time)) };
            if let Err(error) = result {
                self.report_error(&error.into());
            }
            return None;
        }
        let spool = self.context.spool;
        let read = spool.history(claim.message()).and_then(|history| {
            let is_handed_over = spool.is_handed_over(&envelope.id, &history)?;
            Ok((history, is_handed_over))
        });
        match read {
            Ok((_, true)) => {
                self.scheduler().tally.busy.push(envelope.id.clone());
                None
            }
            Ok((history, false)) => Some(ClaimedMessage::new(index, claim, history)),
            Err(error) => {
                self.report_error(&error.into());
                None
            }
        }
    }
}
