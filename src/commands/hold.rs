//! `hold`: puts messages on hold until they are released.

use anyhow::Result;

use crate::delivery::claiming::claim_by_id;
use crate::exit::ExitStatus;
use crate::mail::history::record::{LogEvent, LogRecord};
use crate::output::mode::OutputFormat;
use crate::output::per_id::Answer;
use crate::session::Session;
use crate::spool::QueueState;

/// Puts each message on hold. Exit status per id: 0 held, 66 not queued or already on hold, 75 if another run is working
/// on it.
pub fn run(session: &Session, ids: &[String], format: OutputFormat) -> Result<ExitStatus> {
    session.each_message(ids, format, &mut |spool, id| {
        let claim = match claim_by_id(spool, id, &[QueueState::New, QueueState::Cur])? {
            Ok(claim) => claim,
            Err(refusal) => return Ok(refusal.answer()),
        };
        spool.append_durably(id, &LogRecord::new(session.now(), LogEvent::Held))?;
        claim.hold()?;
        Ok(Answer::new(ExitStatus::Ok, "held"))
    })
}
