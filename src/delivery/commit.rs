//! Commits: making results durable, beside the deliveries rather than between them.
//!
//! A thread writes a result into the log as soon as it has it, so that only a power cut can lose it, and goes on to its
//! next hand-off. Here the logs of all messages that have collected meanwhile are synced together, which costs the
//! filesystem little more than one of them. Only then is a result told, the sender notified, and the message moved.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::delivery::context::DeliveryContext;
use crate::delivery::dsn_writer::{self, WrittenReport};
use crate::delivery::message::ClaimedMessage;
use crate::delivery::worker::SharedMessage;
use crate::delivery::{final_steps, settle};
use crate::mail::envelope::id::QueueId;
use crate::output::observer::RecipientEvent;
use crate::spool::draft::UnsyncedMessage;
use crate::spool::listing::MessageIndex;
use crate::spool::unsynced_names::UnsyncedNames;
use crate::sys::error::PathError;

/// Message on its way to the disk.
#[derive(Debug)]
pub enum CommitRequest<'e> {
    /// No thread works on it any more: sync its log, make the DSNs that are due, and move it.
    Settle(SharedMessage<'e>),
    /// No thread works on it now, and this run takes it up again: sync its log and move it. DSNs are made when the run
    /// is done with it, for all recipients together.
    Requeue(SharedMessage<'e>),
    /// Other threads work on it still: sync its log.
    Sync(SharedMessage<'e>),
    /// A thread waits for what is on its way: begin now.
    Hurry,
}

/// Result of a commit.
#[derive(Debug, Default)]
pub struct CommitReport {
    /// Events whose records are durable.
    pub events: Vec<RecipientEvent>,
    /// Messages whose claims were given back.
    pub settled: Vec<MessageIndex>,
    /// Messages that could not be moved, to be left alone for a while.
    pub left: Vec<QueueId>,
    /// Number of messages that could not be moved, since another user could have written a program that comes first.
    pub untrusted: usize,
    /// Number of syncs and moves that failed.
    pub errors: usize,
}

/// Messages synced together at most.
const MAX_GROUP: usize = 128;

/// Time that a group may collect while no thread waits for it.
///
/// Each sync stalls every process that creates a file meanwhile, so a sync a message would halve the rate. After a power
/// cut, results of this time may be lost and their deliveries repeated.
const COLLECTING: Duration = Duration::from_millis(40);

/// Message whose last steps run programs, with its index.
pub type FinalStepsRequest<'e> = (MessageIndex, ClaimedMessage<'e>);

/// Commits messages until every sender is gone. Messages whose last steps run programs are passed to `finisher`.
pub fn commit_all<'e>(
    context: DeliveryContext<'e>,
    requests: &Receiver<CommitRequest<'e>>,
    finisher: Option<&Sender<FinalStepsRequest<'e>>>,
    committed: &dyn Fn(CommitReport),
) {
    while let Ok(first) = requests.recv() {
        let group = collect(first, requests);
        // Only hurries: reporting an empty commit would make the waiting threads ask again at once, and again.
        if group.is_empty() {
            continue;
        }
        let report = Commit { context, finisher, report: CommitReport::default() }.run(group);
        for event in &report.events {
            context.observer.handled(event);
        }
        committed(report);
    }
}

/// Collects a group: what comes within [`COLLECTING`], or what is there at once if a thread waits.
fn collect<'e>(first: CommitRequest<'e>, requests: &Receiver<CommitRequest<'e>>) -> Vec<CommitRequest<'e>> {
    let end = Instant::now() + COLLECTING;
    let mut group = Vec::new();
    let mut hurry = false;
    let mut next = Some(first);
    while let Some(request) = next {
        match request {
            CommitRequest::Hurry => hurry = true,
            request => group.push(request),
        }
        let left = if hurry { Duration::ZERO } else { end.saturating_duration_since(Instant::now()) };
        next = if group.len() < MAX_GROUP { requests.recv_timeout(left).ok() } else { None };
    }
    debug_assert!(group.len() <= MAX_GROUP, "a group is bounded");
    group
}

/// Runs the last steps of messages one after another, until every sender is gone. Programs must not keep the results of
/// other messages from the disk.
pub fn run_final_steps<'e>(
    context: DeliveryContext<'e>,
    requests: &Receiver<FinalStepsRequest<'e>>,
    committed: &dyn Fn(CommitReport),
) {
    while let Ok((index, message)) = requests.recv() {
        let mut report = CommitReport { settled: vec![index], ..CommitReport::default() };
        // A run that was told to stop leaves the message to the next run: its results are durable.
        if context.signals.stop_requested().is_none() {
            settle_message(context, message, &mut report);
        }
        committed(report);
    }
}

fn settle_message<'e>(context: DeliveryContext<'e>, message: ClaimedMessage<'e>, report: &mut CommitReport) {
    let id = message.envelope().id.clone();
    if let Err(error) = settle::settle(&context, message) {
        let distrust = error.downcast_ref::<PathError>().and_then(PathError::distrust);
        if distrust.is_none_or(|distrust| context.settings.trust.is_news(distrust)) {
            context.observer.error(&format!("{id}: {error:#}"));
        }
        if distrust.is_some() {
            report.untrusted += 1;
        } else {
            report.errors += 1;
        }
        report.left.push(id);
    }
}

/// Commit of one group.
struct Commit<'c, 'e> {
    context: DeliveryContext<'e>,
    finisher: Option<&'c Sender<FinalStepsRequest<'e>>>,
    report: CommitReport,
}

