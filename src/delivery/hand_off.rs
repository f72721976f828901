//! Hand-offs: giving messages to transports, and applying what the transports answered.

use std::fs::File;
use std::os::fd::AsFd;
use std::sync::PoisonError;

use anyhow::{Context, Result};

use crate::delivery::context::DeliveryContext;
use crate::delivery::message::{ClaimedMessage, HandOffOutcome, ReservedRecipients};
use crate::delivery::plan::BackoffRule;
use crate::delivery::transport_queue;
use crate::delivery::worker::{RunState, SharedMessage};
use crate::mail::address::Address;
use crate::mail::envelope::Envelope;
use crate::mail::envelope::recipient::RecipientIndex;
use crate::mail::envelope::request::BodyType;
use crate::mail::history::record::LogEvent;
use crate::mail::history::state::{RecipientState, ReportKind};
use crate::mail::message::header::{Header, InputSupply, MAX_HEADER_BYTES};
use crate::spool::claim::Claim;
use crate::spool::listing::MessageIndex;
use crate::spool::program_register::ProgramSlot;
use crate::spool::work::WorkDir;
use crate::sys::private_copy;
use crate::transports::answer::{
    self, BrokenTransport, HandOffResult, ResultKind, SuccessReporter, TransportResult, TroubleKind,
};
use crate::transports::argv::RecipientBatch;
use crate::transports::command::MAX_RECIPIENTS;
use crate::transports::deliver::deliver;
use crate::transports::hand_off::{EarlierAttempt, HandOff};
use crate::transports::program::{ProgramControl, ProgramObserver};
use crate::transports::smtp::pools::ServerAccess;
use crate::transports::smtp::turn::Turn;
use crate::transports::transport::{Transport, TransportIndex};

/// Registers the programs of a hand-off while they run.
struct StartRecorder<'a, 'e> {
    message: &'a ClaimedMessage<'e>,
    context: &'a DeliveryContext<'e>,
    slot: Option<ProgramSlot<'e>>,
}

impl std::fmt::Debug for StartRecorder<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("StartRecorder").field(&self.message.index).finish()
    }
}

impl ProgramObserver for StartRecorder<'_, '_> {
    fn started(&self, pid: u32) {
        if let Some(Err(error)) = self.slot.as_ref().map(|slot| slot.started(pid)) {
            self.context.observer.error(&format!("{error:#}"));
        }
    }
}

/// Turn of a hand-off at the server of a transport: messages reach it in the order of submission.
struct HandOffTurn<'r, 'e> {
    run: &'r RunState<'e>,
    transport: TransportIndex,
    message: MessageIndex,
}

impl std::fmt::Debug for HandOffTurn<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("HandOffTurn").field(&self.message).finish()
    }
}

