//! Presence of runs: each run marks a file, and a report asks the kernel for it without taking a lock that could stop a
//! run.

use std::fs::File;

use crate::mail::history::History;
use crate::mail::history::record::ProgramMark;
use crate::sys::error::{AtPath, PathError};
use crate::sys::presence;
use crate::sys::process::{self, ProcessStart};

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

impl QueueFile {
    /// True if a run is working on the message, or a program that outlived its run.
    pub fn is_active(&self, history: &History) -> bool {
        presence::is_marked(self.file()) || is_handed_over(history)
    }
}

/// Returns the mark of a program that runs now; `None` if the system does not tell.
pub fn mark_of(pid: u32) -> Option<ProgramMark> {
    let ProcessStart { ticks, boot } = process::start_of(pid)?;
    Some(ProgramMark { pid, ticks, boot })
}

/// True if a program of an attempt without a result still runs, although its runner died. Such a program may have closed
/// the descriptor with the lock, as ssh(1) and sudo(8) do.
pub fn is_handed_over(history: &History) -> bool {
    history.open_programs().iter().any(|program| mark_of(program.pid).as_ref() == Some(program))
}
