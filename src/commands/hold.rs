//! `hold`: set messages aside until they are released.

use anyhow::Result;

use crate::delivery::claiming::claim_by_id;
use crate::exit::Exit;
use crate::mail::history::record::{Event, Record};
use crate::session::Session;
use crate::spool::State;

/// Holds messages: 0 held, 66 gone or held already, 75 in progress.
pub fn run(session: &Session, ids: &[String]) -> Result<Exit> {
    session.each_message(ids, &mut |spool, id| {
        let claim = match claim_by_id(spool, id, &[State::New, State::Cur])? {
            Ok(claim) => claim,
            Err(refusal) => return Ok(refusal.answer(id)),
        };
        spool.append_durably(id, &Record { at: session.now(), event: Event::Held })?;
        claim.hold()?;
        Ok((Exit::Ok, format!("{id}: held")))
    })
}
