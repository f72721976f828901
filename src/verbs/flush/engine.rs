//! One run over what is due: threads take jobs from the board and do them.

use std::collections::HashSet;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;

use crate::agents::transport::Transport;
use crate::mail::file_name::FileName;
use crate::mail::history::History;
use crate::mail::id::{Mint, QueueId};
use crate::mail::pattern::Pattern;
use crate::mail::time::Timestamp;
use crate::spool::claim::Taken;
use crate::spool::listing::Due;
use crate::spool::{Spool, State};
use crate::sys::clock::Clock;
use crate::sys::process;
use crate::sys::signals::Signals;
use crate::verbs::settings::Settings;

use super::board::{Board, Job};
use super::committer::{self, Commit};
use super::finish;
use super::lane::{self, Force, Keeper, Lane, Prepared, Reach, Ready};
use super::message::OpenMessage;
use super::observer::{Observer, Tally};

/// More threads than this would only wait for each other.
const MOST_THREADS: usize = 256;

/// What a run is asked to do.
#[derive(Clone, Debug)]
pub struct Orders {
    /// Only mail for this transport.
    pub transport: Option<usize>,
    /// Only these recipients.
    pub to: Option<Pattern>,
    /// What does not count.
    pub force: Force,
    /// What may be used.
    pub reach: Reach,
    /// Hand-offs at once, all transports together; `None` is as many as they allow.
    pub jobs: Option<usize>,
    /// Messages taken up at most.
    pub limit: Option<usize>,
}

impl Orders {
    /// Everything that is due, with everything there is.
    pub fn all() -> Orders {
        Orders { transport: None, to: None, force: Force::No, reach: Reach::Online, jobs: None, limit: None }
    }
}

/// What runs have in common.
#[derive(Clone, Copy)]
pub struct Engine<'e> {
    /// The spool.
    pub spool: &'e Spool,
    /// What was configured.
    pub settings: &'e Settings,
    /// The time.
    pub clock: &'e Clock,
    /// Who may interrupt.
    pub signals: &'e Signals,
    /// Who looks on.
    pub observer: &'e dyn Observer,
    /// Where the ids of reports come from.
    pub mint: &'e Mint,
}

/// One run.
pub(super) struct Run<'e> {
    pub(super) engine: Engine<'e>,
    pub(super) orders: &'e Orders,
    pub(super) due: &'e Due,
    pub(super) passed_over: &'e HashSet<QueueId>,
    board: Mutex<Board<'e>>,
    pub(super) changed: Condvar,
}

