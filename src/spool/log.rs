//! Logs: the events of a message, one JSON object per line. Lines are appended and never changed.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;

use crate::mail::envelope::Envelope;
use crate::mail::envelope::id::QueueId;
use crate::mail::history::History;
use crate::mail::history::record::LogRecord;
use crate::sys::dir;
use crate::sys::error::{AtPath, PathError};
use crate::sys::file_stat::stat_of;

use crate::spool::{Spool, SpoolDirectory};

/// Open log of a message.
#[derive(Debug)]
pub struct MessageLog {
    file: File,
    path: std::path::PathBuf,
    created: bool,
    /// True after a failed write, which may have written part of a line.
    torn: bool,
    /// Size in bytes after this run's last write; a larger file has lines of another process.
    size: u64,
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

    /// Reads the history of a message, per recipient, from its log.
    pub fn history(&self, envelope: &Envelope) -> Result<History, PathError> {
        Ok(History::read(&envelope.recipients, &self.read_log(&envelope.id)?))
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
        let mut size = stat_of(&file, &path)?.size;
        let created = size == 0;
        if size > 0 {
            let mut last = [b'\n'];
            file.read_exact_at(&mut last, size - 1).at("read", &path)?;
            if last != *b"\n" {
                // A crash truncated the last line. It is ignored, and must not merge with the next line.
                file.write_all(b"\n").at("write", &path)?;
                size += 1;
            }
        }
        debug_assert!(created == (size == 0), "an existing log has a line");
        Ok(MessageLog { file, path, created, torn: false, size })
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
        self.size += line.len() as u64;
        Ok(())
    }

    /// True if another process has appended lines: an incoming report is noted without a claim.
    pub fn has_foreign_lines(&self) -> bool {
        stat_of(&self.file, &self.path).is_ok_and(|facts| facts.size > self.size)
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
