//! Exploration of every interleaving, kill and power cut, breadth first: the first counterexample is a shortest one.

use std::collections::{HashMap, VecDeque};
use std::fmt;

use crate::protocol::names::Directory;
use crate::protocol::processes::{Action, Process, Step, steps};
use crate::protocol::properties::{self, Violation};
use crate::protocol::scenario::{Role, Scenario};
use crate::protocol::world::{LockHolder, ProcessIndex, World};

/// Steps that one run needs at most to finish the message, when nothing disturbs it.
const MAX_STEPS_ALONE: usize = 80;

/// Event in a counterexample.
#[derive(Clone, Copy, Debug)]
enum Event {
    Start,
    Step(ProcessIndex, Action),
    Kill(ProcessIndex),
    ProgramEnds,
    PowerCut,
}

/// How a world was reached.
#[derive(Clone, Copy, Debug)]
struct Origin {
    from: usize,
    event: Event,
    /// True if the runners changed their places after the event.
    swapped: bool,
}

/// Shortest way to a broken promise.
#[derive(Debug)]
pub struct Counterexample {
    pub violation: Violation,
    events: Vec<String>,
}

impl fmt::Display for Counterexample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.violation)?;
        self.events.iter().try_for_each(|event| writeln!(f, "    {event}"))
    }
}

/// Answer of an exploration.
#[derive(Debug)]
pub struct Exploration {
    pub worlds: usize,
    pub counterexample: Option<Counterexample>,
}

struct Explorer<'s> {
    scenario: &'s Scenario,
    known: HashMap<World, usize>,
    /// How each world was reached.
    origins: Vec<Origin>,
    queue: VecDeque<(World, usize)>,
}

/// Explores a scenario.
pub fn explore(scenario: &Scenario) -> Exploration {
    let mut explorer = Explorer { scenario, known: HashMap::new(), origins: Vec::new(), queue: VecDeque::new() };
    let counterexample = explorer.run().err();
    Exploration { worlds: explorer.known.len(), counterexample }
}

impl Explorer<'_> {
    fn run(&mut self) -> Result<(), Counterexample> {
        self.reach(World::new(self.scenario), 0, Event::Start)?;
        while let Some((world, index)) = self.queue.pop_front() {
            for process in 0..world.processes.len() {
                for (action, outcome) in steps(&world, process, self.scenario) {
                    let event = Event::Step(process, action);
                    let next = outcome.map_err(|violation| self.counterexample(violation, index, event))?;
                    self.reach(next, index, event)?;
                }
                if world.kills < self.scenario.kills && world.processes[process].can_be_killed() {
                    self.reach(world.after_kill(process, self.scenario), index, Event::Kill(process))?;
                }
            }
            for next in orphan_ends(&world) {
                self.reach(next, index, Event::ProgramEnds)?;
            }
            if world.cuts < self.scenario.cuts {
                for next in world.after_power_cut(self.scenario) {
                    self.reach(next, index, Event::PowerCut)?;
                }
            }
        }
        Ok(())
    }

    fn reach(&mut self, mut world: World, from: usize, event: Event) -> Result<(), Counterexample> {
        let swapped = order_runners(&mut world);
        if self.known.contains_key(&world) {
            return Ok(());
        }
        let after_cut = matches!(event, Event::PowerCut);
        if let Some(violation) = properties::violation(&world, self.scenario, after_cut) {
            return Err(self.counterexample(violation, from, event));
        }
        if (after_cut || matches!(event, Event::Kill(_)))
            && let Err(violation) = finish_alone(&world, self.scenario)
        {
            return Err(self.counterexample(violation, from, event));
        }
        let index = self.origins.len();
        self.origins.push(Origin { from, event, swapped });
        self.known.insert(world.clone(), index);
        self.queue.push_back((world, index));
        Ok(())
    }

    fn counterexample(&self, violation: Violation, from: usize, event: Event) -> Counterexample {
        let mut origins = vec![Origin { from, event, swapped: false }];
        let mut index = from;
        while index > 0 {
            origins.push(self.origins[index]);
            index = self.origins[index].from;
        }
        let mut runners = [0, 1];
        let mut events = Vec::new();
        for origin in origins.iter().rev() {
            events.push(text(origin.event, runners));
            if origin.swapped {
                runners.swap(0, 1);
            }
        }
        Counterexample { violation, events }
    }
}

/// Returns the text of an event. Runners are named as they were at the start.
fn text(event: Event, runners: [ProcessIndex; 2]) -> String {
    let name = |process: ProcessIndex| runners.get(process).copied().unwrap_or(process);
    match event {
        Event::Start => "an acknowledged message".to_owned(),
        Event::Step(process, action) => format!("process {} {action}", name(process)),
        Event::Kill(process) => format!("process {} is killed", name(process)),
        Event::ProgramEnds => "the program of the killed run ends".to_owned(),
        Event::PowerCut => "power cut".to_owned(),
    }
}

/// Worlds in which the program of a killed run has ended: it delivered, or it did not.
fn orphan_ends(world: &World) -> Vec<World> {
    let Some(recipients) = world.orphan else { return Vec::new() };
    [true, false]
        .into_iter()
        .map(|delivered| {
            let mut next = world.clone();
            next.orphan = None;
            if next.lock == Some(LockHolder::Program) {
                next.lock = None;
            }
            for (index, was_given) in recipients.iter().enumerate() {
                if delivered && *was_given {
                    next.promises.given[index] = true;
                    next.promises.given_since_cut[index] = true;
                }
            }
            next
        })
        .collect()
}

/// Orders two runners, which are the same program: worlds that differ in their order are one world. Returns true if they
/// changed places.
fn order_runners(world: &mut World) -> bool {
    let [first, second, ..] = world.processes.as_slice() else { return false };
    let is_swapped = first.role == Role::Runner && second.role == Role::Runner && first > second;
    if is_swapped {
        world.processes.swap(0, 1);
        world.lock = match world.lock {
            Some(LockHolder::Process(0)) => Some(LockHolder::Process(1)),
            Some(LockHolder::Process(1)) => Some(LockHolder::Process(0)),
            other => other,
        };
    }
    is_swapped
}

/// Checks that a new run, alone, brings the message to its end.
fn finish_alone(world: &World, scenario: &Scenario) -> Result<(), Violation> {
    let scenario = Scenario { max_attempts: u8::MAX, ..scenario.clone() };
    let mut world = world.clone();
    (world.lock, world.orphan) = (None, None);
    world.processes = vec![Process::start(Role::Runner, 1)];
    for _ in 0..MAX_STEPS_ALONE {
        let is_finished = |directory| matches!(directory, Directory::Sent | Directory::Failed | Directory::Hold);
        if world.processes[0].step == Step::Open && world.disk.message_names().all(|name| is_finished(name.directory)) {
            return Ok(());
        }
        // The last outcome is the best one: the program succeeds as far as it can.
        let (_, outcome) = steps(&world, 0, &scenario).pop().ok_or(Violation::Stuck)?;
        world = outcome?;
    }
    Err(Violation::Stuck)
}
