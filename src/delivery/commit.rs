//! Making results durable, beside the deliveries rather than between them.
//!
//! A thread writes a result into the log the moment it has it, so that nothing but a power cut can lose it, and goes
//! on to its next hand-off. Here the logs of all messages that have collected meanwhile are synced together, which
//! costs the filesystem little more than one of them, and only then is a message moved on and its result told.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::mail::envelope::id::QueueId;
use crate::spool::draft::UnsyncedMessage;

use crate::delivery::context::DeliveryContext;
use crate::delivery::dsn_writer::{self, WrittenReport};
use crate::delivery::message::ClaimedMessage;
use crate::delivery::settle;
use crate::output::observer::RecipientEvent;

/// A message on its way to the disk.
#[derive(Debug)]
pub enum CommitRequest<'e> {
    /// Nobody works on it any more: sync its log, tell its sender, and move it to where it belongs.
    Settle(Arc<ClaimedMessage<'e>>),
    /// Nobody works on it now, and this run takes it up again: as before, but its sender is told when the run is done
    /// with it, of everybody at once.
    Requeue(Arc<ClaimedMessage<'e>>),
    /// Others work on it still: sync its log.
    Sync(Arc<ClaimedMessage<'e>>),
    /// Somebody waits for what is on its way: begin now.
    Hurry,
}

/// What has arrived there.
#[derive(Debug, Default)]
pub struct CommitReport {
    /// Results that may be told.
    pub handled: Vec<RecipientEvent>,
    /// Places of the messages that were let go.
    pub settled: Vec<usize>,
    /// Messages that could not be moved on, and should be left alone for a while.
    pub left: Vec<QueueId>,
    /// Syncs and moves that failed.
    pub errors: usize,
}

/// Messages synced together at most.
const GROUP: usize = 128;

/// How long a group may collect while nobody waits for it. Each sync stalls whoever creates a file meanwhile, so that a
/// sync a message would halve the rate; after a power cut, results of so long may be lost, and their deliveries
/// repeated.
const COLLECT: Duration = Duration::from_millis(40);

/// A message whose finishing takes programs, and its place.
pub type Finishing<'e> = (usize, ClaimedMessage<'e>);

/// Works until nobody can send any more. Messages whose finishing takes programs are passed to `finisher`.
pub fn work<'e>(
    context: DeliveryContext<'e>,
    queue: &Receiver<CommitRequest<'e>>,
    finisher: Option<&Sender<Finishing<'e>>>,
    told: &dyn Fn(CommitReport),
) {
    while let Ok(first) = queue.recv() {
        let mut hurry = matches!(first, CommitRequest::Hurry);
        let mut group = vec![first];
        let end = Instant::now() + COLLECT;
        while group.iter().filter(|commit| !matches!(commit, CommitRequest::Hurry)).count() < GROUP {
            let left = if hurry { Duration::ZERO } else { end.saturating_duration_since(Instant::now()) };
            let Ok(next) = queue.recv_timeout(left) else { break };
            hurry |= matches!(next, CommitRequest::Hurry);
            group.push(next);
        }
        group.retain(|commit| !matches!(commit, CommitRequest::Hurry));
        if group.is_empty() {
            // Nothing was on its way: to say so would only make everybody ask again.
            continue;
        }
        let done = commit(context, group, finisher);
        for handled in &done.handled {
            context.observer.handled(handled);
        }
        told(done);
    }
}

/// Finishes messages one after another, until no more can come: programs must not keep results from the disk.
pub fn finish_each<'e>(context: DeliveryContext<'e>, queue: &Receiver<Finishing<'e>>, told: &dyn Fn(CommitReport)) {
    while let Ok((place, message)) = queue.recv() {
        let mut done = CommitReport { settled: vec![place], ..CommitReport::default() };
        if context.signals.stop_requested().is_none() {
            settle(context, message, &mut done);
        }
        // Else the next run finishes it: its results are on the disk.
        told(done);
    }
}

fn settle<'e>(context: DeliveryContext<'e>, message: ClaimedMessage<'e>, done: &mut CommitReport) {
    let id = message.envelope().id.clone();
    if let Err(error) = settle::settle(&context, message) {
        context.observer.error(&format!("{id}: {error:#}"));
        done.errors += 1;
        done.left.push(id);
    }
}

