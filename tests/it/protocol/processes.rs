//! Processes, their steps, and what a step leads to.
//!
//! One step is one system call that others can notice, with the decisions that follow from it.

use std::fmt;

use crate::protocol::names::{History, Name};
use crate::protocol::properties::Violation;
use crate::protocol::scenario::{Role, Scenario};
use crate::protocol::world::{ProcessIndex, World};
use crate::protocol::{claim, operator, reader, runner, sweep};

/// Next step of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// List, and open a file.
    Open,
    Lock,
    /// Second look, and several names.
    Look,
    SyncReadLog,
    SyncReadMark,
    /// The claim is complete, and its history may be believed.
    Claimed,
    StartProgram,
    EndProgram,
    SyncResultMark,
    TellMarked,
    FileCopy,
    FinishMarked,
    SyncBeforeRemoval,
    Remove,
    SyncLog,
    SyncLogName,
    Tell,
    Report,
    RecordReport,
    SyncReport,
    Finish,
    Unlock,
    SyncRecord,
    Rename,
    SyncRename,
    TellOperator,
    SyncTold,
    TellReader,
    ReadNames,
    SyncSent,
    RemoveLog,
    Done,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Process {
    pub role: Role,
    pub step: Step,
    /// Name of the file that is open, or that was read.
    pub name: Option<Name>,
    /// Name before an operator's rename.
    pub renamed_from: Option<Name>,
    pub history: History,
    /// True while the result may go into the name.
    pub uses_marks: bool,
    pub attempt: u8,
    pub lives: u8,
    /// Names that a search saw when it opened a directory.
    pub seen: Vec<Name>,
    /// Position of the search in the directories.
    pub position: usize,
    /// True if a name changed since the search began.
    pub saw_change: bool,
}

impl Process {
    pub fn start(role: Role, runner_lives: u8) -> Process {
        let lives = match role {
            Role::Runner => runner_lives,
            Role::Sweep => 2,
            _ => 1,
        };
        Process {
            role,
            step: Step::Open,
            name: None,
            renamed_from: None,
            history: History::default(),
            uses_marks: false,
            attempt: 0,
            lives,
            seen: Vec::new(),
            position: 0,
            saw_change: false,
        }
    }

    /// Begins again, as after a message that could not be claimed.
    pub fn restart(&mut self) {
        *self = Process { lives: self.lives, ..Process::start(self.role, self.lives) };
    }

    pub fn finish(&mut self) {
        self.restart();
        self.step = Step::Done;
    }

    /// Ends by a kill or a power cut; the process is started again while it has lives.
    pub fn end_life(&mut self) {
        self.lives = self.lives.saturating_sub(1);
        self.restart();
        if self.lives == 0 {
            self.step = Step::Done;
        }
    }

    pub fn has_program(&self) -> bool {
        self.step == Step::EndProgram
    }

    pub fn can_be_killed(&self) -> bool {
        !matches!(self.step, Step::Open | Step::Done) && !matches!(self.role, Role::Reader | Role::Finder)
    }
}

/// Text of a step in a counterexample.
#[derive(Clone, Copy, Debug)]
pub struct Action {
    pub text: &'static str,
    pub name: Option<Name>,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text)?;
        self.name.map_or(Ok(()), |name| write!(f, " {name}"))
    }
}

pub type Outcome = Result<World, Violation>;

/// Steps that one process can take in a world.
pub struct Steps<'w> {
    pub world: &'w World,
    pub scenario: &'w Scenario,
    pub process: ProcessIndex,
    pub outcomes: Vec<(Action, Outcome)>,
}

impl Steps<'_> {
    pub fn me(&self) -> &Process {
        &self.world.processes[self.process]
    }

    /// Returns the name that the process has claimed.
    pub fn name(&self) -> Name {
        self.me().name.expect("a process that holds a claim has a name")
    }

    /// Adds a step: a change of the world, after which the process is at `next`.
    pub fn step(&mut self, text: &'static str, next: Step, change: impl FnOnce(&mut World)) {
        let mut world = self.world.clone();
        world.processes[self.process].step = next;
        change(&mut world);
        let name = world.processes[self.process].name;
        self.outcomes.push((Action { text, name }, Ok(world)));
    }

    /// Adds a step after which the process begins again, without a lock.
    pub fn give_back(&mut self, text: &'static str) {
        let process = self.process;
        self.step(text, Step::Open, |world| {
            world.unlock(process);
            world.processes[process].restart();
        });
    }

    pub fn violation(&mut self, text: &'static str, violation: Violation) {
        self.outcomes.push((Action { text, name: self.me().name }, Err(violation)));
    }
}

/// Returns each step that a process can take now.
pub fn steps(world: &World, process: ProcessIndex, scenario: &Scenario) -> Vec<(Action, Outcome)> {
    let mut steps = Steps { world, scenario, process, outcomes: Vec::new() };
    let me = &world.processes[process];
    match (me.role, me.step) {
        (_, Step::Done) => {}
        (Role::Reader, _) => reader::read(&mut steps),
        (Role::Finder, _) => reader::find(&mut steps),
        (Role::Sweep, _) => sweep::sweep(&mut steps),
        (_, Step::Open | Step::Lock | Step::Look | Step::SyncReadLog | Step::SyncReadMark) => claim::claim(&mut steps),
        (Role::Runner, _) => runner::run(&mut steps),
        (Role::Hold | Role::Release | Role::Cancel | Role::IncomingReport, _) => operator::operate(&mut steps),
    }
    note_changes(world, &mut steps.outcomes);
    steps.outcomes
}

/// Tells searches that a directory changed.
fn note_changes(before: &World, outcomes: &mut [(Action, Outcome)]) {
    let has_finder = before.processes.iter().any(|process| process.role == Role::Finder);
    if !has_finder {
        return;
    }
    for world in outcomes.iter_mut().filter_map(|(_, outcome)| outcome.as_mut().ok()) {
        if !world.disk.message_names().eq(before.disk.message_names()) {
            let finders = world.processes.iter_mut().filter(|process| process.role == Role::Finder);
            finders.for_each(|finder| finder.saw_change = true);
        }
    }
}
