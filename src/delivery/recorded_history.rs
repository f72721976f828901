//! The history of a claimed message, and how much of it is durable.
//!
//! A result that is written is not yet safe: nothing may be told about it, and nothing may follow from it, until this run
//! has synced it: the log, or the directory with the name that has its mark.

use anyhow::{Result, anyhow};

use crate::mail::envelope::id::QueueId;
use crate::mail::history::History;
use crate::mail::history::mark::{AttemptMark, ResultMark};
use crate::mail::history::record::{LogEvent, LogRecord};
use crate::output::observer::RecipientEvent;
use crate::spool::log::MessageLog;
use crate::spool::queue_file::QueueFile;
use crate::spool::running_time::SpoolTime;
use crate::spool::spare_log::SpareLog;
use crate::spool::unsynced_names::UnsyncedNames;
use crate::spool::{QueueState, Spool};

/// History of a message with its log, to which this run appends.
#[derive(Debug)]
pub(super) struct RecordedHistory {
    history: History,
    /// Mark of the first attempt in the name of the message. The log restates it.
    attempt: Option<AttemptMark>,
    log: Option<MessageLog>,
    /// Log for a result that cannot be marked in the name.
    spare: Option<SpareLog>,
    /// State whose directory must be synced for the marks in the name to be durable.
    marked_in: Option<QueueState>,
    /// Durability of the records.
    records: RecordState,
    /// Events of the records that are not synced yet, to be told when they are.
    events: Vec<RecipientEvent>,
}

/// Durability of the records that the history was made from.
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
    /// Names that may not be durable yet. The events may be told when they are.
    pub(super) names: UnsyncedNames,
}

impl RecordedHistory {
    /// Takes the history of a claimed message as it was read. What it says was not synced by this run.
    pub(super) fn new(history: History, message: &QueueFile) -> RecordedHistory {
        let records = if history.is_blank() { RecordState::Synced } else { RecordState::Unsynced };
        let attempt = message.name.marks.attempt().cloned();
        let marked_in = attempt.is_some().then_some(message.state);
        RecordedHistory { history, attempt, log: None, spare: None, marked_in, records, events: Vec::new() }
    }

    /// True if nothing is recorded: the first hand-off can be marked in the name.
    pub(super) fn is_blank(&self) -> bool {
        self.history.is_blank() && self.log.is_none()
    }

    /// True if the first attempt, which has no result yet, is marked in the name, and nothing is in the log.
    pub(super) fn is_marked(&self) -> bool {
        self.attempt.is_some() && self.log.is_none() && self.history.log_lines == 0
    }

    /// Takes over a first attempt that was marked in the name. `spare` becomes the log if the result cannot be marked.
    pub(super) fn attempt_marked(&mut self, attempt: AttemptMark, spare: SpareLog) {
        debug_assert!(self.is_blank(), "only a first attempt is marked");
        self.history.apply(&attempt.record(self.history.recipients.indices().collect()));
        (self.attempt, self.spare) = (Some(attempt), Some(spare));
    }

    /// Returns the history with this result of the marked attempt.
    pub(super) fn history_with(&self, result: &ResultMark) -> History {
        let mut history = self.history.clone();
        if let Some(attempt) = &self.attempt {
            history.apply(&result.record(&attempt.transport, history.recipients.indices().collect()));
        }
        history
    }

    /// Takes over a result that was marked in the name of the message, which is now in that state.
    pub(super) fn result_marked(&mut self, spool: &Spool, result: &ResultMark, state: QueueState) {
        debug_assert!(self.is_marked(), "a result is marked after its attempt");
        self.history = self.history_with(result);
        self.marked_in = Some(state);
        self.records = RecordState::Unsynced;
        if let Some(spare) = self.spare.take() {
            spool.give_back(spare);
        }
    }

    /// Returns what has happened so far.
    pub(super) fn history(&self) -> &History {
        &self.history
    }

    /// Returns true when every record is durable.
    pub(super) fn is_synced(&self) -> bool {
        self.records == RecordState::Synced
    }

    /// Returns the history when its message is about to move. Every record must be durable before.
    pub(super) fn into_history(mut self, spool: &Spool) -> History {
        debug_assert!(self.is_synced(), "a message moves only when its records are durable");
        debug_assert!(self.events.is_empty(), "what is durable was told");
        if let Some(spare) = self.spare.take() {
            spool.give_back(spare);
        }
        self.history
    }

    /// Keeps an event of the record that is appended next, to be told once that record is durable.
    pub(super) fn tell_later(&mut self, event: RecipientEvent) {
        self.events.push(event);
    }

    /// Appends an event to the log; the next sync makes it durable. An attempt that cannot be written is not made. A result
    /// that cannot be written is lost: this run knows it, so that it does not repeat the delivery, but nothing follows from
    /// it.
    pub(super) fn append(&mut self, spool: &Spool, id: &QueueId, time: SpoolTime, event: LogEvent) -> Result<()> {
        let record = LogRecord { at: time.now, running: Some(time.running), event };
        let is_attempt = matches!(record.event, LogEvent::Attempt { .. });
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
        if let Some(log) = &mut self.log {
            return Ok(log.append(record)?);
        }
        let mut log = match self.spare.take() {
            Some(spare) => spool.log_from_spare(id, spare)?,
            None => spool.log(id)?,
        };
        // A power failure can undo the mark in the name, and keep the log.
        if let Some(attempt) = self.attempt.as_ref().filter(|_| log.is_new()) {
            log.append(&attempt.record(self.history.recipients.indices().collect()))?;
            self.history.is_attempt_logged = true;
        }
        Ok(self.log.insert(log).append(record)?)
    }

    /// Tells the kernel to begin writing the log out.
    pub(super) fn begin_sync(&self) {
        if let Some(log) = &self.log {
            log.begin_sync();
        }
    }

    /// Makes the content of the log durable, and returns the names that must be durable as well before the events are
    /// told. An error says that nothing may be told and that the message must stay as it is.
    pub(super) fn sync(&mut self, spool: &Spool, id: &QueueId) -> Result<SyncedRecords> {
        let events = std::mem::take(&mut self.events);
        match self.records {
            RecordState::Synced => {
                debug_assert!(events.is_empty(), "an event belongs to a record");
                return Ok(SyncedRecords { events, names: UnsyncedNames::default() });
            }
            RecordState::Unsynced => {}
            RecordState::Lost => return Err(anyhow!("a result could not be recorded; the message stays as it is")),
        }
        self.records = RecordState::Lost;
        if self.log.is_none() && self.history.log_lines > 0 {
            self.log = Some(spool.log(id)?);
        }
        if let Some(log) = &self.log {
            log.sync()?;
        }
        self.records = RecordState::Synced;
        let names = UnsyncedNames { logs: self.log.is_some(), states: self.marked_in.into_iter().collect() };
        Ok(SyncedRecords { events, names })
    }
}
