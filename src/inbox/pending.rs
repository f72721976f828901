//! Filing what was received and is not filed yet, whoever received it.

use anyhow::Result;

use crate::delivery::context::DeliveryContext;
use crate::mail::envelope::file_name::FileName;
use crate::mail::envelope::id::QueueId;
use crate::spool::claim::ClaimOutcome;
use crate::spool::runner::RunnerKind;
use crate::spool::{QueueState, Spool};
use crate::sys::error::PathError;
use crate::sys::locks_held::LocksHeld;

use crate::inbox::correlate::SentMailIndex;
use crate::inbox::file::{self, FilingResult, SourceKnowledge};
use crate::inbox::hooks;

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FilingCounts {
    /// Messages in the store.
    pub filed: usize,
    /// Messages that stay where they are.
    pub left: usize,
    /// True when they stay because another user could have written a hook.
    pub untrusted: bool,
}

/// Files everything that waits, oldest first, until we are told to stop at once.
pub fn file_all(context: &DeliveryContext<'_>) -> Result<FilingCounts> {
    let mut outcome = FilingCounts::default();
    let mut index = SentMailIndex::default();
    let waiting = context.spool.messages_in_order(QueueState::Received)?;
    if let Err(error) = if waiting.is_empty() { Ok(()) } else { hooks::check_hooks(context) } {
        let distrust = error.downcast_ref::<PathError>().and_then(PathError::distrust);
        if distrust.is_none_or(|distrust| context.settings.trust.is_news(distrust)) {
            context.observer.error(&format!("inbound hook: {error:#}; received mail stays in the spool"));
        }
        return Ok(FilingCounts { left: waiting.len(), untrusted: true, ..outcome });
    }
    for name in waiting {
        if context.signals.abort_requested() {
            outcome.left += 1;
            continue;
        }
        match one(context, &mut index, &name) {
            Ok(true) => outcome.filed += 1,
            Ok(false) => outcome.left += 1,
            Err(error) => {
                outcome.left += 1;
                context.observer.error(&format!("{}: {error:#}; it stays in the spool", name.id));
            }
        }
    }
    Ok(outcome)
}

/// Files one message, if nobody else is about it.
pub fn file_one(context: &DeliveryContext<'_>, id: &QueueId) -> Result<bool> {
    match context.spool.find_received(id)? {
        Some(name) => one(context, &mut SentMailIndex::default(), &name),
        None => Ok(true),
    }
}

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
        ClaimOutcome::SetAside(reason) => {
            context.observer.error(&format!("{} was moved to corrupt: {reason}", name.id));
            Ok(true)
        }
    }
}

/// True when a watch is at work, which files what is received and tells of it.
pub fn is_watch_running(spool: &Spool) -> Result<bool> {
    Ok(spool.runner(&LocksHeld::now())? == Some(RunnerKind::Watch))
}

/// Files everything that waits, unless a watch is at work that does.
pub fn file_unless_watched(context: &DeliveryContext<'_>) -> Result<()> {
    if !is_watch_running(context.spool)? {
        file_all(context)?;
    }
    Ok(())
}
