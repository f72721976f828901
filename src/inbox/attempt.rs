//! One delivery attempt for one message, and filing of the mail that it adds to the inbox.

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

/// Attempts one message in this process, then files received mail: a bounce of this message can be part of it. A message
/// that is not queued is left alone.
///
/// # Errors
///
/// An error of the spool; a failed delivery is no error.
pub fn attempt_and_file(context: &DeliveryContext<'_>, id: &QueueId, network: Network) -> Result<RunTally> {
    let Some((state @ (QueueState::New | QueueState::Cur), name)) = context.spool.find(id)? else {
        return Ok(RunTally::default());
    };
    let selection = Selection { network, ..Selection::all() };
    let tally = run::run(context, &DueMessages::of([(state, name)]), &selection, &HashSet::new())?;
    pending::file_unless_watched(context)?;
    Ok(tally)
}