impl Turn for HandOffTurn<'_, '_> {
    fn wait(&self) {
        let mut scheduler = self.run.scheduler();
        while !scheduler.queues[self.transport].has_turn(self.message) {
            scheduler = self.run.changed.wait(scheduler).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn end(&self) {
        self.run.scheduler().queues[self.transport].end_turn(self.message);
        self.run.changed.notify_all();
    }
}

/// Names by which reports on a hand-off are recognized.
struct NamesForReports {
    envid: String,
    return_path: String,
}

impl<'e> RunState<'e> {
    /// Hands a message to a transport for as many recipients as one hand-off takes, and records the results.
    pub(super) fn hand_off_next(&self, message: SharedMessage<'e>, index: TransportIndex) -> SharedMessage<'e> {
        let transport = self.transport(index);
        let most = match transport.recipient_batch() {
            RecipientBatch::One => 1,
            RecipientBatch::All => MAX_RECIPIENTS,
        };
        let tried = self.scheduler().tried.clone();
        let is_wanted =
            |recipient| self.is_selected(&message, recipient) && !tried.contains(&(message.index, recipient, index));
        let ReservedRecipients { recipients, more } = message.reserve(index, most, &self.plan_inputs(), is_wanted);
        if more {
            // The others may go at once, if the transport takes several.
            self.scheduler().queues[index].add(message.index);
        }
        let stopped = self.context.signals.stop_requested().is_some();
        if recipients.is_empty() || stopped || !self.is_still_open(index) || !self.is_trusted(index) {
            message.release_recipients(&recipients);
        } else {
            let handed_over = self.hand_over(&message, index, &recipients);
            // A recipient without a back-off would be next in turn again, and again.
            if handed_over.is_err() || self.backoff_rule() == BackoffRule::Ignore {
                let tried = recipients.iter().map(|recipient| (message.index, *recipient, index));
                self.scheduler().tried.extend(tried);
            }
            if let Err(error) = handed_over {
                self.report_error(&error);
            }
        }
        self.scheduler().queues[index].end_hand_off(message.index);
        message
    }

    /// Returns true unless an operator has paused the transport: that takes effect at once, not with the next run.
    fn is_still_open(&self, index: TransportIndex) -> bool {
        let state = self.context.spool.transport_state(&self.transport(index).name);
        let reason = state.ok().and_then(|state| transport_queue::pause_reason(&state, self.context.time()));
        let mut scheduler = self.scheduler();
        if let Some(reason) = reason {
            scheduler.tally.skipped += 1;
            self.close_queue(&mut scheduler, index, reason);
        }
        !scheduler.queues[index].is_closed()
    }

    fn hand_over(
        &self,
        message: &SharedMessage<'e>,
        index: TransportIndex,
        recipients: &[RecipientIndex],
    ) -> Result<()> {
        let context = &self.context;
        let transport = self.transport(index);
        let envelope = message.envelope();
        let addresses: Vec<(RecipientIndex, &Address)> =
            recipients.iter().filter_map(|recipient| Some((*recipient, envelope.address(*recipient)?))).collect();
        debug_assert_eq!(addresses.len(), recipients.len(), "every planned recipient is in the envelope");
        let parts = message.filtered_parts(&transport.name, recipients);
        // An error before the attempt is recorded means that nothing was handed over: the recipients are given back.
        let begun = (|| {
            let first = recipients.first().copied().unwrap_or_default();
            let needs_work = !transport.preprocess.is_empty();
            let work = needs_work.then(|| context.spool.work(&envelope.id, &transport.name, first)).transpose()?;
            let copy = copy_for(&message.claim, transport)?;
            let list = transport.runs_programs().then(|| list_of(envelope)).transpose()?;
            anyhow::Ok((
                work,
                copy,
                list,
                message.record_attempt(context.spool, transport, recipients, context.time())?,
            ))
        })();
        let (work, copy, all_recipients, attempt) = begun.inspect_err(|_| message.release_recipients(recipients))?;
        let claimed = message.claim.message();
        let names = self.names_for_reports(envelope, recipients);
        let all_recipients = all_recipients.as_ref().map_or_else(String::new, private_copy::path_while_open);
        let hand_off = HandOff {
            id: &envelope.id,
            envelope,
            sender: &envelope.sender,
            return_path: &names.return_path,
            recipients: &addresses,
            all_recipients: &all_recipients,
            priority: envelope.priority.word(),
            envid: &names.envid,
            attempt: attempt.number,
            body: envelope.body.map_or("", BodyType::word),
            spool: context.spool.path(),
            input: copy.as_ref().unwrap_or(claimed.file()).as_fd(),
            body_at: if copy.is_some() { 0 } else { claimed.body_at },
            lock: claimed.file().as_fd(),
            earlier_attempt: if attempt.earlier_result_unknown {
                EarlierAttempt::MaybeDelivered
            } else {
                EarlierAttempt::NotDelivered
            },
            part: "",
            parts_delivered: &parts,
            work: work.as_ref().map(WorkDir::path),
            limit: filter_output_limit(context.settings.queue.message_limit),
        };
        let slot = transport.runs_programs().then(|| context.spool.program_slot(&envelope.id)).transpose();
        let slot = slot.unwrap_or_else(|error| {
            context.observer.error(&format!("{error:#}"));
            None
        });
        let starts = StartRecorder { message, context, slot };
        let turn = HandOffTurn { run: self, transport: index, message: message.index };
        let servers = ServerAccess { sessions: context.sessions, turn: &turn };
        let control = ProgramControl { observer: Some(&starts), ..context.program_control() };
        let result = deliver(transport, &hand_off, control, servers, &mut |line| {
            if let Some((done, all, text)) = answer::progress(line) {
                context.observer.progress(&transport.name, done, all, &text);
            }
        });
        debug_assert_eq!(result.results.len(), recipients.len(), "one result for each recipient");
        drop(copy);
        let handed = HandOffOutcome { transport, recipients, result: &result };
        let returned = message.record_results(context.spool, &handed, context.settings, context.time())?;
        self.leave_success_reports(message, recipients, &result)?;
        self.apply_result(message, index, &returned, &result)
    }

    /// Records that the next system reports the success for some recipients: mspool makes no report on them then.
    fn leave_success_reports(
        &self,
        message: &SharedMessage<'e>,
        recipients: &[RecipientIndex],
        result: &HandOffResult,
    ) -> Result<()> {
        let is_left = |one: &TransportResult| {
            one.kind == ResultKind::Accepted && one.success_reporter == SuccessReporter::NextSystem
        };
        let left = recipients.iter().zip(&result.results).filter(|(_, one)| is_left(one));
        let recipients: Vec<RecipientIndex> = left.map(|(recipient, _)| *recipient).collect();
        if recipients.is_empty() {
            return Ok(());
        }
        let text = "the next system reports it".to_owned();
        let event = LogEvent::Reported { kind: ReportKind::Success, recipients, report: None, text };
        message.append_event(self.context.spool, event, self.context.time())
    }

    /// Returns the names by which reports on this hand-off are recognized. Without the key of the spool they have no tag:
    /// mail goes out all the same, and reports on it prove nothing.
    fn names_for_reports(&self, envelope: &Envelope, recipients: &[RecipientIndex]) -> NamesForReports {
        match self.context.spool.report_key() {
            Ok(key) => NamesForReports {
                envid: match &envelope.envid {
                    Some(chosen) => chosen.as_str().to_owned(),
                    None => key.envelope_id(&envelope.id, recipients),
                },
                return_path: key.return_path(&envelope.sender, &envelope.id, recipients),
            },
            Err(error) => {
                self.context.observer.error(&format!("{error}; reports on {} will prove nothing", envelope.id));
                NamesForReports {
                    envid: envelope.report_id().to_owned(),
                    return_path: envelope.sender.as_str().to_owned(),
                }
            }
        }
    }

    /// Judges the trial of a broken transport. A transport whose login was refused works again only when it has taken or
    /// refused a message: anything else may have happened before the login.
    fn judge_trial(&self, index: TransportIndex, result: &HandOffResult) -> Result<()> {
        let transport = self.transport(index);
        let waits_for_person =
            self.context.spool.transport_state(&transport.name)?.waits_for_person(&transport.fingerprint);
        let shows_login =
            |one: &TransportResult| matches!(one.kind, ResultKind::Accepted | ResultKind::Failed | ResultKind::Async);
        if waits_for_person && !result.results.iter().any(shows_login) {
            let reason = "waiting for a working login: the last trial did not come to one".to_owned();
            self.close_queue(&mut self.scheduler(), index, reason);
            return self.context.control().put_trial_off(transport);
        }
        if self.scheduler().queues[index].works_again() {
            self.context.control().close_breaker(transport)?;
        }
        Ok(())
    }

    /// Applies a result to the transport, and to the recipients that came back without a charge.
    fn apply_result(
        &self,
        message: &SharedMessage<'e>,
        index: TransportIndex,
        returned: &[RecipientIndex],
        result: &HandOffResult,
    ) -> Result<()> {
        let transport = self.transport(index);
        if let Some(BrokenTransport { kind, text }) = &result.broken {
            // Several hand-offs at once may all find out; the first opens the breaker.
            let mut scheduler = self.scheduler();
            let was_closed = scheduler.queues[index].is_closed();
            self.close_queue(&mut scheduler, index, format!("broken: {text}"));
            drop(scheduler);
            if !was_closed {
                self.context.control().open_breaker(transport, *kind, text)?;
                let name = &transport.name;
                self.context.observer.error(&match kind {
                    TroubleKind::Broken => format!("transport {name} is broken: {text}; its mail is kept"),
                    TroubleKind::LoginRefused => format!(
                        "transport {name}: the login was refused: {text}; its mail is kept; correct the password, \
                         then run mspool flush --resume {name}"
                    ),
                });
            }
        } else if self.scheduler().queues[index].was_broken {
            self.judge_trial(index, result)?;
        }
        if returned.is_empty() {
            return Ok(());
        }
        // A declined recipient is for the next transport; one that came back for any other reason waits for the next run.
        let needed = self.plan_recipients(message)?.needed;
        let mut scheduler = self.scheduler();
        let mut left = false;
        for (next, recipients) in needed {
            for recipient in recipients.into_iter().filter(|recipient| returned.contains(recipient)) {
                if next == index {
                    scheduler.tried.insert((message.index, recipient, index));
                    left = true;
                } else if scheduler.queues[next].is_closed() {
                    scheduler.tally.skipped += 1;
                    left = true;
                } else {
                    scheduler.queues[next].add(message.index);
                }
            }
        }
        if left {
            scheduler.tally.left.push(message.envelope().id.clone());
        }
        Ok(())
    }
}

/// Makes a file with all recipients of a message that are addresses, one per line, for the programs of one hand-off.
fn list_of(envelope: &Envelope) -> Result<File> {
    let addresses = envelope.recipients.iter().map(|recipient| &recipient.address);
    let lines: Vec<String> =
        addresses.filter(|address| !address.is_invalid()).map(|address| format!("{address}\n")).collect();
    private_copy::of_bytes(lines.concat().as_bytes()).context("cannot make the list of all recipients")
}

/// Returns the copy of a message for a transport: for its programs, and for one that relays without the `Return-Path` that
/// the sender wrote: only the system of the final delivery has one (RFC 5321, section 4.4). `None` means that the
/// transport reads the queued file.
fn copy_for(claim: &Claim<'_>, transport: &Transport) -> Result<Option<File>> {
    if transport.success_state() == RecipientState::Relayed {
        let head = claim.message().first_bytes(MAX_HEADER_BYTES)?;
        let header = Header::scan(&head, InputSupply::End);
        let kept = header.as_ref().and_then(|header| Some((header, header.fields_without("Return-Path")?)));
        if let Some((header, fields)) = kept {
            let head = [header.marker, &fields].concat();
            return Ok(Some(claim.private_copy_with(&head, header.len as u64)?));
        }
    }
    Ok(transport.runs_programs().then(|| claim.private_copy(0)).transpose()?)
}

/// Returns the bytes that filters may make of a message: room for encoding and signing the largest.
fn filter_output_limit(message_limit: u64) -> u64 {
    message_limit.saturating_mul(2).saturating_add(1 << 20)
}
