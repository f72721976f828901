//! Which messages in Maildirs of other programs were looked at already.

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
    /// The names in this Maildir that were looked at.
    pub fn seen_in_place(&self, maildir: &str) -> Result<BTreeSet<String>, SpoolError> {
        Ok(self.state_file::<SeenInPlace>(FILE)?.maildirs.remove(maildir).unwrap_or_default())
    }

    /// The right to look at mail in its place; `None` while another run does.
    pub fn lock_in_place(&self) -> Result<Option<ResourceLock>, PathError> {
        self.lock_file("in-place.lock")
    }

    /// These were, and no others that are still there.
    pub fn remember_in_place(&self, maildir: &str, names: BTreeSet<String>) -> Result<(), SpoolError> {
        self.change_state_file(FILE, |seen: &mut SeenInPlace| {
            seen.maildirs.insert(maildir.to_owned(), names);
        })
    }
}
