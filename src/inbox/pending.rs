//! Filing of received messages that are not filed yet, also those of interrupted runs.

use anyhow::Result;

use crate::delivery::context::DeliveryContext;
use crate::spool::claim::ClaimOutcome;
use crate::spool::file_name::FileName;
use crate::spool::runner::RunnerKind;
use crate::spool::{QueueState, Spool};
use crate::sys::error::PathError;

use crate::inbox::correlate::SentMailIndex;
use crate::inbox::file::{self, FilingResult, SourceKnowledge};
use crate::inbox::hooks;

/// Number of messages that were filed, and that were not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FilingCounts {
    /// Messages that are in the store, or that a hook dropped.
    pub filed: usize,
    /// Messages that stay in the spool.
    pub left: usize,
    /// True if messages stay because a user other than this one or root can write a hook.
    pub untrusted: bool,
}

/// Files all received messages, oldest first, until a second signal asks for an immediate stop. Errors of single messages
/// are reported to the observer.
///
/// # Errors
///
/// An error if the spool cannot be listed.
pub fn file_all(context: &DeliveryContext<'_>) -> Result<FilingCounts> {
    let mut counts = FilingCounts::default();
    let mut index = SentMailIndex::default();
    let waiting = context.spool.messages_in_order(QueueState::Received)?;
    if let Err(error) = if waiting.is_empty() { Ok(()) } else { hooks::check_hooks(context) } {
        let distrust = error.downcast_ref::<PathError>().and_then(PathError::distrust);
        if distrust.is_none_or(|distrust| context.settings.trust.is_news(distrust)) {
            context.observer.error(&format!("inbound hook: {error:#}; received mail stays in the spool"));
        }
        return Ok(FilingCounts { left: waiting.len(), untrusted: true, ..counts });
    }
    for name in waiting {
        if context.signals.abort_requested() {
            counts.left += 1;
            continue;
        }
        match one(context, &mut index, &name) {
            Ok(true) => counts.filed += 1,
            Ok(false) => counts.left += 1,
            Err(error) => {
                counts.left += 1;
                context.observer.error(&format!("{}: {error:#}; the message stays in the spool", name.id));
            }
        }
    }
    Ok(counts)
}

/// Files one message. Returns `false` if it stays in the spool, for example because another run has claimed it.
fn one(context: &DeliveryContext<'_>, index: &mut SentMailIndex, name: &FileName) -> Result<bool> {
    match context.spool.claim(QueueState::Received, name)? {
        ClaimOutcome::Claimed(claim) => {
            Ok(file::file(context, index, *claim, SourceKnowledge::MayNotKnow)? != FilingResult::NotNow)
        }
        ClaimOutcome::Gone => Ok(true),
        ClaimOutcome::Busy => Ok(false),
        ClaimOutcome::Stray(reason) => {
            let path = context.spool.path_of_message(QueueState::Received, name);
            context.observer.error(&format!("{} {reason}; it is left alone", path.display()));
            Ok(false)
        }
        ClaimOutcome::Incomplete(message) => {
            let text = format!("{} {message}; what is left of it was moved to corrupt", name.id);
            message.set_aside(context.now())?;
            context.observer.error(&text);
            Ok(true)
        }
        ClaimOutcome::SetAside(reason) => {
            context.observer.error(&format!("{} was moved to corrupt: {reason}", name.id));
            Ok(true)
        }
    }
}

/// True if a watch is running. It files received mail and reports it, so that other runs leave that to it.
///
/// # Errors
///
/// An error if the state directory of the spool cannot be read.
pub fn is_watch_running(spool: &Spool) -> Result<bool> {
    Ok(spool.runner()? == Some(RunnerKind::Watch))
}

/// Files all received messages, unless a watch is running that does so.
///
/// # Errors
///
/// The errors of [`file_all`] and [`is_watch_running`].
pub fn file_unless_watched(context: &DeliveryContext<'_>) -> Result<()> {
    if !is_watch_running(context.spool)? {
        file_all(context)?;
    }
    Ok(())
}
