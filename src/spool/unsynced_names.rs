//! Names that are not known to be durable, of a group of messages that are committed together.

use std::collections::BTreeSet;

use crate::sys::error::PathError;

use crate::spool::{QueueState, Spool};

/// Directories whose names are not known to be durable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnsyncedNames {
    /// True if names of logs are among them.
    pub logs: bool,
    /// States with messages that were marked.
    pub states: BTreeSet<QueueState>,
}

impl UnsyncedNames {
    /// Adds the directories of another message.
    pub fn extend(&mut self, other: UnsyncedNames) {
        self.logs |= other.logs;
        self.states.extend(other.states);
    }
}

impl Spool {
    /// Syncs what makes the records of messages durable.
    pub fn sync_names(&self, names: &UnsyncedNames) -> Result<(), PathError> {
        names.states.iter().try_for_each(|state| self.messages(*state)?.sync())?;
        if names.logs { self.sync_log_names() } else { Ok(()) }
    }
}
