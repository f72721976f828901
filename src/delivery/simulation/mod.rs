//! Simulation of runs: the scheduler with virtual threads, transports and a disk, in virtual time.
//!
//! The simulated threads do what those of a run do with each job; only preparations, hand-offs and commits take time.
//! Transports are slow, fail, break after some hand-offs, share a resource, are on trial, or decline; some messages are claimed by
//! another run. `MSPOOL_SEEDS` sets the number of random runs.

#![cfg(test)]

mod virtual_run;

use std::collections::BTreeSet;

use crate::delivery::simulation::virtual_run::{RunRecord, Simulation, VirtualRun, VirtualTransport};
use crate::delivery::transport_queue::Readiness;

/// Random runs of an ordinary test run.
const SEEDS: u64 = 10_000;

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

fn random_transport(random: &mut Seeded) -> VirtualTransport {
    let readiness = match random.below(7) {
        0..=2 => Readiness::Yes,
        3 | 4 => Readiness::Unprepared,
        5 => Readiness::OneTrial,
        _ => Readiness::No("paused".to_owned()),
    };
    let needs_resource = readiness == Readiness::Unprepared && random.below(2) == 0;
    VirtualTransport {
        parallel: 1 + random.below(3) as usize,
        readiness,
        resource: needs_resource.then(|| format!("line {}", random.below(2))),
        duration: [0, 1, 3, 50][random.below(4) as usize],
        preparation: [0, 2, 30][random.below(3) as usize],
        fails: random.below(5) == 0,
        breaks_after: (random.below(4) == 0).then(|| random.below(10) as usize),
        declines: random.below(5) == 0,
    }
}

fn random_run(seed: u64) -> VirtualRun {
    let mut random = Seeded(seed.wrapping_mul(2) + 1);
    let count = 1 + random.below(4);
    let transports = (0..count).map(|_| random_transport(&mut random)).collect();
    let messages = 1 + random.below(60);
    let needs = |random: &mut Seeded| (0..1 + random.below(3)).map(|_| random.below(count) as usize).collect();
    VirtualRun {
        transports,
        messages: (0..messages).map(|_| needs(&mut random)).collect(),
        busy: (0..random.below(4)).map(|_| random.below(messages) as usize).collect(),
        threads: 1 + random.below(6) as usize,
        limit: (random.below(4) == 0).then(|| random.below(20) as usize),
        commit_delay: random.below(20),
    }
}

/// Checks what must hold at the end: every message that was taken up was handed once to each transport that it needs, in
/// the order of submission, or the transport was closed to it.
fn check_record(run: &VirtualRun, record: &RunRecord) -> Result<(), String> {
    let free = (0..run.messages.len()).filter(|message| !run.busy.contains(message));
    let expected: BTreeSet<usize> = free.take(run.limit.unwrap_or(usize::MAX)).collect();
    if record.taken_up != expected {
        return Err(format!("{:?} were taken up instead of {expected:?}", record.taken_up));
    }
    for (index, transport) in run.transports.iter().enumerate() {
        let begun = record.begun.get(&index).map_or(&[][..], Vec::as_slice);
        let declined = record.declined_to.get(&index).cloned().unwrap_or_default();
        if declined.is_empty() && !begun.is_sorted() {
            return Err(format!("out of order at transport {index}: {begun:?}"));
        }
        let needing = |message: &&usize| run.messages[**message].contains(&index);
        let needed: BTreeSet<usize> = expected.iter().filter(needing).chain(&declined).copied().collect();
        let given: BTreeSet<usize> = begun.iter().map(|(message, _)| *message).collect();
        let unserved = record.unserved.get(&index).cloned().unwrap_or_default();
        if given.union(&unserved).copied().collect::<BTreeSet<usize>>() != needed {
            return Err(format!("transport {index} got {given:?} and was closed to {unserved:?}, of {needed:?}"));
        }
        let may_close = matches!(transport.readiness, Readiness::No(_))
            || transport.fails
            || transport.breaks_after.is_some_and(|count| count < needed.len());
        if !may_close && !unserved.is_empty() {
            return Err(format!("transport {index} works, and was closed to {unserved:?}"));
        }
    }
    let bound = 4 * (record.begun.values().map(Vec::len).sum::<usize>() + run.messages.len() + run.transports.len());
    if record.jobs > bound { Err(format!("{} jobs", record.jobs)) } else { Ok(()) }
}

#[test]
fn every_run_keeps_order_and_limits_and_ends() {
    let seeds = std::env::var("MSPOOL_SEEDS").ok().map_or(SEEDS, |text| text.parse().expect("a number of runs"));
    for seed in 0..seeds {
        let run = random_run(seed);
        let record = Simulation::new(&run).finish();
        if let Err(problem) = check_record(&run, &record) {
            panic!("seed {seed}: {problem} in {run:?}");
        }
    }
}

#[test]
fn a_slow_transport_does_not_hold_up_a_fast_one() {
    let transport = |parallel, duration| VirtualTransport {
        parallel,
        readiness: Readiness::Yes,
        resource: None,
        duration,
        preparation: 0,
        fails: false,
        breaks_after: None,
        declines: false,
    };
    let run = VirtualRun {
        transports: vec![transport(1, 1000), transport(2, 1)],
        messages: (0..400).map(|index| BTreeSet::from([index % 2])).collect(),
        busy: BTreeSet::new(),
        threads: 3,
        limit: None,
        commit_delay: 5,
    };
    let record = Simulation::new(&run).finish();
    let (_, last_fast) = record.begun[&1].last().unwrap();
    assert!(*last_fast < 200, "the last fast hand-off began at {last_fast}");
    assert!(record.most_open <= 3, "{} messages were open at once", record.most_open);
}
