//! Runner locks: each run holds one, and a report sees it in the kernel's list without taking a lock that could stop a
//! run.

use std::fs::File;

use crate::sys::error::{AtPath, PathError};
use crate::sys::lock;
use crate::sys::locks_held::LocksHeld;

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

/// Lock that shows a run to other processes. The kernel releases it if the process dies.
#[derive(Debug)]
pub struct RunnerLock(#[expect(dead_code, reason = "the open file is the lock")] File);

impl Spool {
    /// Takes the shared lock of this kind of run. Several runs can hold it.
    pub fn announce_runner(&self, runner: RunnerKind) -> Result<RunnerLock, PathError> {
        let dir = self.dir(SpoolDirectory::Transports)?;
        let file = dir.open_or_create_own(&runner.file())?;
        lock::shared(&file).at("lock", dir.path_of(&runner.file()))?;
        Ok(RunnerLock(file))
    }

    /// Returns the kind of the active run, `watch` before `flush`; `None` if no run is active.
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
    /// True if a run is working on the message.
    pub fn is_active(&self, held: &LocksHeld) -> bool {
        held.contains(self.stat().inode)
    }
}
