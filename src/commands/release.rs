//! `release`: let held messages go on, at once or at the time that their sender gave.

use anyhow::Result;

use crate::delivery::claiming::claim_by_id;
use crate::exit::Exit;
use crate::mail::history::record::{Event, Record};
use crate::session::Session;
use crate::spool::State;
use crate::spool::claim::Release;

/// Releases messages: 0 released, 66 gone or not on hold, 75 in progress.
pub fn run(session: &Session, ids: &[String]) -> Result<Exit> {
    session.each_message(ids, &mut |spool, id| {
        let claim = match claim_by_id(spool, id, &[State::Hold])? {
            Ok(claim) => claim,
            Err(refusal) => return Ok(refusal.answer(id)),
        };
        let envelope = &claim.message().envelope;
        let was_attempted = spool.history(envelope)?.was_attempted();
        let due = envelope.wakes(session.now());
        spool.append_durably(id, &Record { at: session.now(), event: Event::Released })?;
        claim.release(if was_attempted { Release::Tried } else { Release::Untried }, due)?;
        Ok((Exit::Ok, format!("{id}: released")))
    })
}
