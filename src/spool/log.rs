//! Logs: the events of a message, one JSON object per line. Lines are appended and never changed.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use crate::mail::envelope::id::QueueId;
use crate::mail::envelope::recipient::RecipientIndex;
use crate::mail::history::mark::HistoryMarks;
use crate::mail::history::record::LogRecord;
use crate::mail::history::{self, History};
use crate::sys::dir;
use crate::sys::error::{AtPath, PathError};
use crate::sys::file_stat::stat_of;
use crate::values::table::Table;

use crate::spool::queue_file::QueueFile;
use crate::spool::spare_log::SpareLog;
use crate::spool::{Spool, SpoolDirectory};

/// Open log of a message.
#[derive(Debug)]
pub struct MessageLog {
    file: File,
    path: PathBuf,
    created: bool,
    /// True after a failed write, which may have written part of a line.
    torn: bool,
}

impl Spool {
    /// Returns the bytes of a message's log; empty if it has none.
    pub fn read_log(&self, id: &QueueId) -> Result<Vec<u8>, PathError> {
        let dir = self.dir(SpoolDirectory::Log)?;
        let mut file = match dir.open_own(id.as_str()) {
            Err(error) if error.is_not_found() => return Ok(Vec::new()),
            file => file?,
        };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).at("read", dir.path_of(id.as_str()))?;
        Ok(bytes)
    }

    /// True if a message has a log, even an empty one.
    pub fn has_log(&self, id: &QueueId) -> Result<bool, PathError> {
        Ok(self.dir(SpoolDirectory::Log)?.stat_name(id.as_str())?.is_some())
    }

    /// Reads the history of a message, per recipient, from the marks in its name and from its log.
    pub fn history(&self, message: &QueueFile) -> Result<History, PathError> {
        let envelope = &message.envelope;
        Ok(History::read(&envelope.recipients, &message.name.marks, &self.read_log(&envelope.id)?))
    }

    /// Reads the records of a message, those that the marks in its name stand for included.
    pub fn records(&self, message: &QueueFile) -> Result<Vec<LogRecord>, PathError> {
        let envelope = &message.envelope;
        Ok(history::records(&envelope.recipients, &message.name.marks, &self.read_log(&envelope.id)?))
    }

    /// Reads the records of a message that is not in the spool any more, from its log.
    pub fn records_without_message(&self, id: &QueueId) -> Result<Vec<LogRecord>, PathError> {
        let none: Table<RecipientIndex, ()> = Table::default();
        Ok(history::records(&none, &HistoryMarks::None, &self.read_log(id)?))
    }

    /// Appends one record to a message's log, and syncs the log and its name.
    pub fn append_durably(&self, id: &QueueId, record: &LogRecord) -> Result<(), PathError> {
        let mut log = self.log(id)?;
        log.append(record)?;
        log.sync()?;
        self.sync_log_names()
    }

    /// Opens a message's log for appending. Requires a claim of the message.
    pub fn log(&self, id: &QueueId) -> Result<MessageLog, PathError> {
        let dir = self.dir(SpoolDirectory::Log)?;
        let path = dir.path_of(id.as_str());
        let mut file = dir.append_to_own(id.as_str())?;
        let size = stat_of(&file, &path)?.size;
        let created = size == 0;
        if size > 0 {
            let mut last = [b'\n'];
            file.read_exact_at(&mut last, size - 1).at("read", &path)?;
            if last != *b"\n" {
                // A crash truncated the last line. It is ignored, and must not merge with the next line.
                file.write_all(b"\n").at("write", &path)?;
            }
        }
        Ok(MessageLog { file, path, created, torn: false })
    }

    /// Returns a spare log, for the result of a hand-off that is not logged otherwise.
    pub fn spare_log(&self) -> Result<SpareLog, PathError> {
        self.spare_logs.take(self.dir(SpoolDirectory::Tmp)?)
    }

    /// Takes back a spare log that was not needed.
    pub fn give_back(&self, spare: SpareLog) {
        self.spare_logs.give_back(spare);
    }

    /// Makes a spare log the log of a message, which has none and is claimed. If that fails, the message gets a log of the
    /// usual kind.
    pub fn log_from_spare(&self, id: &QueueId, spare: SpareLog) -> Result<MessageLog, PathError> {
        let (tmp, logs) = (self.dir(SpoolDirectory::Tmp)?, self.dir(SpoolDirectory::Log)?);
        let path = logs.path_of(id.as_str());
        match tmp.rename(&spare.name, logs, id.as_str()) {
            Ok(()) => Ok(MessageLog { file: spare.file, path, created: true, torn: false }),
            Err(_) => self.log(id),
        }
    }

    /// Syncs the names of new logs.
    pub fn sync_log_names(&self) -> Result<(), PathError> {
        self.dir(SpoolDirectory::Log)?.sync()
    }

    /// Returns the ids of all logs, oldest first.
    pub fn logs(&self) -> Result<Vec<QueueId>, PathError> {
        let names = crate::spool::names::names(self.dir(SpoolDirectory::Log)?.path())?;
        let mut ids: Vec<QueueId> = names.iter().filter_map(|name| QueueId::parse(name.to_str()?).ok()).collect();
        ids.sort_unstable();
        Ok(ids)
    }

    pub(super) fn remove_log(&self, id: &QueueId) -> Result<(), PathError> {
        self.dir(SpoolDirectory::Log)?.remove_if_there(id.as_str())
    }
}

impl MessageLog {
    /// Appends a record as one line, in one write.
    pub fn append(&mut self, record: &LogRecord) -> Result<(), PathError> {
        let encoded = serde_json::to_vec(record).map_err(std::io::Error::from);
        let mut line = encoded.at("write", &self.path)?;
        debug_assert!(!line.contains(&b'\n'), "a record is one line");
        line.push(b'\n');
        if std::mem::replace(&mut self.torn, true) {
            // A full disk may have truncated the last line. It is ignored, and must not merge with this one.
            line.insert(0, b'\n');
        }
        self.file.write_all(&line).at("write", &self.path)?;
        self.torn = false;
        Ok(())
    }

    /// Starts writing the lines to the disk without waiting.
    pub fn begin_sync(&self) {
        dir::begin_writing(&self.file);
    }

    /// Syncs all lines; their results are committed when this returns. A new log also needs [`Spool::sync_log_names`].
    pub fn sync(&self) -> Result<(), PathError> {
        dir::sync_data(&self.file, &self.path)
    }

    /// True if the log did not exist, or was empty, when it was opened.
    pub fn is_new(&self) -> bool {
        self.created
    }
}
