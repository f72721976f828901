//! Session: the settings and services that every command uses.

use std::sync::Arc;

use anyhow::Result;

use crate::mail::envelope::id::{IdGenerator, QueueId};
use crate::spool::Spool;
use crate::sys::clock::Clock;
use crate::values::time::Timestamp;

use crate::exit::{ExitStatus, Refusal, RefusalKind};
use crate::output::mode::{OutputFormat, Verbosity};
use crate::output::per_id::{Answer, PerIdOutput, for_each_id};
use crate::output::print;
use crate::settings::Settings;
use crate::spool::running_time::SpoolTime;
use crate::transports::smtp::pools::SessionPools;
use crate::values::quoting::quoted;

/// Dry-run mode of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DryRun {
    /// The command changes the spool.
    No,
    /// The command only prints what it would do.
    Yes,
}

/// Network access that a run is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Every transport and source can be used.
    Online,
    /// Only transports on this machine can be used.
    Offline,
}

/// Settings and services that every command uses.
#[derive(Clone, Debug)]
pub struct Session {
    /// Checked configuration of this run.
    pub settings: Settings,
    /// Source of the current time.
    pub clock: Clock,
    /// Amount of console output.
    pub verbosity: Verbosity,
    /// Network access of this run.
    pub network: Network,
    /// Generator of queue ids.
    pub ids: Arc<IdGenerator>,
    /// Sessions with servers, which end with this value.
    pub sessions: Arc<SessionPools>,
}

impl Session {
    /// Returns the current time.
    pub fn now(&self) -> Timestamp {
        self.clock.now().into()
    }

    /// Opens the spool, and creates it on first use.
    pub fn spool(&self) -> Result<Spool> {
        Ok(Spool::open(&self.settings.spool, &self.settings.trust, self.settings.sharing)?)
    }

    /// Parses a queue id from the command line. Anything else, above all a path, is refused before it can name a file.
    pub fn id(&self, text: &str) -> Result<QueueId> {
        QueueId::parse(text).map_err(|_| {
            Refusal::new(
                RefusalKind::BadData,
                format!("{} is not a queue id; \"mspool report\" lists them", quoted(text)),
            )
            .into()
        })
    }

    /// Returns the time of the spool, without counting it.
    pub fn time(&self, spool: &Spool) -> Result<SpoolTime> {
        Ok(spool.time(self.now(), self.settings.queue.retry.max)?)
    }

    /// Counts the running time of the spool, for runners, once a pass. An error is printed only: a missing count makes
    /// mail look younger than it is, and the next pass counts again.
    pub fn count_time(&self, spool: &Spool) {
        if let Err(error) = spool.count_time(self.now(), self.settings.queue.retry.max) {
            print::error(&format!("cannot record the running time: {error}"));
        }
    }

    /// Applies `operation` to each message named by its id, prints each result, and returns the combined exit status.
    pub fn each_message(
        &self,
        ids: &[String],
        format: OutputFormat,
        operation: &mut dyn FnMut(&Spool, &QueueId) -> Result<Answer>,
    ) -> Result<ExitStatus> {
        let spool = self.spool()?;
        for_each_id(ids, PerIdOutput { verbosity: self.verbosity, format }, &mut |text| match QueueId::parse(text) {
            Ok(id) => {
                let mut answer = operation(&spool, &id)?;
                if format == OutputFormat::Json {
                    // The state is information only: an error now would hide that the operation was done.
                    answer.state = spool.find(&id).ok().flatten().map(|(state, _)| state.word());
                }
                Ok(answer)
            }
            Err(_) => Ok(Answer::new(ExitStatus::Data, "not a queue id; \"mspool report\" lists them")),
        })
    }
}
