//! `enqueue --wait`: attempts a message until its outcome is known; the outcome is the exit status.

use std::time::Duration;

use anyhow::Result;

use crate::delivery::context::DeliveryContext;
use crate::exit::ExitStatus;
use crate::inbox::attempt::attempt_and_file;
use crate::mail::envelope::id::QueueId;
use crate::output::print;
use crate::session::Network;
use crate::spool::QueueState;
use crate::spool::error::SpoolError;
use crate::spool::file_name::FileName;
use crate::sys::boot_time::{self, BootInstant};

/// Interval at which the queue is checked, because another run may be working on the message.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Place of the message.
enum FoundMessage {
    No,
    /// The directories changed during every search.
    Perhaps,
    In(QueueState, FileName),
}

/// Attempts the message whenever it is due, for at most `limit`. Exit status: 0 delivered, 69 a recipient failed, 74 the
/// message is damaged, 75 the time ran out or the message is on hold, 78 no transport is configured for it. Owed
/// recipients stay queued.
///
/// # Errors
///
/// An error of the spool or of an attempt.
pub fn outcome(
    context: &DeliveryContext<'_>,
    id: &QueueId,
    limit: Option<Duration>,
    network: Network,
) -> Result<ExitStatus> {
    let deadline = limit.map(|limit| BootInstant::now().after(limit));
    let mut attempted: Option<BootInstant> = None;
    loop {
        let now = context.now();
        let found = match context.spool.find(id) {
            Err(SpoolError::Changing(_)) => FoundMessage::Perhaps,
            found => found?.map_or(FoundMessage::No, |(state, name)| FoundMessage::In(state, name)),
        };
        match found {
            // To take that for an end would be a wrong success.
            FoundMessage::Perhaps => {}
            FoundMessage::In(QueueState::Sent, _) => {
                // The run that moved it may not have synced the directory yet.
                context.spool.sync_state(QueueState::Sent)?;
                return Ok(ExitStatus::Ok);
            }
            FoundMessage::No | FoundMessage::In(QueueState::Received, _) => return Ok(ExitStatus::Ok),
            FoundMessage::In(QueueState::Failed, _) => return Ok(ExitStatus::Unavailable),
            FoundMessage::In(QueueState::Corrupt, name) => {
                print::error(&format!(
                    "{} is damaged and was moved to corrupt; \"mspool report {0}\" shows the reason",
                    name.id
                ));
                return Ok(ExitStatus::Io);
            }
            FoundMessage::In(QueueState::Hold, name) => {
                print::error(&format!("{} is on hold; \"mspool release {0}\" releases it", name.id));
                return Ok(ExitStatus::TryAgain);
            }
            FoundMessage::In(QueueState::New | QueueState::Cur, name) => {
                let is_due = name.due.is_none_or(|due| due <= now);
                // An attempt without cost leaves the message due: without a pause this loop would never sleep.
                let may_attempt = attempted.is_none_or(|time| time.elapsed() >= Duration::from_secs(1));
                if is_due && may_attempt {
                    let tally = attempt_and_file(context, id, network)?;
                    if tally.unconfigured > 0 {
                        print::error(&context.settings.why_unconfigured());
                        return Ok(ExitStatus::Config);
                    }
                    if tally.untrusted > 0 {
                        return Ok(ExitStatus::Config);
                    }
                    attempted = Some(BootInstant::now());
                    // The attempt may have settled the message: check without a wait.
                    continue;
                }
            }
        }
        if let Some(signal) = context.signals.stop_requested() {
            print::error(&format!("interrupted by signal {signal}; the message stays queued"));
            return Ok(ExitStatus::Signal(signal));
        }
        let left = deadline.map(BootInstant::left);
        if left.is_some_and(|left| left.is_zero()) {
            print::error(&format!("{id} is still owed to {}", owed_addresses(context, id)?));
            return Ok(ExitStatus::TryAgain);
        }
        let wait = left.map_or(POLL_INTERVAL, |left| left.min(POLL_INTERVAL));
        boot_time::readable(&[context.signals.stop_fd()], wait)?;
    }
}

/// Returns the addresses still owed, separated by commas.
fn owed_addresses(context: &DeliveryContext<'_>, id: &QueueId) -> Result<String> {
    let Some((state, name)) = context.spool.find(id)? else { return Ok("no recipient".to_owned()) };
    let Ok(message) = context.spool.read(state, &name) else { return Ok("its recipients".to_owned()) };
    let history = context.spool.history(&message)?;
    let address = |recipient| message.envelope.recipients[recipient].address.to_string();
    let names: Vec<String> = history.unsettled().map(address).collect();
    Ok(names.join(", "))
}
