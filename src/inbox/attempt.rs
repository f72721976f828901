//! One attempt at one message, and filing what it leaves for the inbox.

use std::collections::HashSet;

use anyhow::Result;

use crate::delivery::context::DeliveryContext;
use crate::delivery::run;
use crate::delivery::selection::Selection;
use crate::inbox::pending;
use crate::mail::envelope::id::QueueId;
use crate::output::observer::RunTally;
use crate::session::Network;
use crate::spool::QueueState;
use crate::spool::listing::DueMessages;

/// Attempts one message now, in this process. A report on it may be among what is then filed.
pub fn attempt_and_file(context: &DeliveryContext<'_>, id: &QueueId, network: Network) -> Result<RunTally> {
    let Some((state @ (QueueState::New | QueueState::Cur), name)) = context.spool.find(id)? else {
        return Ok(RunTally::default());
    };
    let selection = Selection { network, ..Selection::all() };
    let tally = run::run(context, &DueMessages::of([(state, name)]), &selection, &HashSet::new())?;
    pending::file_unless_watched(context)?;
    Ok(tally)
}