impl<'e> Engine<'e> {
    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.clock.now().into()
    }

    /// Attempts what is in the list, except what is to be passed over. Returns when nothing is left to do now, or
    /// when we were asked to stop and what was under way has ended.
    pub fn run(&self, due: &Due, orders: &Orders, passed_over: &HashSet<QueueId>) -> Result<Tally> {
        process::keep_descriptors();
        let mut tally = self.pass(due, orders, passed_over)?;
        if tally.busy.is_empty() || self.signals.stop_requested().is_some() {
            return Ok(tally);
        }
        // Whoever had them may have let them go without an attempt, when we were not looking.
        let mut again = Vec::new();
        for id in std::mem::take(&mut tally.busy) {
            if let Some((state @ (State::New | State::Cur), name)) = self.spool.find(&id)? {
                again.push((state, name));
            }
        }
        tally.add(self.pass(&Due::of(again), orders, passed_over)?);
        Ok(tally)
    }

    fn pass(&self, due: &Due, orders: &Orders, passed_over: &HashSet<QueueId>) -> Result<Tally> {
        if due.is_empty() {
            return Ok(Tally::default());
        }
        let now = self.now();
        let mut lanes = Vec::new();
        for transport in &self.settings.transports {
            let gate = self.spool.gate(&transport.name)?;
            let ready = lane::known(transport, &gate, orders.reach, orders.force, now);
            lanes.push(Lane::new(transport, ready, gate.breaker.is_some()));
        }
        let parallel: usize = self.settings.transports.iter().map(|transport| transport.parallel).sum();
        let threads = orders.jobs.unwrap_or(parallel).min(due.len().saturating_mul(16)).clamp(1, MOST_THREADS);
        let board = Mutex::new(Board::new(lanes, due.len(), orders.limit));
        let run = Run { engine: *self, orders, due, passed_over, board, changed: Condvar::new() };
        std::thread::scope(|scope| {
            let (commits, queue) = std::sync::mpsc::channel();
            let run = &run;
            let finisher = finish::runs_programs(self.settings).then(|| {
                let (finishing, messages) = std::sync::mpsc::channel();
                scope.spawn(move || {
                    let _guard = Guard(run);
                    committer::finish_each(run.engine, &messages, &|done| run.committed(done));
                });
                finishing
            });
            scope.spawn(move || {
                let _guard = Guard(run);
                committer::work(run.engine, &queue, finisher.as_ref(), &|done| run.committed(done));
            });
            for _ in 1..threads {
                let commits = commits.clone();
                scope.spawn(move || run.work(&commits));
            }
            run.work(&commits);
        });
        let drained = std::mem::take(&mut run.board().drained);
        for place in drained {
            self.tell_senders_of(due.get(place));
        }
        let board = run.board.into_inner().unwrap_or_else(PoisonError::into_inner);
        for lane in board.lanes.iter().filter(|lane| lane.connected || lane.resource.is_some()) {
            self.leave(lane.transport, lane.connected);
        }
        Ok(board.tally)
    }

    /// A message that waited for a transport in vain may be late: its sender is told all the same.
    fn tell_senders_of(&self, listed: Option<(State, FileName)>) {
        let Some((state, name)) = listed else { return };
        let tell = || -> Result<()> {
            let Taken::Claimed(claim) = self.spool.claim(state, &name)? else { return Ok(()) };
            let envelope = &claim.message().envelope;
            let history = History::read(envelope.recipients.len(), &self.spool.read_log(&envelope.id)?);
            let message = OpenMessage::new(0, claim, history);
            if message.owes_report(self.settings, self.now()) {
                finish::conclude(self, message)?;
            }
            Ok(())
        };
        if let Err(error) = tell() {
            self.observer.problem(&format!("{}: {error:#}", name.id));
        }
    }

    pub(super) fn keeper(&self) -> Keeper<'e> {
        Keeper { spool: self.spool, schedule: self.settings.queue.retry, signals: self.signals, now: self.now() }
    }

    fn leave(&self, transport: &Transport, connected: bool) {
        match self.keeper().leave(transport, connected) {
            Ok(None) => {}
            Ok(Some(trouble)) => self.observer.problem(&trouble),
            Err(error) => self.observer.problem(&format!("{error:#}")),
        }
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
    pub(super) fn board(&self) -> MutexGuard<'_, Board<'e>> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

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

    fn committed(&self, done: committer::Done) {
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

    pub(super) fn trouble(&self, error: &anyhow::Error) {
        self.engine.observer.problem(&format!("{error:#}"));
        self.board().tally.errors += 1;
    }

    fn prepare(&self, index: usize) -> Option<Arc<OpenMessage<'e>>> {
        let transport = self.transport(index);
        let prepared = self.engine.keeper().prepare(transport).unwrap_or_else(|error| {
            self.trouble(&error);
            Prepared { ready: Ready::No(format!("{error:#}")), resource: None, connected: false, trouble: None }
        });
        if let Some(trouble) = &prepared.trouble {
            self.engine.observer.problem(&format!("transport {}: {trouble}; its mail is kept", transport.name));
        }
        let mut board = self.board();
        let lane = &mut board.lanes[index];
        (lane.resource, lane.connected) = (prepared.resource, prepared.connected);
        match prepared.ready {
            Ready::No(reason) => self.shut(&mut board, index, reason),
            _ if lane.broke_before && transport.probe.is_none() => lane.ready = Ready::OneTrial,
            ready => lane.ready = ready,
        }
        None
    }

    fn leave(&self, index: usize) -> Option<Arc<OpenMessage<'e>>> {
        let connected = self.board().lanes[index].connected;
        self.engine.leave(self.transport(index), connected);
        self.board().lanes[index].left();
        None
    }

    pub(super) fn shut(&self, board: &mut Board<'e>, lane: usize, reason: String) {
        for place in board.shut(lane, reason) {
            board.tally.skipped += 1;
            board.drained.push(place);
            if let Some((_, name)) = self.due.get(place) {
                board.tally.left.push(name.id);
            }
        }
    }

    pub(super) fn transport(&self, lane: usize) -> &'e Transport {
        &self.engine.settings.transports[lane]
    }
}
