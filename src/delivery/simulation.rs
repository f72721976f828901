//! Simulation of runs: the scheduler with virtual threads, transports and a disk, in virtual time.
//!
//! The simulated threads do what those of a run do with each job; only hand-offs and commits take time. `MSPOOL_SEEDS`
//! sets the number of random runs.

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};

use crate::delivery::scheduler::{Admission, Job, Scheduler};
use crate::delivery::transport_queue::{QueueLimits, Readiness, TransportQueue};
use crate::spool::listing::MessageIndex;
use crate::transports::transport::TransportIndex;
use crate::values::table::{Table, TableIndex};

/// Virtual time, in ticks.
type Tick = u64;

/// Transport of a simulation.
#[derive(Clone, Debug)]
struct VirtualTransport {
    parallel: usize,
    readiness: Readiness,
    /// Ticks that a hand-off takes.
    duration: Tick,
    /// True if the preparation of the transport fails.
    fails: bool,
}

/// One simulated run: what there is to do, and by how many threads.
#[derive(Clone, Debug)]
struct VirtualRun {
    transports: Vec<VirtualTransport>,
    /// Transports that each message needs.
    messages: Vec<BTreeSet<usize>>,
    threads: usize,
    limit: Option<usize>,
    commit_delay: Tick,
}

/// What ends next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum VirtualEvent {
    HandOff(MessageIndex, TransportIndex),
    Commit(MessageIndex),
}

/// Record of a simulated run.
#[derive(Debug, Default)]
struct RunRecord {
    /// Hand-offs by transport, in the order in which they began: the message and the start.
    begun: BTreeMap<usize, Vec<(usize, Tick)>>,
    /// Messages that were admitted.
    admitted: usize,
    /// Messages that were open at the same time at most.
    most_open: usize,
}

struct Simulation<'r> {
    run: &'r VirtualRun,
    scheduler: Scheduler<MessageIndex>,
    now: Tick,
    events: BTreeSet<(Tick, VirtualEvent)>,
    idle: usize,
    open: BTreeSet<MessageIndex>,
    record: RunRecord,
}

impl<'r> Simulation<'r> {
    fn new(run: &'r VirtualRun) -> Simulation<'r> {
        let queue = |transport: &VirtualTransport| {
            let limits = QueueLimits { parallel: transport.parallel, resource: None };
            TransportQueue::new(limits, transport.readiness.clone(), false)
        };
        let queues: Table<TransportIndex, TransportQueue> = run.transports.iter().map(queue).collect();
        Simulation {
            run,
            scheduler: Scheduler::new(queues, run.messages.len(), run.limit),
            now: 0,
            events: BTreeSet::new(),
            idle: run.threads,
            open: BTreeSet::new(),
            record: RunRecord::default(),
        }
    }

    /// Runs to the end, and returns the record. Panics if the run gets stuck.
    fn finish(mut self) -> RunRecord {
        loop {
            while self.idle > 0
                && let Some(job) = self.scheduler.next_job()
            {
                self.idle -= 1;
                self.begin(job);
                self.record.most_open = self.record.most_open.max(self.open.len());
            }
            if let Some((at, event)) = self.events.pop_first() {
                self.now = at;
                match event {
                    VirtualEvent::HandOff(message, transport) => {
                        self.scheduler.queues[transport].end_hand_off(message);
                        self.end_job(Some(message));
                    }
                    VirtualEvent::Commit(message) => self.scheduler.committed(message),
                }
            } else {
                assert!(
                    self.scheduler.is_finished(),
                    "stuck at {} with {:?}: {:?}",
                    self.now,
                    self.run,
                    self.scheduler
                );
                return self.record;
            }
        }
    }

    fn begin(&mut self, job: Job<MessageIndex>) {
        match job {
            Job::Prepare(transport) => {
                if self.run.transports[transport.position()].fails {
                    self.scheduler.close_queue(transport, "down".to_owned());
                } else {
                    self.scheduler.queues[transport].readiness = Readiness::Yes;
                    self.scheduler.queues[transport].connected = true;
                }
                self.end_job(None);
            }
            Job::Release(transport) => {
                self.scheduler.queues[transport].released();
                self.end_job(None);
            }
            Job::Admit(message) => self.admit(message),
            Job::Reopen(message, transport) => {
                self.scheduler.check_out(message, message);
                self.hand_off(message, transport);
            }
            Job::HandOff(message, _, transport) => self.hand_off(message, transport),
        }
    }

    fn admit(&mut self, message: MessageIndex) {
        self.record.admitted += 1;
        let mut chosen = None;
        for transport in &self.run.messages[message.position()] {
            let transport = TransportIndex::new(*transport);
            let queue = &mut self.scheduler.queues[transport];
            if queue.is_closed() {
                continue;
            }
            if chosen.is_none() && queue.has_room() && queue.backlog.is_empty() {
                queue.begin_hand_off(message);
                chosen = Some(transport);
            } else {
                queue.add(message);
            }
        }
        self.scheduler.admitted(Admission::TakenUp);
        let Some(transport) = chosen else { return self.end_job(None) };
        self.scheduler.check_out(message, message);
        self.hand_off(message, transport);
    }

    fn hand_off(&mut self, message: MessageIndex, transport: TransportIndex) {
        self.open.insert(message);
        let begun = self.record.begun.entry(transport.position()).or_default();
        assert!(begun.iter().all(|(other, _)| *other != message.position()), "handed off twice: {message:?}");
        begun.push((message.position(), self.now));
        let end = self.now + self.run.transports[transport.position()].duration;
        self.events.insert((end, VirtualEvent::HandOff(message, transport)));
    }

    fn end_job(&mut self, worked_on: Option<MessageIndex>) {
        self.scheduler.job_done();
        self.idle += 1;
        if let Some(message) = worked_on {
            let _ = self.scheduler.check_in(message);
        }
        for (message, _) in self.scheduler.take_idle() {
            self.open.remove(&message);
            self.events.insert((self.now + self.run.commit_delay, VirtualEvent::Commit(message)));
        }
    }
}

/// A seeded generator (xorshift64*).
struct Seeded(u64);

impl Seeded {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) % limit
    }
}

