//! What every verb is given.

use std::sync::Arc;

use anyhow::Result;

use crate::mail::id::{Mint, QueueId};
use crate::mail::time::Timestamp;
use crate::spool::Spool;
use crate::sys::clock::Clock;
use crate::sys::signals::Signals;

use super::exit::{Exit, Refusal};
use super::flush::engine::Engine;
use super::flush::lane::Reach;
use super::flush::observer::Observer;
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
    /// Where ids come from.
    pub mint: Arc<Mint>,
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

    /// What runs over the spool have in common.
    pub fn engine<'e>(&'e self, spool: &'e Spool, signals: &'e Signals, observer: &'e dyn Observer) -> Engine<'e> {
        Engine { spool, settings: &self.settings, clock: &self.clock, signals, observer, mint: &self.mint }
    }

    /// Reads a queue id that somebody typed. Anything that is none is refused before it can name a file.
    pub fn id(&self, text: &str) -> Result<QueueId> {
        QueueId::parse(text).map_err(|_| {
            let shown: String = crate::mail::printable::line(text).chars().take(60).collect();
            Refusal::new(Exit::Data, format!("{shown:?} is not a queue id; `mspool report` lists them")).into()
        })
    }
}
