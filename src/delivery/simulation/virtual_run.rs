//! The simulated world of a run: threads, transports and a disk, in virtual time, and what must hold at each moment.

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};

use crate::delivery::scheduler::{Admission, Job, Scheduler};
use crate::delivery::transport_queue::{QueueLimits, Readiness, TransportQueue};
use crate::spool::listing::MessageIndex;
use crate::transports::transport::TransportIndex;
use crate::values::table::{Table, TableIndex};

/// Virtual time, in ticks.
pub type Tick = u64;

/// Transport of a simulation.
#[derive(Clone, Debug)]
pub struct VirtualTransport {
    pub parallel: usize,
    pub readiness: Readiness,
    /// Name of the resource that it needs for itself; then it begins unprepared.
    pub resource: Option<String>,
    /// Ticks that a hand-off takes: 0 for a transport that answers later.
    pub duration: Tick,
    /// Ticks that the preparation takes.
    pub preparation: Tick,
    /// True if the preparation of the transport fails.
    pub fails: bool,
    /// Number of hand-offs that it takes before it breaks.
    pub breaks_after: Option<usize>,
    /// True if it declines every message, which goes to the transport before it, if that did not need it anyway.
    pub declines: bool,
}

/// One simulated run: what there is to do, and by how many threads.
#[derive(Clone, Debug)]
pub struct VirtualRun {
    pub transports: Vec<VirtualTransport>,
    /// Transports that each message needs.
    pub messages: Vec<BTreeSet<usize>>,
    /// Messages that another run has claimed.
    pub busy: BTreeSet<usize>,
    pub threads: usize,
    pub limit: Option<usize>,
    pub commit_delay: Tick,
}

/// Event that ends next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum VirtualEvent {
    HandOff(MessageIndex, TransportIndex),
    Preparation(TransportIndex),
    Commit(MessageIndex),
}

/// Record of a simulated run.
#[derive(Debug, Default)]
pub struct RunRecord {
    /// Hand-offs by transport, in the order in which they began: the message and the start.
    pub begun: BTreeMap<usize, Vec<(usize, Tick)>>,
    /// Messages that were taken up.
    pub taken_up: BTreeSet<usize>,
    /// Messages by transport that it was closed to before their turn.
    pub unserved: BTreeMap<usize, BTreeSet<usize>>,
    /// Messages by transport that another one had declined.
    pub declined_to: BTreeMap<usize, BTreeSet<usize>>,
    /// Messages that were open at the same time at most.
    pub most_open: usize,
    /// Jobs that were done.
    pub jobs: usize,
}

pub struct Simulation<'r> {
    run: &'r VirtualRun,
    scheduler: Scheduler<MessageIndex>,
    now: Tick,
    events: BTreeSet<(Tick, VirtualEvent)>,
    idle: usize,
    open: BTreeSet<MessageIndex>,
    /// Hand-offs under way and hand-offs that ended, by transport; counted here as well as by the scheduler.
    running: Vec<usize>,
    ended: Vec<usize>,
    /// Messages that wait for each transport.
    waiting: Vec<BTreeSet<MessageIndex>>,
    committing: BTreeSet<MessageIndex>,
    record: RunRecord,
}