fn commit<'e>(
    context: DeliveryContext<'e>,
    group: Vec<CommitRequest<'e>>,
    finisher: Option<&Sender<Finishing<'e>>>,
) -> CommitReport {
    let message = |commit: &CommitRequest<'e>| match commit {
        CommitRequest::Settle(message) | CommitRequest::Requeue(message) | CommitRequest::Sync(message) => {
            Some(Arc::clone(message))
        }
        CommitRequest::Hurry => None,
    };
    let messages: Vec<Arc<ClaimedMessage<'e>>> = group.iter().filter_map(message).collect();
    let mut done = CommitReport::default();
    let not_durable = sync(context, &messages, &mut done);
    drop(messages);
    let mut reports: Vec<(Arc<ClaimedMessage<'e>>, Vec<WrittenReport<'e>>)> = Vec::new();
    let mut unreported = Vec::new();
    let mut settling = Vec::new();
    for commit in group {
        match commit {
            // It must not move before its results are durable: it stays, and the next run reads its log.
            CommitRequest::Settle(message) | CommitRequest::Requeue(message)
                if not_durable.contains(&message.place) =>
            {
                done.left.push(message.envelope().id.clone());
                done.settled.push(message.place);
                context.observer.message_done();
            }
            CommitRequest::Settle(message) => match dsn_writer::write(&context, &message) {
                Ok(written) if written.is_empty() => settling.push(message),
                Ok(written) => reports.push((message, written)),
                Err(error) => unreported.push((message, error)),
            },
            CommitRequest::Requeue(message) => settling.push(message),
            CommitRequest::Sync(_) | CommitRequest::Hurry => {}
        }
    }
    match make_durable(context, &mut reports) {
        Ok(()) => settling.extend(reports.into_iter().map(|(message, _)| message)),
        Err(error) => {
            let error = Arc::new(error);
            let told = |(message, _)| (message, anyhow::anyhow!("{error:#}"));
            unreported.extend(reports.into_iter().map(told));
        }
    }
    for (message, error) in unreported {
        // It stays where it is, its results in its log; the next run tells the sender, and moves it then.
        let id = &message.envelope().id;
        context.observer.error(&format!("{id}: its sender could not be told yet: {error:#}"));
        done.errors += 1;
        done.left.push(id.clone());
        done.settled.push(message.place);
        context.observer.message_done();
    }
    for message in settling {
        let place = message.place;
        context.observer.message_done();
        // The board gave its last reference away with the message.
        let Some(message) = Arc::into_inner(message) else {
            done.settled.push(place);
            continue;
        };
        match finisher.filter(|_| settle::needs_programs(context.settings, &message)) {
            Some(finisher) => drop(finisher.send((place, message))),
            None => {
                done.settled.push(place);
                settle(context, message, &mut done);
            }
        }
    }
    done
}

/// Makes what was written into the logs durable, in one go. Returns the places of messages for which that failed.
fn sync<'e>(context: DeliveryContext<'e>, messages: &[Arc<ClaimedMessage<'e>>], done: &mut CommitReport) -> Vec<usize> {
    let mut not_durable = Vec::new();
    let mut failed = |error: anyhow::Error| {
        context.observer.error(&format!("{error:#}; a delivery may be repeated after a power cut"));
        done.errors += 1;
    };
    if messages.len() > 1 {
        messages.iter().for_each(|message| message.begin_sync());
    }
    let mut new_names = false;
    for message in messages {
        let (synced, handled) = message.sync();
        done.handled.extend(handled);
        match synced {
            Ok(is_new) => new_names |= is_new,
            Err(error) => {
                not_durable.push(message.place);
                failed(error);
            }
        }
    }
    if new_names && let Err(error) = context.spool.sync_log_names() {
        failed(error.into());
    }
    not_durable
}

/// Makes reports durable, all of them in one go, and notes that they are: before the messages they are about move.
fn make_durable<'e>(
    context: DeliveryContext<'e>,
    reports: &mut [(Arc<ClaimedMessage<'e>>, Vec<WrittenReport<'e>>)],
) -> Result<()> {
    let placed = reports.iter_mut().flat_map(|(_, written)| written.iter_mut().filter_map(|one| one.unsynced.take()));
    UnsyncedMessage::commit(placed.collect())?;
    let mut new_names = false;
    for (message, written) in reports {
        dsn_writer::record_reports(&context, message, std::mem::take(written))?;
        new_names |= message.sync().0?;
    }
    if new_names {
        context.spool.sync_log_names()?;
    }
    Ok(())
}