fn random_run(seed: u64) -> VirtualRun {
    let mut random = Seeded(seed.wrapping_mul(2) + 1);
    let count = 1 + random.below(4) as usize;
    let transport = |random: &mut Seeded| VirtualTransport {
        parallel: 1 + random.below(3) as usize,
        readiness: [Readiness::Yes, Readiness::Unprepared, Readiness::No("paused".to_owned())]
            [[0, 0, 1, 1, 2][random.below(5) as usize]]
            .clone(),
        duration: [1, 3, 50][random.below(3) as usize],
        fails: random.below(5) == 0,
    };
    let transports = (0..count).map(|_| transport(&mut random)).collect();
    let messages = 1 + random.below(60);
    let needs = |random: &mut Seeded| (0..1 + random.below(3)).map(|_| random.below(count as u64) as usize).collect();
    VirtualRun {
        transports,
        messages: (0..messages).map(|_| needs(&mut random)).collect(),
        threads: 1 + random.below(6) as usize,
        limit: (random.below(4) == 0).then(|| random.below(20) as usize),
        commit_delay: random.below(20),
    }
}

#[test]
fn every_run_ends_with_each_message_handed_off_once_and_in_order() {
    let seeds = std::env::var("MSPOOL_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2000);
    for seed in 0..seeds {
        let run = random_run(seed);
        let record = Simulation::new(&run).finish();
        let admitted = run.limit.unwrap_or(usize::MAX).min(run.messages.len());
        assert_eq!(record.admitted, admitted, "seed {seed}: {run:?}");
        for (index, transport) in run.transports.iter().enumerate() {
            let begun = record.begun.get(&index).map_or(&[][..], Vec::as_slice);
            let is_usable = match transport.readiness {
                Readiness::No(_) => false,
                Readiness::Unprepared => !transport.fails,
                _ => true,
            };
            let needing = run.messages[..admitted].iter().filter(|needs| needs.contains(&index)).count();
            assert_eq!(begun.len(), if is_usable { needing } else { 0 }, "seed {seed}, transport {index}: {run:?}");
            assert!(begun.is_sorted(), "seed {seed}, transport {index}: {begun:?} in {run:?}");
        }
    }
}

#[test]
fn a_slow_transport_does_not_hold_up_a_fast_one() {
    let transport =
        |parallel, duration| VirtualTransport { parallel, readiness: Readiness::Yes, duration, fails: false };
    let run = VirtualRun {
        transports: vec![transport(1, 1000), transport(2, 1)],
        messages: (0..400).map(|index| BTreeSet::from([index % 2])).collect(),
        threads: 3,
        limit: None,
        commit_delay: 5,
    };
    let record = Simulation::new(&run).finish();
    let (_, last_fast) = record.begun[&1].last().unwrap();
    assert!(*last_fast < 200, "the last fast hand-off began at {last_fast}");
    assert!(record.most_open <= 3, "{} messages were open at once", record.most_open);
}
