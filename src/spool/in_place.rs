//! Messages in Maildirs of other programs that `receive --in-place` has processed.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::sys::error::PathError;

use crate::spool::Spool;
use crate::spool::error::SpoolError;
use crate::spool::transport_state::ResourceLock;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct SeenInPlace {
    maildirs: BTreeMap<String, BTreeSet<String>>,
}

const FILE: &str = "in-place";

impl Spool {
    /// Returns the names of the processed messages in this Maildir.
    pub fn seen_in_place(&self, maildir: &str) -> Result<BTreeSet<String>, SpoolError> {
        Ok(self.state_file::<SeenInPlace>(FILE)?.maildirs.remove(maildir).unwrap_or_default())
    }

    /// Locks the processing of mail in place; `None` if another run holds the lock.
    pub fn lock_in_place(&self) -> Result<Option<ResourceLock>, PathError> {
        self.lock_file("in-place.lock")
    }

    /// Replaces the names of the processed messages in this Maildir. Names of messages that are gone should be left
    /// out, so that the file does not grow.
    pub fn remember_in_place(&self, maildir: &str, names: BTreeSet<String>) -> Result<(), SpoolError> {
        self.change_state_file(FILE, |seen: &mut SeenInPlace| {
            seen.maildirs.insert(maildir.to_owned(), names);
        })
    }
}