impl<'r> Simulation<'r> {
    pub fn new(run: &'r VirtualRun) -> Simulation<'r> {
        let queue = |transport: &VirtualTransport| {
            let limits = QueueLimits { parallel: transport.parallel, resource: transport.resource.clone() };
            TransportQueue::new(limits, transport.readiness.clone(), transport.readiness == Readiness::OneTrial)
        };
        let queues: Table<TransportIndex, TransportQueue> = run.transports.iter().map(queue).collect();
        let count = run.transports.len();
        Simulation {
            run,
            scheduler: Scheduler::new(queues, run.messages.len(), run.limit),
            now: 0,
            events: BTreeSet::new(),
            idle: run.threads,
            open: BTreeSet::new(),
            running: vec![0; count],
            ended: vec![0; count],
            waiting: vec![BTreeSet::new(); count],
            committing: BTreeSet::new(),
            record: RunRecord::default(),
        }
    }

    /// Runs to the end, and returns the record. Panics if the run gets stuck, or breaks a limit.
    pub fn finish(mut self) -> RunRecord {
        loop {
            while self.idle > 0
                && let Some(job) = self.scheduler.next_job()
            {
                self.idle -= 1;
                self.record.jobs += 1;
                self.begin(job);
                self.check_limits();
                self.record.most_open = self.record.most_open.max(self.open.len());
            }
            self.check_starvation();
            let Some((at, event)) = self.events.pop_first() else {
                let is_finished = self.scheduler.is_finished();
                assert!(is_finished, "stuck at {} with {:?}: {:?}", self.now, self.run, self.scheduler);
                return self.record;
            };
            self.now = at;
            match event {
                VirtualEvent::HandOff(message, transport) => self.end_hand_off(message, transport),
                VirtualEvent::Preparation(transport) => self.end_preparation(transport),
                VirtualEvent::Commit(message) => {
                    self.committing.remove(&message);
                    self.scheduler.committed(message);
                }
            }
        }
    }

    /// Checks that no transport has more hand-offs than it may, and that no two hold one resource.
    fn check_limits(&self) {
        for (transport, running) in self.run.transports.iter().zip(&self.running) {
            assert!(*running <= transport.parallel, "{running} hand-offs at once in {:?}", self.run);
        }
        let mut held = BTreeSet::new();
        for (transport, queue) in self.run.transports.iter().zip(self.scheduler.queues.iter()) {
            if queue.holds_resource || queue.readiness == Readiness::Preparing {
                let is_first = transport.resource.is_none() || held.insert(&transport.resource);
                assert!(is_first, "{:?} is held twice in {:?}", transport.resource, self.run);
            }
        }
        assert!(self.record.begun.values().map(Vec::len).sum::<usize>() <= self.record.jobs);
    }

    /// Checks that a thread is idle only if no message can be handed off now: of those that wait for a transport with
    /// room, the first is on its way to the disk.
    fn check_starvation(&self) {
        if self.idle == 0 {
            return;
        }
        for (index, queue) in self.scheduler.queues.iter().enumerate() {
            let has_room = match queue.readiness {
                Readiness::Yes => self.running[index] < self.run.transports[index].parallel,
                Readiness::OneTrial => self.running[index] == 0,
                _ => false,
            };
            if let Some(first) = self.waiting[index].first()
                && has_room
                && !queue.releasing
            {
                assert!(
                    self.committing.contains(first),
                    "{first:?} waits for nothing at {} in {:?}",
                    self.now,
                    self.run
                );
            }
        }
    }

    fn begin(&mut self, job: Job<MessageIndex>) {
        match job {
            Job::Prepare(transport) => {
                let end = self.now + self.run.transports[transport.position()].preparation;
                self.events.insert((end, VirtualEvent::Preparation(transport)));
            }
            Job::Release(transport) => {
                assert_eq!(self.running[transport.position()], 0, "released while in use");
                self.scheduler.queues[transport].released();
                self.end_job(None);
            }
            Job::Admit(message) => self.admit(message),
            Job::Reopen(message, transport) => {
                assert!(!self.open.contains(&message) && !self.committing.contains(&message), "claimed twice");
                self.scheduler.check_out(message, message);
                self.hand_off(message, transport);
            }
            Job::HandOff(message, _, transport) => {
                assert!(self.open.contains(&message), "handed off without a claim");
                self.hand_off(message, transport);
            }
        }
    }

    fn end_preparation(&mut self, transport: TransportIndex) {
        let virtual_transport = &self.run.transports[transport.position()];
        let queue = &mut self.scheduler.queues[transport];
        (queue.holds_resource, queue.connected) = (virtual_transport.resource.is_some(), !virtual_transport.fails);
        if virtual_transport.fails {
            self.close(transport);
        } else {
            queue.readiness = if queue.was_broken { Readiness::OneTrial } else { Readiness::Yes };
        }
        self.end_job(None);
    }

    fn close(&mut self, transport: TransportIndex) {
        let left = self.scheduler.close_queue(transport, "down".to_owned());
        assert!(left.iter().copied().eq(std::mem::take(&mut self.waiting[transport.position()])));
        let unserved = self.record.unserved.entry(transport.position()).or_default();
        unserved.extend(left.iter().map(|message| message.position()));
    }

    fn admit(&mut self, message: MessageIndex) {
        if self.run.busy.contains(&message.position()) {
            self.scheduler.admitted(Admission::PassedOver);
            return self.end_job(None);
        }
        self.record.taken_up.insert(message.position());
        let mut chosen = None;
        for position in &self.run.messages[message.position()] {
            let queue = &mut self.scheduler.queues[TransportIndex::new(*position)];
            if queue.is_closed() {
                self.record.unserved.entry(*position).or_default().insert(message.position());
            } else if chosen.is_none() && queue.has_room() && queue.backlog.is_empty() {
                queue.begin_hand_off(message);
                chosen = Some(TransportIndex::new(*position));
            } else {
                queue.add(message);
                self.waiting[*position].insert(message);
            }
        }
        self.scheduler.admitted(Admission::TakenUp);
        let Some(transport) = chosen else { return self.end_job(None) };
        self.scheduler.check_out(message, message);
        self.hand_off(message, transport);
    }

    fn hand_off(&mut self, message: MessageIndex, transport: TransportIndex) {
        let position = transport.position();
        let first = self.waiting[position].first();
        assert!(first.is_none_or(|first| *first == message), "{message:?} comes before {first:?} in {:?}", self.run);
        self.open.insert(message);
        self.waiting[position].remove(&message);
        self.running[position] += 1;
        let begun = self.record.begun.entry(position).or_default();
        assert!(begun.iter().all(|(other, _)| *other != message.position()), "handed off twice: {message:?}");
        begun.push((message.position(), self.now));
        let end = self.now + self.run.transports[position].duration;
        self.events.insert((end, VirtualEvent::HandOff(message, transport)));
    }

    fn end_hand_off(&mut self, message: MessageIndex, transport: TransportIndex) {
        let position = transport.position();
        self.running[position] -= 1;
        self.ended[position] += 1;
        self.scheduler.queues[transport].end_hand_off(message);
        if self.run.transports[position].breaks_after.is_some_and(|count| self.ended[position] > count) {
            if !self.scheduler.queues[transport].is_closed() {
                self.close(transport);
            }
        } else if !self.scheduler.queues[transport].is_closed() {
            self.scheduler.queues[transport].works_again();
        }
        if self.run.transports[position].declines && position > 0 {
            self.decline_to(message, position - 1);
        }
        self.end_job(Some(message));
    }

    /// Puts a message that a transport declined into the backlog of another.
    fn decline_to(&mut self, message: MessageIndex, position: usize) {
        let queue = &mut self.scheduler.queues[TransportIndex::new(position)];
        if !self.run.messages[message.position()].contains(&position) && !queue.is_closed() {
            queue.add(message);
            self.waiting[position].insert(message);
            self.record.declined_to.entry(position).or_default().insert(message.position());
        }
    }

    fn end_job(&mut self, worked_on: Option<MessageIndex>) {
        self.scheduler.job_done();
        self.idle += 1;
        if let Some(message) = worked_on {
            let _ = self.scheduler.check_in(message);
        }
        for (message, _) in self.scheduler.take_idle() {
            self.open.remove(&message);
            self.committing.insert(message);
            self.events.insert((self.now + self.run.commit_delay, VirtualEvent::Commit(message)));
        }
    }
}
