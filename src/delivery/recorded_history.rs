//! The history of a claimed message, and how much of it is durable.
//!
//! A result that is written is not yet safe: nothing may be told about it, and no message may move because of it, until
//! the log was synced by this run.

use anyhow::{Result, anyhow};

use crate::mail::envelope::id::QueueId;
use crate::mail::history::History;
use crate::mail::history::record::{LogEvent, LogRecord};
use crate::output::observer::RecipientEvent;
use crate::spool::Spool;
use crate::spool::log::MessageLog;
use crate::spool::running_time::SpoolTime;

/// History of a message with its log, to which this run appends.
#[derive(Debug)]
pub(super) struct RecordedHistory {
    history: History,
    log: Option<MessageLog>,
    /// Durability of what the log says.
    records: RecordState,
    /// Events of the records that are not synced yet, to be told when they are.
    events: Vec<RecipientEvent>,
}

/// Durability of the records of a log that the history was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RecordState {
    /// Synced by this run, or there is none.
    Synced,
    /// Written by this run or by another one, and not synced by this run. Another run may have died before its sync, so
    /// nothing may follow from a record that this run has not synced itself.
    Unsynced,
    /// A record could not be written or synced. A failed sync is never tried again on the same file: the kernel may have
    /// dropped the data and report success the next time. The message stays as it is, for the next run.
    Lost,
}

/// Records that were made durable.
#[derive(Debug)]
pub(super) struct SyncedRecords {
    /// Events that may be told now.
    pub(super) events: Vec<RecipientEvent>,
    /// True when the name of the log may not be durable yet, and needs [`Spool::sync_log_names`].
    pub(super) name_is_new: bool,
}

impl RecordedHistory {
    /// Takes a history as it was read. What it says was not synced by this run.
    pub(super) fn new(history: History) -> RecordedHistory {
        let records = if history.is_blank() { RecordState::Synced } else { RecordState::Unsynced };
        RecordedHistory { history, log: None, records, events: Vec::new() }
    }

    /// Returns what has happened so far.
    pub(super) fn history(&self) -> &History {
        &self.history
    }

    /// Returns true when every record is durable.
    pub(super) fn is_synced(&self) -> bool {
        self.records == RecordState::Synced
    }

    /// Returns the history when its message is about to move. Every record must be durable before. `None` when another
    /// process appended to the log, so that it has to be read again.
    pub(super) fn into_history(self) -> Option<History> {
        debug_assert!(self.is_synced(), "a message moves only when its records are durable");
        debug_assert!(self.events.is_empty(), "what is durable was told");
        let foreign = self.log.is_some_and(|log| log.has_foreign_lines());
        (!foreign).then_some(self.history)
    }

    /// Keeps an event of the record that is appended next, to be told once that record is durable.
    pub(super) fn tell_later(&mut self, event: RecipientEvent) {
        self.events.push(event);
    }

    /// Appends an event; the next sync makes it durable. An attempt that cannot be written is not made,
    /// and a start that cannot be written is not missed. A result that
    /// cannot be written is lost: this run knows it, so that it does not repeat the delivery, but nothing follows from it.
    pub(super) fn append(&mut self, spool: &Spool, id: &QueueId, time: SpoolTime, event: LogEvent) -> Result<()> {
        let record = LogRecord { at: time.now, running: Some(time.running), event };
        let is_attempt = matches!(record.event, LogEvent::Attempt { .. } | LogEvent::Started(_));
        let written = self.write(spool, id, &record);
        match (&written, is_attempt) {
            (Ok(()), _) => {
                self.history.apply(&record);
                if self.is_synced() {
                    self.records = RecordState::Unsynced;
                }
            }
            (Err(_), true) => {}
            (Err(_), false) => {
                self.history.apply(&record);
                self.records = RecordState::Lost;
            }
        }
        written
    }

    fn write(&mut self, spool: &Spool, id: &QueueId, record: &LogRecord) -> Result<()> {
        let log = match &mut self.log {
            Some(log) => log,
            None => self.log.insert(spool.log(id)?),
        };
        Ok(log.append(record)?)
    }

    /// Tells the kernel to begin writing the log out.
    pub(super) fn begin_sync(&self) {
        if let Some(log) = &self.log {
            log.begin_sync();
        }
    }

    /// Makes the records durable, without the name of a new log, and returns the events that may be told now. An error
    /// says that nothing may be told and that the message must stay as it is.
    pub(super) fn sync(&mut self, spool: &Spool, id: &QueueId) -> Result<SyncedRecords> {
        let events = std::mem::take(&mut self.events);
        match self.records {
            RecordState::Synced => {
                debug_assert!(events.is_empty(), "an event belongs to a record");
                return Ok(SyncedRecords { events, name_is_new: false });
            }
            RecordState::Unsynced => {}
            RecordState::Lost => return Err(anyhow!("a result could not be recorded; the message stays as it is")),
        }
        self.records = RecordState::Lost;
        if self.log.is_none() {
            self.log = Some(spool.log(id)?);
        }
        if let Some(log) = &self.log {
            log.sync()?;
        }
        self.records = RecordState::Synced;
        Ok(SyncedRecords { events, name_is_new: true })
    }
}
