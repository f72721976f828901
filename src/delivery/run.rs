//! One run over what is due: threads take jobs from the board and do them.

use std::collections::HashSet;
use std::sync::mpsc::Sender;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::delivery::commit::{self, CommitRequest};
use crate::delivery::context::DeliveryContext;
use crate::delivery::message::ClaimedMessage;
use crate::delivery::scheduler::{Job, Scheduler, TakenUpAgain};
use crate::delivery::selection::Selection;
use crate::delivery::transport_queue::{self, QueueLimits, TransportQueue};
use crate::delivery::worker::{RunState, SharedMessage};
use crate::delivery::{final_steps, settle};
use crate::mail::envelope::id::QueueId;
use crate::output::observer::RunTally;
use crate::spool::QueueState;
use crate::spool::claim::ClaimOutcome;
use crate::spool::file_name::FileName;
use crate::spool::listing::{DueMessages, MessageIndex};
use crate::sys::process;
use crate::transports::transport::Transport;
use crate::values::table::Table;

/// More threads than this would only wait for each other.
const MAX_THREADS: usize = 256;

/// Attempts what is in the list, except what is to be passed over. Returns when nothing is left to do now, or
/// after a request to stop, when the jobs under way have ended.
pub fn run(
    context: &DeliveryContext<'_>,
    due: &DueMessages,
    selection: &Selection,
    passed_over: &HashSet<QueueId>,
) -> Result<RunTally> {
    process::keep_descriptors();
    let mut tally = pass(context, due, selection, passed_over)?;
    if tally.busy.is_empty() || context.signals.stop_requested().is_some() {
        return Ok(tally);
    }
    // The runs that had them may have released them without an attempt in the meantime.
    let mut again = Vec::new();
    for id in std::mem::take(&mut tally.busy) {
        if let Some((state @ (QueueState::New | QueueState::Cur), name)) = context.spool.find(&id)? {
            again.push((state, name));
        }
    }
    tally.add(pass(context, &DueMessages::of(again), selection, passed_over)?);
    Ok(tally)
}

/// A thread, whose start may fail; `Scope::spawn` would panic.
fn thread() -> std::thread::Builder {
    std::thread::Builder::new()
}

fn pass(
    context: &DeliveryContext<'_>,
    due: &DueMessages,
    selection: &Selection,
    passed_over: &HashSet<QueueId>,
) -> Result<RunTally> {
    if due.is_empty() {
        return Ok(RunTally::default());
    }
    let time = context.time();
    let longest_wait = context.settings.queue.retry.longest_delay();
    let transports = &context.settings.transports;
    let mut queues = Table::default();
    let mut trials = Table::default();
    for transport in transports {
        let state = context.spool.transport_state(&transport.name)?;
        let readiness =
            transport_queue::readiness(transport, &state, selection.network, selection.force, time, longest_wait);
        trials.push(transport_queue::failed_trial(transport, &state, selection.network, time));
        let limits = QueueLimits { parallel: transport.hand_offs_at_once(), resource: transport.resource.clone() };
        queues.push(TransportQueue::new(limits, readiness, state.breaker.is_some()));
    }
    let parallel: usize = transports.iter().map(Transport::hand_offs_at_once).sum();
    let threads = selection.jobs.unwrap_or(parallel).min(due.len().saturating_mul(16)).clamp(1, MAX_THREADS);
    let run = RunState {
        context: *context,
        selection,
        due,
        passed_over,
        trials,
        shared_scheduler: Mutex::new(Scheduler::new(queues, due.len(), selection.limit)),
        resources: Mutex::default(),
        changed: Condvar::new(),
    };
    std::thread::scope(|scope| {
        let (commits, queue) = std::sync::mpsc::channel();
        let run = &run;
        let mut finisher = None;
        if final_steps::may_run_programs(context.settings) {
            let (finishing, messages) = std::sync::mpsc::channel();
            thread().spawn_scoped(scope, move || {
                let _guard = PanicGuard(run);
                commit::run_final_steps(run.context, &messages, &|done| run.committed(done));
            })?;
            finisher = Some(finishing);
        }
        thread().spawn_scoped(scope, move || {
            let _guard = PanicGuard(run);
            commit::commit_all(run.context, &queue, finisher.as_ref(), &|done| run.committed(done));
        })?;
        for _ in 1..threads {
            let commits = commits.clone();
            // Fewer threads take longer, and do all the same.
            if thread().spawn_scoped(scope, move || run.work(&commits)).is_err() {
                break;
            }
        }
        run.work(&commits);
        std::io::Result::Ok(())
    })
    .context("no thread can be started")?;
    let drained = std::mem::take(&mut run.scheduler().unserved);
    for message in drained {
        report_to_senders_of(context, due.get(message));
    }
    let mut scheduler = run.scheduler();
    for (index, queue) in scheduler.queues.entries().filter(|(_, queue)| queue.holds_something()) {
        run.disconnect(run.transport(index), queue.connected);
    }
    Ok(std::mem::take(&mut scheduler.tally))
}

