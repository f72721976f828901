//! What every verb is given.

use std::sync::Arc;

use anyhow::Result;

use crate::mail::envelope::id::{IdGenerator, QueueId};
use crate::spool::Spool;
use crate::sys::clock::Clock;
use crate::values::time::Timestamp;

use crate::exit::{ExitStatus, Refusal};
use crate::output::mode::Verbosity;
use crate::output::per_id::{Answer, for_each_id};
use crate::settings::Settings;
use crate::values::quoting::quoted;

/// Whether anything is really queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DryRun {
    /// It is.
    No,
    /// It is not; what would be done is said.
    Yes,
}

/// What stands between a run and its transports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Everything may be used.
    Online,
    /// Nothing that reaches beyond this machine may.
    Offline,
}

/// What every verb is given.
#[derive(Clone, Debug)]
pub struct Session {
    /// What was configured.
    pub settings: Settings,
    /// The time.
    pub clock: Clock,
    /// How much to say.
    pub verbosity: Verbosity,
    /// What may be used.
    pub network: Network,
    /// Where ids come from.
    pub ids: Arc<IdGenerator>,
}

impl Session {
    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.clock.now().into()
    }

    /// Opens the spool, and makes it on first use.
    pub fn spool(&self) -> Result<Spool> {
        Ok(Spool::open(&self.settings.spool, &self.settings.trust)?)
    }

    /// Reads a queue id that somebody typed. Anything that is none is refused before it can name a file.
    pub fn id(&self, text: &str) -> Result<QueueId> {
        QueueId::parse(text).map_err(|_| {
            Refusal::new(ExitStatus::Data, format!("{} is not a queue id; \"mspool report\" lists them", quoted(text)))
                .into()
        })
    }

    /// Does something for each message that is named by its id; what came of each is printed.
    pub fn each_message(
        &self,
        ids: &[String],
        operation: &mut dyn FnMut(&Spool, &QueueId) -> Result<Answer>,
    ) -> Result<ExitStatus> {
        let spool = self.spool()?;
        for_each_id(ids, self.verbosity, &mut |text| match self.id(text) {
            Ok(id) => operation(&spool, &id),
            Err(error) => Ok((ExitStatus::Data, format!("{error:#}"))),
        })
    }
}
