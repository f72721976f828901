//! What every verb is given.

use anyhow::Result;

use crate::mail::id::QueueId;
use crate::mail::time::Timestamp;
use crate::spool::Spool;
use crate::sys::clock::Clock;

use super::exit::{Exit, Refusal};
use super::flush::lane::Reach;
use super::settings::Settings;

/// How much a verb says beside its results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Voice {
    /// Only errors.
    Quiet,
    /// What somebody should know.
    Normal,
    /// Everything that is done.
    Verbose,
}

/// In what form results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Text,
    /// JSON Lines.
    Json,
}

/// What every verb is given.
#[derive(Clone, Debug)]
pub struct Session {
    /// What was configured.
    pub settings: Settings,
    /// The time.
    pub clock: Clock,
    /// How much to say.
    pub voice: Voice,
    /// What may be used.
    pub reach: Reach,
}

impl Session {
    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.clock.now().into()
    }

    /// Opens the spool, and makes it on first use.
    pub fn spool(&self) -> Result<Spool> {
        Ok(Spool::open(&self.settings.spool)?)
    }

    /// Reads a queue id that somebody typed. Anything that is none is refused before it can name a file.
    pub fn id(&self, text: &str) -> Result<QueueId> {
        QueueId::parse(text).map_err(|_| {
            let shown: String = crate::mail::printable::line(text).chars().take(60).collect();
            Refusal::new(Exit::Data, format!("{shown:?} is not a queue id; `mspool report` lists them")).into()
        })
    }
}
