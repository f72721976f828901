//! Who is at work: each run holds a lock that a report can see without taking any.

use std::fs::File;

use crate::sys::error::{AtPath, PathError};
use crate::sys::lock;
use crate::sys::locks_held::LocksHeld;

use crate::spool::queue_file::QueueFile;
use crate::spool::{Spool, SpoolDirectory};

/// The kinds of runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunnerKind {
    /// Delivers until told to stop.
    Watch,
    /// Delivers what is due.
    Flush,
}

impl RunnerKind {
    /// The word for it.
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

/// Shows a run to others for as long as it lives.
#[derive(Debug)]
pub struct RunnerLock(#[expect(dead_code, reason = "the open file is the lock")] File);

impl Spool {
    /// Shows that a run of this kind is at work. Any number may be.
    pub fn announce_runner(&self, runner: RunnerKind) -> Result<RunnerLock, PathError> {
        let dir = self.dir(SpoolDirectory::Transports)?;
        let file = dir.open_or_create_own(&runner.file())?;
        lock::shared(&file).at("lock", dir.path_of(&runner.file()))?;
        Ok(RunnerLock(file))
    }

    /// The run at work, a watch before a flush.
    pub fn runner(&self, held: &LocksHeld) -> Result<Option<RunnerKind>, PathError> {
        let dir = self.dir(SpoolDirectory::Transports)?;
        for runner in [RunnerKind::Watch, RunnerKind::Flush] {
            if dir.stat_name(&runner.file())?.is_some_and(|facts| held.contains(facts.inode)) {
                return Ok(Some(runner));
            }
        }
        Ok(None)
    }
}

impl QueueFile {
    /// True when someone is at work on the message.
    pub fn is_active(&self, held: &LocksHeld) -> bool {
        held.contains(self.stat().inode)
    }
}
