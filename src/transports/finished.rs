//! Finished programs: the end of the run, and the captured output.

use std::time::Duration;

use crate::values::printable::{self, TextLimit};
use crate::values::time::span;

/// End of a program's run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProgramEnding {
    /// Exit with this status.
    Exited(i32),
    /// Death by this signal.
    Signalled(i32),
    /// Killed by mspool after this time limit.
    TimedOut(Duration),
    /// Killed by mspool, because a signal asked it to stop at once.
    Interrupted,
    /// Program that cannot be started; with the reason.
    NotStarted(String),
    /// Failure for lack of processes, descriptors or other local resources; with the reason.
    NoResources(String),
}

/// End and output of a finished program.
#[derive(Debug)]
pub struct FinishedProgram {
    /// End of the run.
    pub ending: ProgramEnding,
    /// Standard output, up to the size limit.
    pub stdout: Vec<u8>,
    /// Standard error, up to the size limit.
    pub stderr: Vec<u8>,
    /// Result lines without `progress` lines, up to the size limit; empty if the program has no descriptor 3.
    pub lines: Vec<u8>,
    /// Completeness of the result lines.
    pub completeness: LinesCompleteness,
}

/// Completeness of the result lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinesCompleteness {
    /// All lines were kept.
    Whole,
    /// Lines beyond the size limit were dropped.
    Cut,
}

impl FinishedProgram {
    /// Returns the reason of the failure, with the program's own output.
    pub fn failure_text(&self) -> String {
        let texts = [&self.stderr, &self.stdout].map(|bytes| printable::output(bytes, TextLimit::Excerpt));
        let text = texts.into_iter().find(|text| !text.is_empty()).map_or(String::new(), |text| format!(": {text}"));
        match &self.ending {
            ProgramEnding::Exited(code) => format!("ended with exit status {code}{text}"),
            ProgramEnding::Signalled(signal) => format!("was killed by signal {signal}{text}"),
            ProgramEnding::TimedOut(limit) => format!("took longer than {}", span(*limit)),
            ProgramEnding::Interrupted => "was interrupted".to_owned(),
            ProgramEnding::NotStarted(reason) | ProgramEnding::NoResources(reason) => reason.clone(),
        }
    }
}
