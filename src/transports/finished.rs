//! A program that was run to its end: how it ended, and what it left behind.

use std::time::Duration;

use crate::values::printable;
use crate::values::time::span;

/// How a command came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProgramEnding {
    /// With this exit status.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
    /// Killed by us, for it took longer than this.
    TimedOut(Duration),
    /// Killed by us, for we were told to stop at once.
    Interrupted,
    /// It could not be started: the reason.
    NotStarted(String),
    /// We had no processes or descriptors left to start it with: the reason.
    NoResources(String),
}

/// What a program left behind.
#[derive(Debug)]
pub struct FinishedProgram {
    /// How it ended.
    pub ending: ProgramEnding,
    /// The beginning of its standard output.
    pub stdout: Vec<u8>,
    /// The beginning of its standard error.
    pub stderr: Vec<u8>,
    /// Its result lines, but for those that only tell how far it is.
    pub lines: Vec<u8>,
    /// Whether it wrote more of them than are kept.
    pub completeness: LinesCompleteness,
}

/// Whether all result lines are at hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinesCompleteness {
    /// They are.
    Whole,
    /// There were more than are kept.
    Cut,
}

impl FinishedProgram {
    /// What went wrong, in words; what the program said is part of them.
    pub fn failure_text(&self) -> String {
        let texts = [&self.stderr, &self.stdout].map(|bytes| printable::output(bytes, 200));
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
