//! Filing what was received and is not filed yet, whoever received it.

use anyhow::Result;

use crate::delivery::context::Engine;
use crate::mail::envelope::file_name::FileName;
use crate::mail::envelope::id::QueueId;
use crate::spool::claim::Taken;
use crate::spool::runner::Runner;
use crate::spool::{Spool, State};
use crate::sys::locks_held::LocksHeld;

use crate::inbox::correlate::Index;
use crate::inbox::file::{self, Filed, Source};

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Messages in the store.
    pub filed: usize,
    /// Messages that stay where they are.
    pub left: usize,
}

/// Files everything that waits, oldest first, until we are told to stop at once.
pub fn file_all(engine: &Engine<'_>) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let mut index = Index::default();
    for name in engine.spool.sorted(State::Received)? {
        if engine.signals.abort_requested() {
            outcome.left += 1;
            continue;
        }
        match one(engine, &mut index, &name) {
            Ok(true) => outcome.filed += 1,
            Ok(false) => outcome.left += 1,
            Err(error) => {
                outcome.left += 1;
                engine.observer.problem(&format!("{}: {error:#}; it stays in the spool", name.id));
            }
        }
    }
    Ok(outcome)
}

/// Files one message, if nobody else is about it.
pub fn file_one(engine: &Engine<'_>, id: &QueueId) -> Result<bool> {
    match engine.spool.find_received(id)? {
        Some(name) => one(engine, &mut Index::default(), &name),
        None => Ok(true),
    }
}

fn one(engine: &Engine<'_>, index: &mut Index, name: &FileName) -> Result<bool> {
    match engine.spool.claim(State::Received, name)? {
        Taken::Claimed(claim) => Ok(file::file(engine, index, *claim, Source::MayNotKnow)? != Filed::NotNow),
        Taken::Gone => Ok(true),
        Taken::Busy => Ok(false),
        Taken::Stray(reason) => {
            let path = engine.spool.path_of_message(State::Received, name);
            engine.observer.problem(&format!("{} {reason}; it is left alone", path.display()));
            Ok(false)
        }
        Taken::SetAside(reason) => {
            engine.observer.problem(&format!("{} was moved to corrupt: {reason}", name.id));
            Ok(true)
        }
    }
}

/// True when a watch is at work, which files what is received and tells of it.
pub fn watch_runs(spool: &Spool) -> Result<bool> {
    Ok(spool.runner(&LocksHeld::now())? == Some(Runner::Watch))
}

/// Files everything that waits, unless a watch is at work that does.
pub fn file_unless_watched(engine: &Engine<'_>) -> Result<()> {
    if !watch_runs(engine.spool)? {
        file_all(engine)?;
    }
    Ok(())
}
