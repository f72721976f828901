//! `release`: returns held messages to the queue, due at once or at their `--not-before` time.

use anyhow::Result;

use crate::delivery::claiming::claim_by_id;
use crate::exit::ExitStatus;
use crate::mail::history::record::{LogEvent, LogRecord};
use crate::output::mode::OutputFormat;
use crate::output::per_id::Answer;
use crate::session::Session;
use crate::spool::QueueState;
use crate::spool::claim::ReleaseTarget;

/// Releases each message. Exit status per id: 0 released, 66 not on hold, 75 if another run is working on it.
pub fn run(session: &Session, ids: &[String], format: OutputFormat) -> Result<ExitStatus> {
    session.each_message(ids, format, &mut |spool, id| {
        let claim = match claim_by_id(spool, id, &[QueueState::Hold])? {
            Ok(claim) => claim,
            Err(refusal) => return Ok(refusal.answer()),
        };
        let envelope = &claim.message().envelope;
        let was_attempted = spool.history(claim.message())?.was_attempted();
        let due = envelope.delayed_until(session.now());
        let running = spool.time(session.now(), session.settings.queue.retry.max)?.running;
        spool
            .append_durably(id, &LogRecord { at: session.now(), running: Some(running), event: LogEvent::Released })?;
        claim.release(if was_attempted { ReleaseTarget::Attempted } else { ReleaseTarget::NeverAttempted }, due)?;
        Ok(Answer::new(ExitStatus::Ok, "released"))
    })
}
