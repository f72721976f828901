//! Files that killed runs left: drafts, work directories of filters, and half-written state files.
//!
//! They are removed after a day and a half of running time. Their own times say nothing, since the clock may have been
//! wrong when they were written, or may be wrong now: a sweep notes when it first saw each one.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::mail::envelope::id::QueueId;
use crate::sys::dir::Dir;
use crate::sys::error::{AtPath, PathError};
use crate::sys::file_stat::FileStat;
use crate::sys::lock;
use crate::values::time::RunningTime;

use crate::spool::error::SpoolError;
use crate::spool::names::names;
use crate::spool::{Spool, SpoolDirectory};

/// Running time after which a leftover is removed: 36 hours, as in Maildir, and longer than any hand-off.
const ABANDONED: Duration = Duration::from_secs(36 * 3600);

const FILE: &str = "leftovers";

/// Directories that can hold leftovers.
const PLACES: [SpoolDirectory; 4] =
    [SpoolDirectory::Tmp, SpoolDirectory::ReceivedTmp, SpoolDirectory::Work, SpoolDirectory::Transports];

/// Leftovers that a sweep has seen: path and inode, and the running time when it saw them first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
struct KnownLeftovers(BTreeMap<String, RunningTime>);

impl Spool {
    /// Removes the leftovers that were there for long enough, and notes the others.
    pub(super) fn sweep_leftovers(&self, running: RunningTime) -> Result<(), SpoolError> {
        let known: KnownLeftovers = self.state_file(FILE)?;
        let mut left = KnownLeftovers::default();
        for place in PLACES {
            let dir = self.dir(place)?;
            for name in names(dir.path())? {
                let Some(name) = name.to_str() else { continue };
                let Some(facts) = dir.stat_name(name)?.filter(|facts| is_leftover(place, name, facts)) else {
                    continue;
                };
                // With the inode, since a later run may use the name again.
                let key = format!("{}/{name} {}", path_in_spool(place), facts.inode);
                let first_seen = known.0.get(&key).copied().unwrap_or(running);
                let is_over = running >= first_seen.after(ABANDONED);
                if !(is_over && remove(dir, name, &facts)?) {
                    left.0.insert(key, first_seen);
                }
            }
        }
        if left != known {
            self.change_state_file(FILE, |file| *file = left)?;
        }
        Ok(())
    }
}

fn path_in_spool(place: SpoolDirectory) -> String {
    let (parent, name) = place.names();
    parent.map_or(name.to_owned(), |parent| format!("{parent}/{name}"))
}

/// Returns true for a file that mspool makes there for a short time. Files with other names are not ours to remove.
fn is_leftover(place: SpoolDirectory, name: &str, facts: &FileStat) -> bool {
    match place {
        SpoolDirectory::Tmp | SpoolDirectory::ReceivedTmp => facts.regular && QueueId::parse(name).is_ok(),
        SpoolDirectory::Work => {
            facts.directory && name.rsplitn(3, '.').nth(2).is_some_and(|id| QueueId::parse(id).is_ok())
        }
        SpoolDirectory::Transports => facts.regular && name.starts_with('.'),
        SpoolDirectory::Message(_) | SpoolDirectory::Log => false,
    }
}

/// Removes a leftover; `false` for a draft that its writer still locks.
fn remove(dir: &Dir, name: &str, facts: &FileStat) -> Result<bool, PathError> {
    if facts.directory {
        std::fs::remove_dir_all(dir.path_of(name)).at("remove", dir.path_of(name))?;
        return Ok(true);
    }
    let file = match dir.open_file(name) {
        // Another run removed it.
        Err(error) if error.is_not_found() => return Ok(true),
        file => file?,
    };
    let is_free = lock::try_exclusive(&file).at("lock", dir.path_of(name))?;
    if is_free {
        dir.remove_if_there(name)?;
    }
    Ok(is_free)
}
