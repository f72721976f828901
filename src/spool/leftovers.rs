//! Files that killed runs and power failures left: drafts, work directories of filters, half-written state files, and
//! messages that were cut short before they were acknowledged.
//!
//! They are removed after a day and a half of running time. Their own times say nothing, since the clock may have been
//! wrong when they were written, or may be wrong now: a sweep notes when it first saw each one.

use std::collections::BTreeMap;
use std::io::Read;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::mail::envelope::id::QueueId;
use crate::mail::history::History;
use crate::sys::dir::Dir;
use crate::sys::error::{AtPath, PathError};
use crate::sys::file_stat::FileStat;
use crate::sys::lock;
use crate::values::time::RunningTime;

use crate::spool::error::SpoolError;
use crate::spool::names::names;
use crate::spool::spare_log;
use crate::spool::{QueueState, Spool, SpoolDirectory};

/// Running time after which a leftover is removed: 36 hours, as in Maildir, and longer than any hand-off.
const ABANDONED: Duration = Duration::from_secs(36 * 3600);

const FILE: &str = "leftovers";

/// Directories that can hold leftovers.
const PLACES: [SpoolDirectory; 5] = [
    SpoolDirectory::Tmp,
    SpoolDirectory::ReceivedTmp,
    SpoolDirectory::Work,
    SpoolDirectory::Transports,
    SpoolDirectory::Message(QueueState::Corrupt),
];

/// Leftovers that a sweep has seen: path, inode and last change, and the running time when it saw them first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
struct KnownLeftovers(BTreeMap<String, RunningTime>);

impl Spool {
    /// Removes the leftovers that were there for long enough, and notes the others.
    pub(super) fn sweep_leftovers(&self, running: RunningTime, keep_failed: Duration) -> Result<(), SpoolError> {
        // Only a cache: a damaged one makes the leftovers stay longer.
        let known: KnownLeftovers = self.state_file(FILE).unwrap_or_default();
        let mut left = KnownLeftovers::default();
        for place in PLACES {
            let dir = self.dir(place)?;
            for name in names(dir.path())? {
                let Some(name) = name.to_str() else { continue };
                let Some(facts) = dir.stat_name(name)? else { continue };
                if !is_leftover(place, name, &facts) || !self.may_go(place, name)? {
                    continue;
                }
                let kept = if place == SpoolDirectory::Message(QueueState::Corrupt) { keep_failed } else { ABANDONED };
                // A later run may use the name again, and the filesystem the inode.
                let key = format!("{}/{name} {} {}", path_in_spool(place), facts.inode, facts.modified.as_nanos());
                let first_seen = known.0.get(&key).copied().unwrap_or(running);
                let is_over = running >= first_seen.after(kept);
                if !(is_over && remove(dir, name, &facts)?) {
                    left.0.insert(key, first_seen);
                }
            }
        }
        if left != known {
            let text = serde_json::to_vec(&left).map_err(std::io::Error::from);
            let dir = self.dir(SpoolDirectory::Transports)?;
            dir.replace(FILE, &text.at("write", dir.path_of(FILE))?)?;
        }
        Ok(())
    }

    /// True for a file that is empty or has only zeros.
    fn holds_nothing(&self, name: &str) -> Result<bool, PathError> {
        let dir = self.messages(QueueState::Corrupt)?;
        let path = dir.path_of(name);
        let mut file = dir.open_file(name)?;
        let mut buffer = [0; 4096];
        loop {
            match file.read(&mut buffer).at("read", &path)? {
                0 => return Ok(true),
                count if buffer[..count].iter().all(|byte| *byte == 0) => {}
                _ => return Ok(false),
            }
        }
    }

    /// True unless something of a damaged message remains, which may have been acknowledged.
    fn may_go(&self, place: SpoolDirectory, name: &str) -> Result<bool, PathError> {
        if place != SpoolDirectory::Message(QueueState::Corrupt) {
            return Ok(true);
        }
        let Ok(id) = QueueId::parse(name) else { return Ok(false) };
        Ok(History::is_of_incomplete(&self.read_log(&id)?) && self.holds_nothing(name)?)
    }
}

fn path_in_spool(place: SpoolDirectory) -> String {
    let (parent, name) = place.names();
    parent.map_or(name.to_owned(), |parent| format!("{parent}/{name}"))
}

/// Returns true for a file that mspool makes there for a short time. Files with other names are not ours to remove.
fn is_leftover(place: SpoolDirectory, name: &str, facts: &FileStat) -> bool {
    match place {
        SpoolDirectory::Tmp if name.starts_with(spare_log::PREFIX) => facts.regular,
        SpoolDirectory::Tmp | SpoolDirectory::ReceivedTmp | SpoolDirectory::Message(QueueState::Corrupt) => {
            facts.regular && QueueId::parse(name).is_ok()
        }
        SpoolDirectory::Work if facts.regular => name.starts_with(".copy."),
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
