//! Presence of runs: each run marks a file, and a report asks the kernel for it without taking a lock that could stop a
//! run.

use std::fs::File;

use crate::mail::envelope::id::QueueId;
use crate::mail::history::History;
use crate::sys::error::{AtPath, PathError};
use crate::sys::{lock, presence};

use crate::spool::program_register::{ProgramSlot, has_running_program};
use crate::spool::queue_file::QueueFile;
use crate::spool::{Spool, SpoolDirectory};

/// Kind of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunnerKind {
    /// `watch`: delivers until it is stopped.
    Watch,
    /// `flush`: attempts due messages and exits.
    Flush,
}

impl RunnerKind {
    /// Returns the word for the kind, as in JSON.
    pub fn word(self) -> &'static str {
        match self {
            RunnerKind::Watch => "watch",
            RunnerKind::Flush => "flush",
        }
    }

    fn file(self) -> String {
        format!("runner.{}", self.word())
    }
}

/// Mark that shows a run to other processes. The kernel removes it if the process dies.
#[derive(Debug)]
pub struct RunnerLock(#[expect(dead_code, reason = "the open file is the mark")] File);

impl Spool {
    /// Marks this kind of run as present. Several runs can.
    pub fn announce_runner(&self, runner: RunnerKind) -> Result<RunnerLock, PathError> {
        let dir = self.dir(SpoolDirectory::Transports)?;
        let file = dir.open_or_create_own(&runner.file())?;
        presence::mark(&file).at("lock", dir.path_of(&runner.file()))?;
        Ok(RunnerLock(file))
    }

    /// Returns the kind of a run of an earlier version that is active: some of those lock the file instead of marking it.
    pub(super) fn runner_of_earlier_version(&self) -> Result<Option<RunnerKind>, PathError> {
        let dir = self.dir(SpoolDirectory::Transports)?;
        for runner in [RunnerKind::Watch, RunnerKind::Flush] {
            match dir.open_own(&runner.file()) {
                Ok(file) if presence::is_marked(&file) => return Ok(Some(runner)),
                Ok(file) if !lock::try_exclusive(&file).at("lock", dir.path_of(&runner.file()))? => {
                    return Ok(Some(runner));
                }
                Err(error) if !error.is_not_found() => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(None)
    }

    /// Returns the kind of the active run, `watch` before `flush`; `None` if no run is active.
    pub fn runner(&self) -> Result<Option<RunnerKind>, PathError> {
        let dir = self.dir(SpoolDirectory::Transports)?;
        for runner in [RunnerKind::Watch, RunnerKind::Flush] {
            match dir.open_own(&runner.file()) {
                Ok(file) if presence::is_marked(&file) => return Ok(Some(runner)),
                Err(error) if !error.is_not_found() => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(None)
    }
}

impl Spool {
    /// Takes a slot in the register for the programs of a hand-off.
    pub fn program_slot(&self, id: &QueueId) -> Result<ProgramSlot<'_>, PathError> {
        self.programs.slot(self.dir(SpoolDirectory::Transports)?, id)
    }

    /// True if a program of an attempt without a result still runs, although its run died.
    pub fn is_handed_over(&self, id: &QueueId, history: &History) -> Result<bool, PathError> {
        Ok(history.has_open_attempt() && has_running_program(self.dir(SpoolDirectory::Transports)?, id)?)
    }

    /// True if a run is working on the message, or a program that outlived its run.
    pub fn is_active(&self, message: &QueueFile, history: &History) -> Result<bool, PathError> {
        Ok(presence::is_marked(message.file()) || self.is_handed_over(&message.envelope.id, history)?)
    }
}
