//! One run over what is due: threads take jobs from the board and do them.

use std::collections::HashSet;
use std::sync::mpsc::Sender;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;

use crate::delivery::commit::{self, Commit};
use crate::delivery::context::Engine;
use crate::delivery::message::OpenMessage;
use crate::delivery::scheduler::{Board, Job};
use crate::delivery::selection::Orders;
use crate::delivery::settle;
use crate::delivery::transport_queue::{self, Lane};
use crate::delivery::worker::Run;
use crate::mail::envelope::file_name::FileName;
use crate::mail::envelope::id::QueueId;
use crate::output::observer::Tally;
use crate::spool::State;
use crate::spool::claim::Taken;
use crate::spool::listing::Due;
use crate::sys::process;

/// More threads than this would only wait for each other.
const MOST_THREADS: usize = 256;

/// Attempts what is in the list, except what is to be passed over. Returns when nothing is left to do now, or
/// when we were asked to stop and what was under way has ended.
pub fn run(engine: &Engine<'_>, due: &Due, orders: &Orders, passed_over: &HashSet<QueueId>) -> Result<Tally> {
    process::keep_descriptors();
    let mut tally = pass(engine, due, orders, passed_over)?;
    if tally.busy.is_empty() || engine.signals.stop_requested().is_some() {
        return Ok(tally);
    }
    // Whoever had them may have let them go without an attempt, when we were not looking.
    let mut again = Vec::new();
    for id in std::mem::take(&mut tally.busy) {
        if let Some((state @ (State::New | State::Cur), name)) = engine.spool.find(&id)? {
            again.push((state, name));
        }
    }
    tally.add(pass(engine, &Due::of(again), orders, passed_over)?);
    Ok(tally)
}

fn pass(engine: &Engine<'_>, due: &Due, orders: &Orders, passed_over: &HashSet<QueueId>) -> Result<Tally> {
    if due.is_empty() {
        return Ok(Tally::default());
    }
    let now = engine.now();
    let mut lanes = Vec::new();
    for transport in &engine.settings.transports {
        let gate = engine.spool.gate(&transport.name)?;
        let ready = transport_queue::known(transport, &gate, orders.reach, orders.force, now);
        lanes.push(Lane::new(transport, ready, gate.breaker.is_some()));
    }
    let parallel: usize = engine.settings.transports.iter().map(|transport| transport.parallel).sum();
    let threads = orders.jobs.unwrap_or(parallel).min(due.len().saturating_mul(16)).clamp(1, MOST_THREADS);
    let board = Mutex::new(Board::new(lanes, due.len(), orders.limit));
    let run = Run { engine: *engine, orders, due, passed_over, board, changed: Condvar::new() };
    std::thread::scope(|scope| {
        let (commits, queue) = std::sync::mpsc::channel();
        let run = &run;
        let finisher = settle::runs_programs(engine.settings).then(|| {
            let (finishing, messages) = std::sync::mpsc::channel();
            scope.spawn(move || {
                let _guard = Guard(run);
                commit::finish_each(run.engine, &messages, &|done| run.committed(done));
            });
            finishing
        });
        scope.spawn(move || {
            let _guard = Guard(run);
            commit::work(run.engine, &queue, finisher.as_ref(), &|done| run.committed(done));
        });
        for _ in 1..threads {
            let commits = commits.clone();
            scope.spawn(move || run.work(&commits));
        }
        run.work(&commits);
    });
    let drained = std::mem::take(&mut run.board().drained);
    for place in drained {
        tell_senders_of(engine, due.get(place));
    }
    let mut board = run.board();
    for lane in board.lanes.iter().filter(|lane| lane.has_something()) {
        run.disconnect(lane.transport, lane.connected);
    }
    Ok(std::mem::take(&mut board.tally))
}

/// A message that waited for a transport in vain may be late: its sender is told all the same.
fn tell_senders_of(engine: &Engine<'_>, listed: Option<(State, FileName)>) {
    let Some((state, name)) = listed else { return };
    let tell = || -> Result<()> {
        let Taken::Claimed(claim) = engine.spool.claim(state, &name)? else { return Ok(()) };
        let history = engine.spool.history(&claim.message().envelope)?;
        let message = OpenMessage::new(0, claim, history);
        if message.owes_report(engine.settings, engine.now()) {
            settle::conclude(engine, message)?;
        }
        Ok(())
    };
    if let Err(error) = tell() {
        engine.observer.problem(&format!("{}: {error:#}", name.id));
    }
}

/// Should a thread panic, the others must not wait for it for ever.
struct Guard<'r, 'e>(&'r Run<'e>);

impl Drop for Guard<'_, '_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.board().give_up();
            self.0.changed.notify_all();
        }
    }
}

impl<'e> Run<'e> {
    fn work(&self, commits: &Sender<Commit<'e>>) {
        let _guard = Guard(self);
        while let Some(job) = self.next_job(commits) {
            let worked_on = match job {
                Job::Prepare(lane) => self.prepare(lane),
                Job::Leave(lane) => self.leave(lane),
                Job::Admit(place) => self.admit(place),
                Job::Reopen(place, lane) => self.reopen(place, lane),
                Job::Give(message, lane) => Some(self.give(message, lane)),
            };
            let mut board = self.board();
            board.done();
            if let Some(message) = worked_on
                && let Some(message) = board.rise(message)
            {
                // Others are at work on it still, and may be for long: what is known is made durable now.
                let _ = commits.send(Commit::Sync(message));
            }
            self.pass_on(&mut board, commits);
            self.changed.notify_all();
        }
        self.changed.notify_all();
    }

    fn next_job(&self, commits: &Sender<Commit<'e>>) -> Option<Job<'e>> {
        let mut board = self.board();
        loop {
            if self.engine.signals.stop_requested().is_some() {
                board.stop();
                self.pass_on(&mut board, commits);
            }
            if let Some(job) = board.job() {
                return Some(job);
            }
            if board.is_finished() {
                return None;
            }
            if board.waits_for_the_disk() {
                let _ = commits.send(Commit::Hurry);
            }
            // A signal does not ring this bell: look up now and then.
            let answer = self.changed.wait_timeout(board, Duration::from_millis(100));
            board = answer.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Sends what nobody works on any more to the disk.
    fn pass_on(&self, board: &mut Board<'e>, commits: &Sender<Commit<'e>>) {
        for (message, again) in board.unneeded() {
            let _ = commits.send(if again { Commit::SetDown(message) } else { Commit::Settle(message) });
        }
    }

    fn committed(&self, done: commit::Done) {
        let mut board = self.board();
        for handled in &done.handled {
            board.tally.count(handled.state);
        }
        board.tally.errors += done.errors;
        board.tally.left.extend(done.left);
        for place in done.settled {
            board.closed(place);
        }
        self.changed.notify_all();
    }
}
