//! One run over what is due: threads take jobs from the board and do them.

use std::collections::BTreeMap;
use std::collections::HashSet;
use std::os::fd::AsFd;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;

use crate::agents::command::MOST_RECIPIENTS;
use crate::agents::transport::{Before, HandOff, Transport};
use crate::mail::address::Address;
use crate::mail::answer;
use crate::mail::argv::Batch;
use crate::mail::history::{Charge, Decision, History, RecipientState};
use crate::mail::id::QueueId;
use crate::mail::pattern::Pattern;
use crate::mail::status::Status;
use crate::mail::time::Timestamp;
use crate::spool::claim::{Claim, Taken};
use crate::spool::listing::Due;
use crate::spool::{Spool, State};
use crate::sys::clock::Clock;
use crate::sys::process;
use crate::sys::signals::Signals;
use crate::verbs::settings::Settings;

use super::board::{Board, Job};
use super::committer::{self, Commit};
use super::lane::{self, Force, Keeper, Lane, Prepared, Reach, Ready};
use super::message::{Given, OpenMessage, Patience, Plan};
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
}

/// What is to be done for a message.
#[derive(Debug, Default)]
struct Sorted {
    /// The transports that are wanted, and for whom.
    wanted: BTreeMap<usize, Vec<usize>>,
    /// True when something was decided without any.
    decided: bool,
    /// Recipients for whom nobody has configured a transport.
    unconfigured: usize,
}

/// One run.
struct Run<'e> {
    engine: Engine<'e>,
    orders: &'e Orders,
    due: &'e Due,
    passed_over: &'e HashSet<QueueId>,
    board: Mutex<Board<'e>>,
    changed: Condvar,
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
        let threads = orders.jobs.unwrap_or(parallel).clamp(1, MOST_THREADS);
        let board = Mutex::new(Board::new(lanes, due.len(), orders.limit));
        let run = Run { engine: *self, orders, due, passed_over, board, changed: Condvar::new() };
        std::thread::scope(|scope| {
            let (commits, queue) = std::sync::mpsc::channel();
            let run = &run;
            scope.spawn(move || committer::work(run.engine, &queue, &|done| run.committed(done)));
            for _ in 1..threads {
                let commits = commits.clone();
                scope.spawn(move || run.work(&commits));
            }
            run.work(&commits);
        });
        let board = run.board.into_inner().unwrap_or_else(PoisonError::into_inner);
        for lane in board.lanes.iter().filter(|lane| lane.connected || lane.resource.is_some()) {
            self.leave(lane.transport, lane.connected);
        }
        Ok(board.tally)
    }

    fn keeper(&self) -> Keeper<'e> {
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

impl<'e> Run<'e> {
    fn board(&self) -> MutexGuard<'_, Board<'e>> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self, commits: &Sender<Commit<'e>>) {
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
            // A signal does not ring this bell: look up now and then.
            let answer = self.changed.wait_timeout(board, Duration::from_millis(100));
            board = answer.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Sends what nobody works on any more to the disk.
    fn pass_on(&self, board: &mut Board<'e>, commits: &Sender<Commit<'e>>) {
        for message in board.unneeded() {
            let _ = commits.send(Commit::Settle(message));
        }
    }

    fn committed(&self, done: committer::Done) {
        let mut board = self.board();
        for handled in &done.handled {
            board.tally.count(handled.state);
        }
        board.tally.errors += done.errors;
        for place in done.settled {
            board.closed(place);
        }
        self.changed.notify_all();
    }

    fn trouble(&self, error: &anyhow::Error) {
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

    fn shut(&self, board: &mut Board<'e>, lane: usize, reason: String) {
        for place in board.shut(lane, reason) {
            board.tally.skipped += 1;
            if let Some((_, name)) = self.due.get(place) {
                board.tally.left.push(name.id);
            }
        }
    }

    fn transport(&self, lane: usize) -> &'e Transport {
        &self.engine.settings.transports[lane]
    }