/// A message that waited for a transport in vain may be late: its sender is told all the same.
fn report_to_senders_of(context: &DeliveryContext<'_>, listed: Option<(QueueState, FileName)>) {
    let Some((state, name)) = listed else { return };
    let tell = || -> Result<()> {
        let ClaimOutcome::Claimed(claim) = context.spool.claim(state, &name)? else { return Ok(()) };
        let history = context.spool.history(claim.message())?;
        let message = ClaimedMessage::new(MessageIndex::default(), claim, history);
        if message.owes_report(context.settings, context.time()) {
            settle::conclude(context, message)?;
        }
        Ok(())
    };
    if let Err(error) = tell() {
        context.observer.error(&format!("{}: {error:#}", name.id));
    }
}

/// Should a thread panic, the others must not wait for it for ever.
struct PanicGuard<'r, 'e>(&'r RunState<'e>);

impl Drop for PanicGuard<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.scheduler().give_up();
            self.0.changed.notify_all();
        }
    }
}

impl<'e> RunState<'e> {
    fn work(&self, commits: &Sender<CommitRequest<'e>>) {
        let _guard = PanicGuard(self);
        while let Some(job) = self.next_job(commits) {
            let worked_on = match job {
                Job::Prepare(transport) => {
                    self.prepare(transport);
                    None
                }
                Job::Release(transport) => {
                    self.release(transport);
                    None
                }
                Job::Admit(message) => self.admit(message),
                Job::Reopen(message, transport) => self.reopen(message, transport),
                Job::HandOff(_, message, transport) => Some(self.hand_off_next(message, transport)),
            };
            let mut scheduler = self.scheduler();
            scheduler.job_done();
            // The reference goes before the message may be taken idle: the committer must have the last one.
            let checked_in = worked_on.map(|message| message.index);
            if let Some(message) = checked_in.and_then(|index| scheduler.check_in(index)) {
                // Other threads work on it still, and may for long: what is known is made durable now.
                let _ = commits.send(CommitRequest::Sync(message));
            }
            self.send_idle_to_commit(&mut scheduler, commits);
            self.changed.notify_all();
        }
        self.changed.notify_all();
    }

    fn next_job(&self, commits: &Sender<CommitRequest<'e>>) -> Option<Job<SharedMessage<'e>>> {
        let mut scheduler = self.scheduler();
        loop {
            if self.context.signals.stop_requested().is_some() {
                scheduler.stop();
                self.send_idle_to_commit(&mut scheduler, commits);
            }
            if let Some(job) = scheduler.next_job() {
                return Some(job);
            }
            if scheduler.is_finished() {
                return None;
            }
            if scheduler.waits_for_commits() {
                let _ = commits.send(CommitRequest::Hurry);
            }
            // A signal does not ring this bell: look up now and then.
            let answer = self.changed.wait_timeout(scheduler, Duration::from_millis(100));
            scheduler = answer.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Sends the messages that no thread works on to the committer.
    fn send_idle_to_commit(&self, scheduler: &mut Scheduler<SharedMessage<'e>>, commits: &Sender<CommitRequest<'e>>) {
        for (message, again) in scheduler.take_idle() {
            let _ = commits.send(match again {
                TakenUpAgain::Yes => CommitRequest::Requeue(message),
                TakenUpAgain::No => CommitRequest::Settle(message),
            });
        }
    }

    fn committed(&self, done: commit::CommitReport) {
        let mut scheduler = self.scheduler();
        for event in &done.events {
            scheduler.tally.count(event.state);
        }
        scheduler.tally.untrusted += done.untrusted;
        scheduler.tally.errors += done.errors;
        scheduler.tally.left.extend(done.left);
        for message in done.settled {
            scheduler.committed(message);
        }
        self.changed.notify_all();
    }
}
