//! Messages with two names, which a power failure leaves on filesystems that do not order renames: a name that was durable
//! before the old one was gone.
//!
//! The name that is further along is kept: what it tells has happened.

use crate::sys::dir::Dir;
use crate::sys::error::{AtPath, PathError};
use crate::sys::file_stat::{FileStat, stat_of};
use crate::sys::lock;

use crate::mail::envelope::id::QueueId;
use crate::mail::history::mark::HistoryMarks;
use crate::mail::history::record::LogEvent;
use crate::spool::file_name::FileName;
use crate::spool::names::names;
use crate::spool::{QueueState, Spool, SpoolDirectory};

/// Directories that can have a name of a message, from the one that a message is in first.
const PLACES: [SpoolDirectory; 8] = [
    SpoolDirectory::Tmp,
    SpoolDirectory::ReceivedTmp,
    SpoolDirectory::Message(QueueState::Received),
    SpoolDirectory::Message(QueueState::New),
    SpoolDirectory::Message(QueueState::Cur),
    SpoolDirectory::Message(QueueState::Hold),
    SpoolDirectory::Message(QueueState::Sent),
    // A report from outside turns a sent message into a failed one.
    SpoolDirectory::Message(QueueState::Failed),
];

/// Name of a message in one of these directories, ordered by how far the message is along.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct TwinName {
    /// Position in [`PLACES`].
    place: usize,
    /// Number of marks: of two names in one directory, the one with more is younger.
    marks: usize,
    name: String,
}

impl Spool {
    /// Removes all names of a message but the one that is furthest along. Returns false if the file has names that are not
    /// in the spool, or if another process is working on the message: then nothing is removed.
    pub(super) fn settle_twins(&self, state: QueueState, name: &FileName) -> Result<bool, PathError> {
        let dir = self.messages(state)?;
        let text = name.to_string();
        let path = dir.path_of(&text);
        let file = match dir.open_file(&text) {
            Err(error) if error.is_not_found() => return Ok(true),
            file => file?,
        };
        if !lock::try_exclusive(&file).at("lock", &path)? {
            return Ok(false);
        }
        let facts = stat_of(&file, &path)?;
        let mut twins = self.names_of(&name.id, &facts)?;
        if twins.len() as u64 != facts.links {
            return Ok(false);
        }
        // After a release, the name in the queue is the younger one.
        let is_held = self.is_held(&name.id)?;
        let is_over = |twin: &TwinName| PLACES[twin.place] == SpoolDirectory::Message(QueueState::Hold) && !is_held;
        twins.sort_by(|a, b| (!is_over(a), a).cmp(&(!is_over(b), b)));
        twins.pop();
        for twin in &twins {
            let dir = self.dir(PLACES[twin.place])?;
            dir.remove(&twin.name)?;
            dir.sync()?;
        }
        Ok(true)
    }

    /// True if the log says that the message is on hold.
    fn is_held(&self, id: &QueueId) -> Result<bool, PathError> {
        let last = self.records_without_message(id)?.into_iter().rev();
        let mut events = last.map(|record| record.event);
        Ok(events.find_map(|event| match event {
            LogEvent::Held => Some(true),
            LogEvent::Released => Some(false),
            _ => None,
        }) == Some(true))
    }

    /// Returns the names of this file that begin with its id.
    fn names_of(&self, id: &QueueId, facts: &FileStat) -> Result<Vec<TwinName>, PathError> {
        let mut found = Vec::new();
        for (place, directory) in PLACES.into_iter().enumerate() {
            let dir = self.dir(directory)?;
            for name in names(dir.path())?.into_iter().filter_map(|name| name.into_string().ok()) {
                let Some(parsed) = FileName::parse(&name).filter(|parsed| parsed.id == *id) else { continue };
                if is_same(dir, &name, facts)? {
                    let marks = match parsed.marks {
                        HistoryMarks::None => 0,
                        HistoryMarks::Begun(_) => 1,
                        HistoryMarks::Succeeded(..) => 2,
                    };
                    found.push(TwinName { place, marks, name });
                }
            }
        }
        Ok(found)
    }
}

fn is_same(dir: &Dir, name: &str, facts: &FileStat) -> Result<bool, PathError> {
    Ok(dir.stat_name(name)?.is_some_and(|other| other.same_file(facts)))
}