/// Message with the DSNs that were written about it.
type Reported<'e> = (SharedMessage<'e>, Vec<WrittenReport<'e>>);

impl<'e> Commit<'_, 'e> {
    fn run(mut self, group: Vec<CommitRequest<'e>>) -> CommitReport {
        let durable = self.sync(group);
        let mut reported: Vec<Reported<'e>> = Vec::new();
        let mut settling = Vec::new();
        for request in durable {
            match request {
                CommitRequest::Settle(message) => match dsn_writer::write(&self.context, &message) {
                    // A DSN of a run that died may have been found and recorded: that record is synced like the others.
                    Ok(written) if written.is_empty() && message.is_synced() => settling.push(message),
                    Ok(written) => reported.push((message, written)),
                    Err(error) => self.leave_unreported(&message, &error),
                },
                CommitRequest::Requeue(message) => settling.push(message),
                CommitRequest::Sync(_) | CommitRequest::Hurry => {}
            }
        }
        match make_durable(self.context, &mut reported) {
            Ok(()) => settling.extend(reported.into_iter().map(|(message, _)| message)),
            Err(error) => reported.iter().for_each(|(message, _)| self.leave_unreported(message, &error)),
        }
        settling.into_iter().for_each(|message| self.settle(message));
        debug_assert!(self.report.left.len() <= self.report.settled.len() + self.report.untrusted + self.report.errors);
        self.report
    }

    /// Makes the logs durable, in one go, and returns the requests whose records are: nothing follows from the others.
    fn sync(&mut self, group: Vec<CommitRequest<'e>>) -> Vec<CommitRequest<'e>> {
        if group.len() > 1 {
            group.iter().filter_map(CommitRequest::message).for_each(|message| message.begin_sync());
        }
        let mut durable = Vec::with_capacity(group.len());
        let mut events = Vec::new();
        let mut names = UnsyncedNames::default();
        for request in group {
            let Some(message) = request.message() else { continue };
            match message.sync(self.context.spool) {
                Ok(synced) => {
                    names.extend(synced.names);
                    events.extend(synced.events);
                    durable.push(request);
                }
                Err(error) => self.leave_unrecorded(&request, &error),
            }
        }
        if let Err(error) = self.context.spool.sync_names(&names) {
            let error = error.into();
            durable.iter().for_each(|request| self.leave_unrecorded(request, &error));
            return Vec::new();
        }
        self.report.events.extend(events);
        durable
    }

    /// Leaves a message whose results are not durable where it is: the next run finds its log as it is on the disk.
    fn leave_unrecorded(&mut self, request: &CommitRequest<'e>, error: &anyhow::Error) {
        let Some(message) = request.message() else { return };
        let id = &message.envelope().id;
        self.context
            .observer
            .error(&format!("{id}: a result is not on the disk; a delivery may be repeated: {error:#}"));
        self.report.errors += 1;
        if !matches!(request, CommitRequest::Sync(_)) {
            self.leave(message);
        }
    }

    /// Leaves a message whose sender could not be notified: its results are in its log, and the next run makes the DSN
    /// and moves the message then.
    fn leave_unreported(&mut self, message: &SharedMessage<'e>, error: &anyhow::Error) {
        let id = &message.envelope().id;
        self.context.observer.error(&format!("{id}: the sender cannot be notified yet: {error:#}"));
        self.report.errors += 1;
        self.leave(message);
    }

    fn leave(&mut self, message: &SharedMessage<'e>) {
        self.report.left.push(message.envelope().id.clone());
        self.report.settled.push(message.index);
        self.context.observer.message_done();
    }

    fn settle(&mut self, message: SharedMessage<'e>) {
        debug_assert!(message.is_synced(), "nothing follows from a record that is not durable");
        let index = message.index;
        self.context.observer.message_done();
        // The scheduler gave its last reference away with the message.
        let Some(message) = Arc::into_inner(message) else {
            debug_assert!(false, "a message that is committed has one owner");
            self.report.settled.push(index);
            return;
        };
        match self.finisher.filter(|_| final_steps::needs_programs(self.context.settings, &message.history())) {
            Some(finisher) => drop(finisher.send((index, message))),
            None => {
                self.report.settled.push(index);
                settle_message(self.context, message, &mut self.report);
            }
        }
    }
}

impl<'e> CommitRequest<'e> {
    fn message(&self) -> Option<&SharedMessage<'e>> {
        match self {
            CommitRequest::Settle(message) | CommitRequest::Requeue(message) | CommitRequest::Sync(message) => {
                Some(message)
            }
            CommitRequest::Hurry => None,
        }
    }
}

/// Makes DSNs durable, all of them in one go, and records that they are: before the messages that they are about move.
fn make_durable<'e>(context: DeliveryContext<'e>, reported: &mut [Reported<'e>]) -> Result<()> {
    let unsynced =
        reported.iter_mut().flat_map(|(_, written)| written.iter_mut().filter_map(|one| one.unsynced.take()));
    UnsyncedMessage::commit(unsynced.collect())?;
    let mut names = UnsyncedNames::default();
    for (message, written) in reported {
        debug_assert!(written.iter().all(|one| one.unsynced.is_none()), "a report is noted when it is durable");
        dsn_writer::record_reports(&context, message, std::mem::take(written))?;
        names.extend(message.sync(context.spool)?.names);
    }
    Ok(context.spool.sync_names(&names)?)
}
