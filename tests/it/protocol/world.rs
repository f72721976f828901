//! State of the model: the disk, the lock, the processes, and what was promised so far.

use crate::protocol::disk::Disk;
use crate::protocol::names::{Directory, History, LOG, Name, Recipient, Recipients, Record};
use crate::protocol::processes::Process;
use crate::protocol::rules::Rule;
use crate::protocol::scenario::{Role, Scenario, Start};

/// Position of a process in the list of processes.
pub type ProcessIndex = usize;

/// Holder of the lock on the message file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LockHolder {
    Process(ProcessIndex),
    /// Program of a hand-off whose run was killed.
    Program,
}

/// Promises and facts that no program can see, by which the properties are judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Promises {
    /// Results that were told.
    pub told: Recipients,
    /// Results that a run has recorded since the last power cut, or that were told before it.
    pub recorded: Recipients,
    /// Recipients that have the message.
    pub given: [bool; 2],
    /// The same, since the last power cut.
    pub given_since_cut: [bool; 2],
    pub report_is_durable: bool,
    /// True when the message was finished after the report.
    pub report_is_finished: bool,
    pub held: bool,
    pub released: bool,
    pub cancelled: bool,
    pub heard: bool,
    pub copy_is_durable: bool,
    pub was_removed: bool,
    pub had_crash: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub disk: Disk,
    pub lock: Option<LockHolder>,
    pub processes: Vec<Process>,
    /// Recipients for which the program of a killed run is still at work.
    pub orphan: Option<[bool; 2]>,
    pub kills: u8,
    pub cuts: u8,
    pub promises: Promises,
}

impl World {
    pub fn new(scenario: &Scenario) -> World {
        let mut promises = Promises::default();
        let queued = Name::plain(Directory::New);
        let (names, records) = match scenario.start {
            Start::Queued => (vec![queued], vec![]),
            Start::EarlierResult => {
                let results = [Recipient::Delivered, Recipient::Owed];
                promises.told = results;
                promises.recorded = results;
                promises.given = [true, false];
                let deferred = Name { deferrals: 1, ..Name::plain(Directory::Cur) };
                (vec![deferred, LOG], vec![Record::Attempt(1), Record::Result(1, results)])
            }
            Start::EarlierOpenAttempt => {
                promises.given = [true, false];
                promises.given_since_cut = promises.given;
                promises.had_crash = true;
                (vec![queued, LOG], vec![Record::Attempt(1)])
            }
        };
        let runners = std::iter::repeat_n(Role::Runner, scenario.runners);
        let processes = runners.chain(scenario.others.iter().copied());
        World {
            disk: Disk::new(names, records),
            lock: None,
            processes: processes.map(|role| Process::start(role, scenario.lives)).collect(),
            orphan: None,
            kills: 0,
            cuts: 0,
            promises,
        }
    }

    /// Returns the history of the message that this name and the log tell.
    pub fn history(&self, name: Name, scenario: &Scenario) -> History {
        let hides = !scenario.keeps(Rule::MarksAndLogTogether) && self.disk.has_records();
        let name = if hides { Name { attempt: 0, result: false, ..name } } else { name };
        History::of(name, self.disk.log(), scenario.recipients)
    }

    /// Returns the name that a claim keeps: the one furthest along.
    pub fn kept_name(&self, scenario: &Scenario) -> Option<Name> {
        let is_held = self.history(Name::plain(Directory::New), scenario).held;
        let rank = |directory: Directory| match directory {
            Directory::Sent if scenario.keeps(Rule::FurtherNameWins) => 6,
            Directory::Failed if scenario.keeps(Rule::FurtherNameWins) => 5,
            Directory::Hold if is_held && scenario.keeps(Rule::HoldByRecord) => 4,
            Directory::Cur => 3,
            Directory::New => 2,
            Directory::Sent | Directory::Failed | Directory::Hold | Directory::Log => 1,
        };
        self.disk.message_names().max_by_key(|name| {
            let is_open = self.history(*name, scenario).open_attempt > 0;
            (rank(name.directory), name.result, is_open, name.attempt, name.deferrals)
        })
    }

    pub fn unlock(&mut self, process: ProcessIndex) {
        if self.lock == Some(LockHolder::Process(process)) {
            self.lock = None;
        }
    }

    /// Tells results.
    pub fn tell(&mut self, results: Recipients) {
        for (told, result) in self.promises.told.iter_mut().zip(results) {
            if result != Recipient::Owed {
                *told = result;
            }
        }
    }

    /// Notes that a run has recorded results.
    pub fn record(&mut self, results: Recipients) {
        for (recorded, result) in self.promises.recorded.iter_mut().zip(results) {
            if result != Recipient::Owed {
                *recorded = result;
            }
        }
    }

    /// Returns each world that a power cut can leave.
    pub fn after_power_cut(&self, scenario: &Scenario) -> Vec<World> {
        let mut cut = self.clone();
        cut.lock = None;
        cut.orphan = None;
        cut.cuts += 1;
        cut.promises.had_crash = true;
        cut.promises.given_since_cut = [false; 2];
        cut.promises.recorded = cut.promises.told;
        for process in &mut cut.processes {
            process.end_life();
        }
        let disks = self.disk.after_power_cut(scenario.disk);
        disks.into_iter().map(|disk| World { disk, ..cut.clone() }).collect()
    }

    /// Returns the world after a process was killed.
    pub fn after_kill(&self, process: ProcessIndex, scenario: &Scenario) -> World {
        let mut world = self.clone();
        world.kills += 1;
        world.promises.had_crash = true;
        let held = world.lock == Some(LockHolder::Process(process));
        let program_lives = world.processes[process].has_program();
        world.unlock(process);
        if program_lives {
            let history = world.processes[process].history;
            world.orphan = Some(history.recipients.map(|state| state == Recipient::Owed));
            if held && scenario.keeps(Rule::ProgramHoldsClaim) {
                world.lock = Some(LockHolder::Program);
            }
        }
        world.processes[process].end_life();
        world
    }
}
