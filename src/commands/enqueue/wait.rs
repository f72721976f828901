//! `enqueue --wait`: see to a message until its outcome is known, and make that the exit status.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::delivery::context::DeliveryContext;
use crate::exit::ExitStatus;
use crate::inbox::attempt::attempt_and_file;
use crate::mail::envelope::id::QueueId;
use crate::output::print;
use crate::session::Network;
use crate::spool::QueueState;
use crate::sys::ready;

/// How often the queue is looked at while others may be at work on the message.
const LOOK: Duration = Duration::from_millis(250);

/// Attempts the message when it is due, and waits in between. Success is 0; a recipient that failed for good makes it
/// 69; a time that ran out, or a message on hold, 75. In all cases but the first what is owed stays queued.
pub fn outcome(
    context: &DeliveryContext<'_>,
    id: &QueueId,
    limit: Option<Duration>,
    reach: Network,
) -> Result<ExitStatus> {
    let end = limit.map(|limit| Instant::now() + limit);
    let mut rest = None;
    loop {
        let now = context.now();
        match context.spool.find(id)? {
            None | Some((QueueState::Sent | QueueState::Received, _)) => return Ok(ExitStatus::Ok),
            Some((QueueState::Failed, _)) => return Ok(ExitStatus::Unavailable),
            Some((QueueState::Corrupt, name)) => {
                print::error(&format!("{} cannot be read any more; it lies in corrupt", name.id));
                return Ok(ExitStatus::Io);
            }
            Some((QueueState::Hold, name)) => {
                print::error(&format!("{} is on hold", name.id));
                return Ok(ExitStatus::TryAgain);
            }
            Some((QueueState::New | QueueState::Cur, name)) => {
                let is_due = name.due.is_none_or(|due| due <= now);
                // What came back without a charge is left alone for a second, not for none.
                let rested = rest.is_none_or(|since: Instant| since.elapsed() >= Duration::from_secs(1));
                if is_due && rested {
                    let tally = attempt_and_file(context, id, reach)?;
                    if tally.unconfigured > 0 {
                        print::error(
                            "no transport is configured for it; `mspool init` makes a configuration to start from",
                        );
                        return Ok(ExitStatus::Config);
                    }
                    if tally.untrusted > 0 {
                        return Ok(ExitStatus::Config);
                    }
                    rest = Some(Instant::now());
                    // Look at once where it is now: the attempt may have settled it.
                    continue;
                }
            }
        }
        if let Some(signal) = context.signals.stop_requested() {
            print::error("interrupted; the message stays queued");
            return Ok(ExitStatus::Signal(signal));
        }
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            print::error(&format!("{id} is still owed to {}", owed(context, id)?));
            return Ok(ExitStatus::TryAgain);
        }
        ready::readable(&[context.signals.stop_fd()], Some(left.map_or(LOOK, |left| left.min(LOOK))))?;
    }
}

fn owed(context: &DeliveryContext<'_>, id: &QueueId) -> Result<String> {
    let Some((state, name)) = context.spool.find(id)? else { return Ok("nobody".to_owned()) };
    let Ok(message) = context.spool.read(state, &name) else { return Ok("its recipients".to_owned()) };
    let history = context.spool.history(&message.envelope)?;
    let address = |recipient| message.envelope.recipients[recipient].address.to_string();
    let names: Vec<String> = history.unsettled().map(address).collect();
    Ok(names.join(", "))
}
