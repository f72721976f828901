//! Finding messages by their ids.
//!
//! A listing of a directory can miss a name that is renamed during it. So a message counts as not there only after a
//! search during which no directory changed.

use std::time::Duration;

use crate::mail::envelope::id::QueueId;
use crate::spool::file_name::FileName;
use crate::sys::clock::Clock;
use crate::sys::error::PathError;

use crate::spool::error::SpoolError;
use crate::spool::names::names;
use crate::spool::{QueueState, Spool};

/// Number of searches before the answer is that there is none.
const MAX_SEARCHES: u32 = 40;

/// Pause between two searches: longer than the resolution of the times of directories.
const PAUSE: Duration = Duration::from_millis(25);

/// Age that the last change of a directory must have, for a second change to get another time.
const MIN_AGE: Duration = Duration::from_millis(20);

impl Spool {
    /// Finds a queued or finished message by its id. `None` is certain.
    ///
    /// # Errors
    /// An error of a call; [`SpoolError::Changing`] if the directories changed during every search, so that a message that
    /// was not found may be there.
    pub fn find(&self, id: &QueueId) -> Result<Option<(QueueState, FileName)>, SpoolError> {
        self.find_among(&QueueState::ALL, id)
    }

    /// Finds a received message that is not yet filed. Errors as in [`Spool::find`].
    pub fn find_received(&self, id: &QueueId) -> Result<Option<FileName>, SpoolError> {
        Ok(self.find_among(&[QueueState::Received], id)?.map(|(_, name)| name))
    }

    fn find_among(&self, states: &[QueueState], id: &QueueId) -> Result<Option<(QueueState, FileName)>, SpoolError> {
        for search in 0..MAX_SEARCHES {
            if search > 0 {
                std::thread::sleep(PAUSE);
            }
            let before = self.last_changes(states)?;
            for state in states {
                if let Some(name) = self.find_in(*state, id)? {
                    return Ok(Some((*state, name)));
                }
            }
            if before == self.last_changes(states)? && before.iter().all(|time| is_settled(*time)) {
                return Ok(None);
            }
        }
        Err(SpoolError::Changing(id.clone()))
    }

    /// Returns the time of the last change of each directory.
    fn last_changes(&self, states: &[QueueState]) -> Result<Vec<Duration>, PathError> {
        states.iter().map(|state| Ok(self.messages(*state)?.stat()?.modified)).collect()
    }

    fn find_in(&self, state: QueueState, id: &QueueId) -> Result<Option<FileName>, PathError> {
        let dir = self.messages(state)?;
        if dir.stat_name(id.as_str())?.is_some() {
            return Ok(FileName::parse(id.as_str()));
        }
        let names = names(dir.path())?;
        let mut names = names.iter().filter_map(|name| FileName::parse(name.to_str()?));
        Ok(names.find(|name| name.id == *id))
    }
}

/// True if a change now would give a directory another time than this. Times in the future come from a clock that was
/// wrong, and can no longer be met.
fn is_settled(last_change: Duration) -> bool {
    Clock::Machine.now().checked_sub(last_change).is_none_or(|age| age >= MIN_AGE)
}