    /// Looks at a message for the first time and finds it its transports.
    fn admit(&self, place: usize) -> Option<Arc<OpenMessage<'e>>> {
        let listed = self.due.get(place).filter(|(_, name)| !self.passed_over.contains(&name.id));
        let opened = listed.and_then(|listed| self.claim(&[listed])).and_then(|claim| self.open(place, claim));
        let Some((message, sorted)) = opened.and_then(|message| {
            self.engine.observer.picked_up(&message.envelope().id);
            let sorted = self.sort_out(&message).map_err(|error| self.trouble(&error)).ok()?;
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
            if matches!(board.lanes[*lane].ready, Ready::No(_)) {
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
        if give.is_some() || sorted.decided || message.is_misplaced(self.engine.now()) {
            board.sit(&message);
        } else {
            if sorted.wanted.is_empty() {
                self.engine.observer.message_done();
            }
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
    fn reopen(&self, place: usize, lane: usize) -> Option<Arc<OpenMessage<'e>>> {
        let claim = self.due.get(place).and_then(|(state, name)| {
            // Its first attempt in this run may have moved it.
            let moved = (State::Cur, name.due(None));
            self.claim(&[(state, name), moved])
        });
        let Some(message) = claim.and_then(|claim| self.open(place, claim)).map(Arc::new) else {
            self.board().lanes[lane].running -= 1;
            return None;
        };
        match self.sort_out(&message) {
            Ok(sorted) if sorted.decided || !sorted.wanted.is_empty() => {
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

    fn claim(&self, names: &[(State, crate::mail::file_name::FileName)]) -> Option<Box<Claim<'e>>> {
        for (state, name) in names {
            let path = || self.engine.spool.path_of_message(*state, name);
            match self.engine.spool.claim(*state, name) {
                Ok(Taken::Claimed(claim)) => return Some(claim),
                Ok(Taken::Gone) => {}
                Ok(Taken::Busy) => {
                    self.board().tally.busy.push(name.id.clone());
                    return None;
                }
                Ok(Taken::Stray(reason)) => {
                    self.engine.observer.problem(&format!("{} {reason}; it is left alone", path().display()));
                    return None;
                }
                Ok(Taken::SetAside(reason)) => {
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

    fn open(&self, place: usize, claim: Box<Claim<'e>>) -> Option<OpenMessage<'e>> {
        let (name, envelope) = (&claim.message().name, &claim.message().envelope);
        if let Some(time) = envelope.wakes(self.engine.now()) {
            // Its time in the name was lost or overridden; nothing overrides the sender's.
            let result = if name.due == Some(time) { Ok(()) } else { claim.put_back(Some(time)) };
            if let Err(error) = result {
                self.trouble(&error.into());
            }
            return None;
        }
        match self.engine.spool.read_log(&envelope.id) {
            Ok(log) => {
                let history = History::read(envelope.recipients.len(), &log);
                Some(OpenMessage::new(place, claim, history))
            }
            Err(error) => {
                self.trouble(&error.into());
                None
            }
        }
    }

    fn patience(&self) -> Patience {
        if self.orders.force == Force::No { Patience::Waits } else { Patience::None }
    }

    /// Decides what can be decided without a transport, and says which transports are wanted for whom.
    fn sort_out(&self, message: &OpenMessage<'e>) -> Result<Sorted> {
        let mut sorted = Sorted::default();
        let mut results = Vec::new();
        let mut again = false;
        let now = self.engine.now();
        for (place, plan) in message.plans(self.engine.settings, now, self.patience()) {
            let meant = self.is_meant(message, place);
            match plan {
                Plan::Rest => {}
                Plan::Give(lane) if meant && self.orders.transport.is_none_or(|only| only == lane) => {
                    sorted.wanted.entry(lane).or_default().push(place);
                }
                Plan::NoRoute(text) if meant && self.orders.transport.is_none() => {
                    results.push(verdict(place, RecipientState::Failed, Status::NO_ROUTE, text));
                }
                Plan::Give(_) | Plan::NoRoute(_) => {}
                Plan::Unconfigured => sorted.unconfigured += 1,
                Plan::Expire(status, text) => results.push(verdict(place, RecipientState::Failed, status, text)),
                Plan::AsyncOver => {
                    again = true;
                    let text = "no result was reported in time".to_owned();
                    results.push(verdict(place, RecipientState::Owed, Status::TEMPORARY, text));
                }
            }
        }
        sorted.decided = !results.is_empty();
        message.decide(self.engine.spool, results, now)?;
        if again {
            return Ok(Sorted { decided: true, ..self.sort_out(message)? });
        }
        let hand_offs = |(lane, places): (&usize, &Vec<usize>)| match self.transport(*lane).batch() {
            Batch::One => places.len(),
            Batch::All => places.len().div_ceil(MOST_RECIPIENTS),
        };
        if sorted.wanted.iter().map(hand_offs).sum::<usize>() > 1 && !message.share()? {
            sorted.wanted.clear();
        }
        Ok(sorted)
    }

    fn is_meant(&self, message: &OpenMessage<'e>, place: usize) -> bool {
        let address = message.envelope().recipients.get(place);
        self.orders.to.as_ref().is_none_or(|pattern| address.is_some_and(|address| pattern.matches(address)))
    }

    /// Hands a message to a transport for as many recipients as one hand-off takes, and writes down what came of it.
    fn give(&self, message: Arc<OpenMessage<'e>>, lane: usize) -> Arc<OpenMessage<'e>> {
        let transport = self.transport(lane);
        let most = if transport.batch() == Batch::One { 1 } else { MOST_RECIPIENTS };
        let now = self.engine.now();
        let tried = self.board().tried.clone();
        let wanted = |place| self.is_meant(&message, place) && !tried.contains(&(message.place, place));
        let (places, more) = message.reserve(lane, most, self.engine.settings, now, self.patience(), wanted);
        if more {
            // The others may go at once, if the transport takes several.
            self.board().wait_for(lane, message.place);
        }
        let stopped = self.engine.signals.stop_requested().is_some();
        if places.is_empty() || stopped || !self.is_still_open(lane) {
            message.give_back(&places);
        } else {
            let handed = self.hand_over(&message, transport, lane, &places);
            // Who has no back-off to wait for would be next in turn again, and again.
            if handed.is_err() || self.patience() == Patience::None {
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
        let reason = gate.ok().and_then(|gate| lane::paused(&gate, self.engine.now()));
        let mut board = self.board();
        if let Some(reason) = reason {
            board.tally.skipped += 1;
            self.shut(&mut board, lane, reason);
        }
        !matches!(board.lanes[lane].ready, Ready::No(_))
    }

    fn hand_over(
        &self,
        message: &Arc<OpenMessage<'e>>,
        transport: &Transport,
        lane: usize,
        places: &[usize],
    ) -> Result<()> {
        let engine = &self.engine;
        let envelope = message.envelope();
        let addresses = |place: &usize| Some((*place, envelope.recipients.get(*place)?));
        let recipients: Vec<(usize, &Address)> = places.iter().filter_map(addresses).collect();
        let begun = (|| {
            let input = if message.is_shared() { message.claim.another_input()? } else { message.claim.input()? };
            anyhow::Ok((input, message.begin(engine.spool, transport, places, engine.now())?))
        })();
        let (input, (attempt, unseen)) = begun.inspect_err(|_| message.give_back(places))?;
        let hand_off = HandOff {
            id: envelope.id.as_str(),
            sender: &envelope.sender,
            recipients: &recipients,
            envid: envelope.report_id(),
            attempt,
            spool: engine.spool.path(),
            input: input.as_fd(),
            body_at: message.claim.message().body_at,
            before: if unseen { Before::MaybeDelivered } else { Before::NotDelivered },
        };
        let answer = transport.deliver(&hand_off, engine.signals, &mut |line| {
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
        message: &Arc<OpenMessage<'e>>,
        lane: usize,
        back: &[usize],
        broken: Option<&str>,
    ) -> Result<()> {
        let transport = self.transport(lane);
        if let Some(reason) = broken {
            self.engine.keeper().open_breaker(transport, reason)?;
            self.engine
                .observer
                .problem(&format!("transport {} is broken: {reason}; its mail is kept", transport.name));
            let mut board = self.board();
            self.shut(&mut board, lane, format!("broken: {reason}"));
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
                } else if matches!(board.lanes[next].ready, Ready::No(_)) {
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

fn verdict(place: usize, state: RecipientState, status: Status, text: String) -> Decision {
    let charge = if state == RecipientState::Owed { Charge::None } else { Charge::Full };
    Decision { recipients: vec![place], state, status, text, next: None, charge, remote_id: None }
}
