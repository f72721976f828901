//! What is still owed when a run has ended.

use anyhow::Result;

use crate::mail::history::state::RecipientState;
use crate::spool::file_name::FileName;
use crate::spool::listing::DirectoryEntry;
use crate::spool::{QueueState, Spool};
use crate::values::time::Timestamp;

/// What is still owed when a run has ended.
#[derive(Debug, Default)]
pub struct RemainingMail {
    /// Recipients.
    pub owed: usize,
    /// Messages.
    pub messages: usize,
    /// When the first is tried again.
    pub next: Option<Timestamp>,
}

impl RemainingMail {
    /// Reads every queued envelope; `next` is never in the past.
    pub fn count(spool: &Spool, now: Timestamp) -> Result<RemainingMail> {
        let mut rest = RemainingMail::default();
        for state in [QueueState::New, QueueState::Cur] {
            for entry in spool.entries(state)? {
                let DirectoryEntry::Message(name) = entry? else { continue };
                let Some(owed) = RemainingMail::owed(spool, state, &name)? else { continue };
                rest.messages += 1;
                rest.owed += owed;
                let next = name.due.unwrap_or(now).max(now);
                rest.next = Some(rest.next.map_or(next, |first| first.min(next)));
            }
        }
        Ok(rest)
    }

    fn owed(spool: &Spool, state: QueueState, name: &FileName) -> Result<Option<usize>> {
        let Ok(message) = spool.read(state, name) else { return Ok(None) };
        let count = message.envelope.recipients.len();
        if state == QueueState::New && message.name.due.is_some() {
            return Ok(Some(count));
        }
        let history = spool.history(&message)?;
        let settled = |state: RecipientState| state.is_settled();
        Ok(Some(history.recipients.iter().filter(|progress| !settled(progress.state)).count()))
    }
}
