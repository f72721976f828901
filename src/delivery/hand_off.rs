//! Handing messages to transports, and what their answers mean.

use std::os::fd::AsFd;
use std::sync::Arc;

use anyhow::Result;

use crate::mail::address::Address;
use crate::mail::envelope::request::BodyType;
use crate::spool::work::WorkDir;
use crate::transports::answer;
use crate::transports::argv::RecipientBatch;
use crate::transports::command::MOST_RECIPIENTS;
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
    pub(super) fn give(&self, message: Arc<ClaimedMessage<'e>>, lane: usize) -> Arc<ClaimedMessage<'e>> {
        let transport = self.transport(lane);
        let most = if transport.batch() == RecipientBatch::One { 1 } else { MOST_RECIPIENTS };
        let now = self.engine.now();
        let tried = self.board().tried.clone();
        let wanted = |place| self.is_meant(&message, place) && !tried.contains(&(message.place, place));
        let (places, more) = message.reserve(lane, most, self.engine.settings, now, self.patience(), wanted);
        if more && message.is_shared() {
            // The others may go at once, if the transport takes several. A message that is not shared has one reading
            // place, and is handed over once at a time: its others fell due just now, and can wait for the next run.
            self.board().wait_for(lane, message.place);
        }
        let stopped = self.engine.signals.stop_requested().is_some();
        if places.is_empty() || stopped || !self.is_still_open(lane) {
            message.give_back(&places);
        } else {
            let handed = self.hand_over(&message, transport, lane, &places);
            // Who has no back-off to wait for would be next in turn again, and again.
            if handed.is_err() || self.patience() == BackoffRule::None {
                self.board().tried.extend(places.iter().map(|place| (message.place, *place)));
            }
            if let Err(error) = handed {
                self.trouble(&error);
            }
        }
        self.board().lanes[lane].running -= 1;
        message
    }

    /// An operator's pause takes effect at once, not with the next run.
    fn is_still_open(&self, lane: usize) -> bool {
        let gate = self.engine.spool.gate(&self.transport(lane).name);
        let reason = gate.ok().and_then(|gate| transport_queue::paused(&gate, self.engine.now()));
        let mut board = self.board();
        if let Some(reason) = reason {
            board.tally.skipped += 1;
            self.shut(&mut board, lane, reason);
        }
        !matches!(board.lanes[lane].ready, Readiness::No(_))
    }

    fn hand_over(
        &self,
        message: &Arc<ClaimedMessage<'e>>,
        transport: &Transport,
        lane: usize,
        places: &[usize],
    ) -> Result<()> {
        let engine = &self.engine;
        let envelope = message.envelope();
        let addresses = |place: &usize| Some((*place, envelope.address(*place)?));
        let recipients: Vec<(usize, &Address)> = places.iter().filter_map(addresses).collect();
        let parts = message.parts(&transport.name, places);
        let begun = (|| {
            let filters = !transport.preprocess.is_empty();
            let place = places.first().copied().unwrap_or_default();
            let work = filters.then(|| engine.spool.work(&envelope.id, &transport.name, place)).transpose()?;
            let input = if message.is_shared() { message.claim.another_input()? } else { message.claim.input()? };
            anyhow::Ok((work, input, message.begin(engine.spool, transport, places, engine.now())?))
        })();
        let (work, input, (attempt, unseen)) = begun.inspect_err(|_| message.give_back(places))?;
        let hand_off = HandOff {
            id: envelope.id.as_str(),
            sender: &envelope.sender,
            recipients: &recipients,
            envid: envelope.report_id(),
            attempt,
            body: envelope.body.map_or("", BodyType::word),
            spool: engine.spool.path(),
            input: input.as_fd(),
            body_at: message.claim.message().body_at,
            before: if unseen { EarlierAttempt::MaybeDelivered } else { EarlierAttempt::NotDelivered },
            part: "",
            parts: &parts,
            work: work.as_ref().map(WorkDir::path),
            limit: made_limit(engine.settings.queue.message_limit),
        };
        let answer = deliver(transport, &hand_off, engine.signals, &mut |line| {
            if let Some((done, all, text)) = answer::progress(line) {
                engine.observer.progress(&transport.name, done, all, &text);
            }
        });
        drop(input);
        let given = Given { transport, places, queue: &engine.settings.queue };
        let back = message.end(engine.spool, &given, &answer, engine.now())?;
        self.draw_conclusions(message, lane, &back, answer.broken.as_deref())
    }

    /// What an answer means for the transport, and for those whom it did not settle.
    fn draw_conclusions(
        &self,
        message: &Arc<ClaimedMessage<'e>>,
        lane: usize,
        back: &[usize],
        broken: Option<&str>,
    ) -> Result<()> {
        let transport = self.transport(lane);
        if let Some(reason) = broken {
            // Several hand-offs at once may all find out; the first says so.
            let mut board = self.board();
            let known = matches!(board.lanes[lane].ready, Readiness::No(_));
            self.shut(&mut board, lane, format!("broken: {reason}"));
            drop(board);
            if !known {
                self.engine.keeper().open_breaker(transport, reason)?;
                let text = format!("transport {} is broken: {reason}; its mail is kept", transport.name);
                self.engine.observer.problem(&text);
            }
        } else if self.board().lanes[lane].works_again() {
            self.engine.keeper().close_breaker(transport)?;
        }
        if back.is_empty() {
            return Ok(());
        }
        // Who was declined is for the next transport; who came back for any other reason rests until the next run.
        let wanted = self.sort_out(message)?.wanted;
        let mut board = self.board();
        let mut left = false;
        for (next, places) in wanted {
            for place in places.iter().filter(|place| back.contains(place)) {
                if next == lane {
                    board.tried.insert((message.place, *place));
                    left = true;
                } else if matches!(board.lanes[next].ready, Readiness::No(_)) {
                    board.tally.skipped += 1;
                    left = true;
                } else {
                    board.wait_for(next, message.place);
                }
            }
        }
        if left {
            board.tally.left.push(message.envelope().id.clone());
        }
        Ok(())
    }
}

/// Bytes that filters may make of a message: room for encoding and signing the largest.
fn made_limit(message_limit: u64) -> u64 {
    message_limit.saturating_mul(2).saturating_add(1 << 20)
}
