//! Handing messages to transports, and what their answers mean.

use std::os::fd::AsFd;
use std::sync::Arc;

use anyhow::Result;

use crate::mail::address::Address;
use crate::mail::envelope::request::BodyType;
use crate::spool::work::WorkDir;
use crate::transports::answer;
use crate::transports::argv::RecipientBatch;
use crate::transports::command::MAX_RECIPIENTS;
use crate::transports::deliver::deliver;
use crate::transports::hand_off::{EarlierAttempt, HandOff};
use crate::transports::transport::Transport;

use crate::delivery::decision::Given;
use crate::delivery::message::ClaimedMessage;
use crate::delivery::plan::BackoffRule;
use crate::delivery::transport_queue::{self, Readiness};
use crate::delivery::worker::RunState;

impl<'e> RunState<'e> {
    /// Hands a message to a transport for as many recipients as one hand-off takes, and writes down what came of it.
    pub(super) fn hand_off_next(&self, message: Arc<ClaimedMessage<'e>>, lane: usize) -> Arc<ClaimedMessage<'e>> {
        let transport = self.transport(lane);
        let most = if transport.recipient_batch() == RecipientBatch::One { 1 } else { MAX_RECIPIENTS };
        let now = self.context.now();
        let tried = self.scheduler().tried.clone();
        let wanted = |place| self.is_selected(&message, place) && !tried.contains(&(message.place, place));
        let (places, more) = message.reserve(lane, most, self.context.settings, now, self.backoff_rule(), wanted);
        if more && message.allows_parallel_hand_offs() {
            // The others may go at once, if the transport takes several. A message that is not shared has one reading
            // place, and is handed over once at a time: its others fell due just now, and can wait for the next run.
            self.scheduler().add_to_backlog(lane, message.place);
        }
        let stopped = self.context.signals.stop_requested().is_some();
        if places.is_empty() || stopped || !self.is_still_open(lane) || !self.is_trusted(lane) {
            message.release_recipients(&places);
        } else {
            let handed = self.hand_over(&message, transport, lane, &places);
            // Who has no back-off to wait for would be next in turn again, and again.
            if handed.is_err() || self.backoff_rule() == BackoffRule::Ignore {
                self.scheduler().tried.extend(places.iter().map(|place| (message.place, *place)));
            }
            if let Err(error) = handed {
                self.report_error(&error);
            }
        }
        self.scheduler().queues[lane].running -= 1;
        message
    }

    /// An operator's pause takes effect at once, not with the next run.
    fn is_still_open(&self, lane: usize) -> bool {
        let transport_state = self.context.spool.transport_state(&self.transport(lane).name);
        let reason = transport_state
            .ok()
            .and_then(|transport_state| transport_queue::pause_reason(&transport_state, self.context.now()));
        let mut scheduler = self.scheduler();
        if let Some(reason) = reason {
            scheduler.tally.skipped += 1;
            self.close_queue(&mut scheduler, lane, reason);
        }
        !matches!(scheduler.queues[lane].ready, Readiness::No(_))
    }

    fn hand_over(
        &self,
        message: &Arc<ClaimedMessage<'e>>,
        transport: &Transport,
        lane: usize,
        places: &[usize],
    ) -> Result<()> {
        let context = &self.context;
        let envelope = message.envelope();
        let addresses = |place: &usize| Some((*place, envelope.address(*place)?));
        let recipients: Vec<(usize, &Address)> = places.iter().filter_map(addresses).collect();
        let parts = message.filtered_parts(&transport.name, places);
        let begun = (|| {
            let filters = !transport.preprocess.is_empty();
            let place = places.first().copied().unwrap_or_default();
            let work = filters.then(|| context.spool.work(&envelope.id, &transport.name, place)).transpose()?;
            let input = if message.allows_parallel_hand_offs() {
                message.claim.parallel_input()?
            } else {
                message.claim.input()?
            };
            anyhow::Ok((work, input, message.record_attempt(context.spool, transport, places, context.now())?))
        })();
        let (work, input, (attempt, unseen)) = begun.inspect_err(|_| message.release_recipients(places))?;
        let hand_off = HandOff {
            id: envelope.id.as_str(),
            sender: &envelope.sender,
            recipients: &recipients,
            envid: envelope.report_id(),
            attempt,
            body: envelope.body.map_or("", BodyType::word),
            spool: context.spool.path(),
            input: input.as_fd(),
            body_at: message.claim.message().body_at,
            earlier_attempt: if unseen { EarlierAttempt::MaybeDelivered } else { EarlierAttempt::NotDelivered },
            part: "",
            parts_delivered: &parts,
            work: work.as_ref().map(WorkDir::path),
            limit: filter_output_limit(context.settings.queue.message_limit),
        };
        let answer = deliver(transport, &hand_off, context.program_control(), &mut |line| {
            if let Some((done, all, text)) = answer::progress(line) {
                context.observer.progress(&transport.name, done, all, &text);
            }
        });
        drop(input);
        let given = Given { transport, places, queue: &context.settings.queue };
        let back = message.record_results(context.spool, &given, &answer, context.now())?;
        self.apply_result(message, lane, &back, answer.broken.as_deref())
    }

    /// What an answer means for the transport, and for those whom it did not settle.
    fn apply_result(
        &self,
        message: &Arc<ClaimedMessage<'e>>,
        lane: usize,
        back: &[usize],
        broken: Option<&str>,
    ) -> Result<()> {
        let transport = self.transport(lane);
        if let Some(reason) = broken {
            // Several hand-offs at once may all find out; the first says so.
            let mut scheduler = self.scheduler();
            let known = matches!(scheduler.queues[lane].ready, Readiness::No(_));
            self.close_queue(&mut scheduler, lane, format!("broken: {reason}"));
            drop(scheduler);
            if !known {
                self.context.control().open_breaker(transport, reason)?;
                let text = format!("transport {} is broken: {reason}; its mail is kept", transport.name);
                self.context.observer.error(&text);
            }
        } else if self.scheduler().queues[lane].works_again() {
            self.context.control().close_breaker(transport)?;
        }
        if back.is_empty() {
            return Ok(());
        }
        // Who was declined is for the next transport; who came back for any other reason rests until the next run.
        let wanted = self.plan_recipients(message)?.wanted;
        let mut scheduler = self.scheduler();
        let mut left = false;
        for (next, places) in wanted {
            for place in places.iter().filter(|place| back.contains(place)) {
                if next == lane {
                    scheduler.tried.insert((message.place, *place));
                    left = true;
                } else if matches!(scheduler.queues[next].ready, Readiness::No(_)) {
                    scheduler.tally.skipped += 1;
                    left = true;
                } else {
                    scheduler.add_to_backlog(next, message.place);
                }
            }
        }
        if left {
            scheduler.tally.left.push(message.envelope().id.clone());
        }
        Ok(())
    }
}

/// Bytes that filters may make of a message: room for encoding and signing the largest.
fn filter_output_limit(message_limit: u64) -> u64 {
    message_limit.saturating_mul(2).saturating_add(1 << 20)
}
