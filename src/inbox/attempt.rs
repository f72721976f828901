//! One attempt at one message, and filing what it leaves for the inbox.

use std::collections::HashSet;

use anyhow::Result;

use crate::delivery::context::Engine;
use crate::delivery::run;
use crate::delivery::selection::Orders;
use crate::inbox::pending;
use crate::mail::envelope::id::QueueId;
use crate::output::observer::Tally;
use crate::session::Reach;
use crate::spool::State;
use crate::spool::listing::Due;

/// Attempts one message now, in this process. A report on it may be among what is then filed.
pub fn attempt_and_file(engine: &Engine<'_>, id: &QueueId, reach: Reach) -> Result<Tally> {
    let Some((state @ (State::New | State::Cur), name)) = engine.spool.find(id)? else { return Ok(Tally::default()) };
    let orders = Orders { reach, ..Orders::all() };
    let tally = run::run(engine, &Due::of([(state, name)]), &orders, &HashSet::new())?;
    pending::file_unless_watched(engine)?;
    Ok(tally)
}
