//! Claims: the exclusive right to move one message, held by one run at a time.
//!
//! A claim opens the file, locks it, and then checks that the path still names the locked file. Without that check, a
//! run that is slow between opening and locking could deliver a message that another run has just finished. The lock
//! belongs to the open file description, which the programs of the transport inherit: if the run dies, the message stays
//! claimed until they end, so that no second delivery can begin during the first.
//!
//! What is claimed was verified: its envelope and its bytes have their checksums.

use std::fs::File;
use std::sync::{Mutex, PoisonError};

use crate::mail::history::History;
use crate::mail::history::mark::{AttemptMark, ResultMark};
use crate::mail::history::record::{CUT_SHORT, LogEvent, LogRecord};
use crate::spool::file_name::FileName;
use crate::sys::dir::Dir;
use crate::sys::error::{AtPath, PathError};
use crate::sys::file_stat::{FileStat, stat_of};
use crate::sys::lock;
use crate::sys::presence;
use crate::values::time::{RunningTime, Timestamp};

use crate::spool::queue_file::{QueueFile, SECOND_NAME, UnusableFile, open_message};
use crate::spool::{QueueState, Spool};

/// Exclusive right to a message. Dropping it releases the message unchanged; every method that takes `self` moves or
/// removes the message.
#[derive(Debug)]
pub struct Claim<'s> {
    spool: &'s Spool,
    queue_file: QueueFile,
    /// State and name of the file now: marks change the name while the message is handed over.
    place: Mutex<(QueueState, FileName)>,
}

/// Place of a message whose hand-off succeeded, as its marks tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MarkedPlace {
    /// `cur`: something is to be done before the message is finished.
    Attempted,
    /// `sent`: nothing is left to do. The sweep removes the message after that time; `None` is never.
    Finished(Option<RunningTime>),
}

/// Result of an attempt to claim a message.
#[derive(Debug)]
pub enum ClaimOutcome<'s> {
    /// Message is claimed.
    Claimed(Box<Claim<'s>>),
    /// Another run is working on the message.
    Busy,
    /// Message is no longer in this state; another run moved it.
    Gone,
    /// File that mspool did not put there, and leaves unchanged; with the reason.
    Stray(&'static str),
    /// Damaged message, now in `corrupt`; with the reason.
    SetAside(String),
    /// Message whose end is missing, and that was probably never acknowledged.
    Incomplete(IncompleteMessage<'s>),
}

/// Claim of a message whose end is missing and that has no history: a power failure leaves such files of messages that were
/// not acknowledged yet. Dropping it leaves the file.
#[derive(Debug)]
pub struct IncompleteMessage<'s> {
    spool: &'s Spool,
    state: QueueState,
    name: FileName,
    reason: String,
    #[expect(dead_code, reason = "the open file holds the lock")]
    file: File,
}

impl std::fmt::Display for IncompleteMessage<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "is {CUT_SHORT}: {}", self.reason)
    }
}

impl IncompleteMessage<'_> {
    /// Moves the file to `corrupt`, with a line in its log. No error: the submitter knows that the message was not
    /// accepted. Only an empty file goes with the sweep; what remains of any other is kept, since a damaged disk can cut
    /// an accepted message short as well.
    pub fn set_aside(self, now: Timestamp) -> Result<(), PathError> {
        let record = LogRecord::new(now, LogEvent::Incomplete { text: self.reason });
        self.spool.append_durably(&self.name.id, &record)?;
        let corrupt = self.spool.messages(QueueState::Corrupt)?;
        self.spool.messages(self.state)?.rename(&self.name.to_string(), corrupt, self.name.id.as_str())
    }
}

/// State of a message after its release from `hold`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseTarget {
    /// `new`: never attempted.
    NeverAttempted,
    /// `cur`: attempted.
    Attempted,
}

impl Spool {
    /// Claims a message without waiting. A damaged message is moved to `corrupt`.
    pub fn claim(&self, state: QueueState, name: &FileName) -> Result<ClaimOutcome<'_>, PathError> {
        let dir = self.messages(state)?;
        let text = name.to_string();
        let path = dir.path_of(&text);
        let (file, facts) = match open_message(dir, &text) {
            Ok(open) => open,
            Err(UnusableFile::Gone | UnusableFile::Corrupt(_) | UnusableFile::Incomplete(_)) => {
                return Ok(ClaimOutcome::Gone);
            }
            Err(UnusableFile::Stray(SECOND_NAME)) if self.settle_twins(state, name)? => {
                return self.claim(state, name);
            }
            Err(UnusableFile::Stray(reason)) => return Ok(ClaimOutcome::Stray(reason)),
            Err(UnusableFile::Path(error)) => return Err(error),
        };
        if !lock::try_exclusive(&file).at("lock", &path)? {
            return Ok(ClaimOutcome::Busy);
        }
        if !still_there(dir, &text, &facts)? {
            return Ok(ClaimOutcome::Gone);
        }
        // For reports only: a claim holds without it.
        let _ = presence::mark(&file);
        // The size is read under the lock: the writer of a draft holds the lock until the file is complete, and a
        // size from before would make a message that is still being written look torn.
        let facts = stat_of(&file, &path)?;
        // A second descriptor of the locked file, since parsing consumes the first.
        let locked = file.try_clone().at("open", &path)?;
        let parsed = QueueFile::parse(state, name, file, facts, &path);
        match parsed.and_then(|queue_file| queue_file.verify(&path).map(|()| queue_file)) {
            Ok(queue_file) => {
                debug_assert_eq!(queue_file.envelope.id, name.id, "a file is named after its envelope");
                let place = Mutex::new((state, name.clone()));
                Ok(ClaimOutcome::Claimed(Box::new(Claim { spool: self, queue_file, place })))
            }
            Err(UnusableFile::Incomplete(reason)) if self.may_be_unacknowledged(state, name)? => {
                Ok(ClaimOutcome::Incomplete(IncompleteMessage {
                    spool: self,
                    state,
                    name: name.clone(),
                    reason,
                    file: locked,
                }))
            }
            Err(UnusableFile::Corrupt(reason) | UnusableFile::Incomplete(reason)) => {
                dir.rename(&text, self.messages(QueueState::Corrupt)?, name.id.as_str())?;
                Ok(ClaimOutcome::SetAside(reason))
            }
            Err(UnusableFile::Path(error)) => Err(error),
            Err(UnusableFile::Gone | UnusableFile::Stray(_)) => Ok(ClaimOutcome::Gone),
        }
    }
}

impl Spool {
    /// True for a message without any history: it may have been cut short before it was acknowledged.
    pub fn may_be_unacknowledged(&self, state: QueueState, name: &FileName) -> Result<bool, PathError> {
        let is_new = matches!(state, QueueState::New | QueueState::Received) && name.marks.is_empty();
        Ok(is_new && self.read_log(&name.id)?.is_empty())
    }
}

/// True if the path still names the file that was locked.
fn still_there(dir: &Dir, name: &str, facts: &FileStat) -> Result<bool, PathError> {
    Ok(dir.stat_name(name)?.is_some_and(|now| now.same_file(facts)))
}

impl Claim<'_> {
    /// Returns true when the message is in one of these states.
    fn is_in(&self, states: &[QueueState]) -> bool {
        states.contains(&self.place().0)
    }

    fn place(&self) -> (QueueState, FileName) {
        self.place.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the state of the message now.
    pub fn state(&self) -> QueueState {
        self.place().0
    }

    /// Marks in the name that the first hand-off, to all recipients, begins. Not synced: nothing follows from it. Returns
    /// false, and changes nothing, if the name has no room for the marks.
    pub fn mark_attempt(&self, attempt: AttemptMark) -> Result<bool, PathError> {
        debug_assert!(self.is_in(&[QueueState::New, QueueState::Cur]), "only queued messages are attempted");
        let (_, name) = self.place();
        let Some(name) = name.with_attempt(attempt) else { return Ok(false) };
        self.rename_to(QueueState::Cur, name)?;
        Ok(true)
    }

    /// Marks in the name that the hand-off succeeded for all recipients, and moves the message there. Not synced: nothing
    /// may be told before the directory is. Returns false, and changes nothing, if the mark does not fit.
    pub fn mark_result(&self, result: ResultMark, place: MarkedPlace) -> Result<bool, PathError> {
        let (state, name) = self.place();
        debug_assert!(state == QueueState::Cur, "a result follows an attempt");
        let Some(name) = name.with_result(result) else { return Ok(false) };
        match place {
            MarkedPlace::Attempted => self.rename_to(state, name)?,
            MarkedPlace::Finished(until) => self.rename_to(QueueState::Sent, name.kept_until(until))?,
        }
        Ok(true)
    }

    /// Returns the claimed message.
    pub fn message(&self) -> &QueueFile {
        &self.queue_file
    }

    /// Returns a copy of the message after its first `skip` bytes, for the standard input of a program. Nothing that the
    /// program does with it reaches the spool, and it never sees the envelope.
    pub fn private_copy(&self, skip: u64) -> Result<File, PathError> {
        self.private_copy_with(b"", skip)
    }

    /// Returns a copy like [`Claim::private_copy`], with `head` in place of the first `skip` bytes.
    pub fn private_copy_with(&self, head: &[u8], skip: u64) -> Result<File, PathError> {
        self.spool.private_copy_of(&self.queue_file, head, skip)
    }

    /// Moves the message to `cur`, due at that time; `None` is now. A marked attempt leaves the name if the log has it. Not
    /// synced: after a crash, the synced log tells the next run the same.
    pub fn requeue(self, due: Option<Timestamp>, history: &History) -> Result<(), PathError> {
        debug_assert!(self.is_in(&[QueueState::New, QueueState::Cur]), "only queued messages are requeued");
        let name = self.place().1.due(due);
        self.rename_to(QueueState::Cur, if history.is_attempt_logged { name.without_attempt() } else { name })
    }

    /// Changes the due time in the name; the state stays.
    pub fn reschedule(self, due: Option<Timestamp>) -> Result<(), PathError> {
        debug_assert!(self.is_in(&[QueueState::New, QueueState::Cur]), "only queued messages have a next attempt");
        let (state, name) = self.place();
        self.rename_to(state, name.due(due))
    }

    /// Moves the message to `sent`: every recipient has it. The sweep removes it after that time; `None` is never.
    pub fn finish_sent(self, keep_until: Option<RunningTime>) -> Result<(), PathError> {
        debug_assert!(self.is_in(&[QueueState::New, QueueState::Cur]), "only queued messages become sent");
        self.rename_to(QueueState::Sent, self.place().1.kept_until(keep_until))
    }

    /// Moves the message to `failed`: some recipient does not have it. The sweep removes it after that time; `None` is
    /// never.
    pub fn finish_failed(self, keep_until: Option<RunningTime>) -> Result<(), PathError> {
        let may_fail = [QueueState::New, QueueState::Cur, QueueState::Hold, QueueState::Sent];
        debug_assert!(self.is_in(&may_fail), "only queued and sent messages become failed");
        self.rename_to(QueueState::Failed, self.place().1.kept_until(keep_until))
    }

    /// Moves a cancelled message to `failed`. Durable on return, because the operator is told so.
    pub fn finish_cancelled(self, keep_until: Option<RunningTime>) -> Result<(), PathError> {
        let waiting = [QueueState::New, QueueState::Cur, QueueState::Hold];
        debug_assert!(self.is_in(&waiting), "only messages that wait are cancelled");
        let (state, name) = self.place();
        self.rename_to(QueueState::Failed, name.kept_until(keep_until))?;
        self.sync(&[state, QueueState::Failed])
    }

    /// Moves the message to `hold`. Durable on return.
    pub fn hold(self) -> Result<(), PathError> {
        debug_assert!(self.is_in(&[QueueState::New, QueueState::Cur]), "only queued messages are held");
        let (state, name) = self.place();
        self.rename_to(QueueState::Hold, name.due(None))?;
        self.sync(&[state, QueueState::Hold])
    }

    /// Moves a held message back to the queue, due at that time; `None` is now. Durable on return.
    pub fn release(self, to: ReleaseTarget, due: Option<Timestamp>) -> Result<(), PathError> {
        debug_assert!(self.is_in(&[QueueState::Hold]), "only held messages are released");
        let state = if to == ReleaseTarget::Attempted { QueueState::Cur } else { QueueState::New };
        self.rename_to(state, self.place().1.due(due))?;
        self.sync(&[QueueState::Hold, state])
    }

    /// Removes a received message that was filed in the store. Durable on return.
    pub fn finish_filed(self) -> Result<(), PathError> {
        debug_assert!(self.is_in(&[QueueState::Received]), "only received messages are filed");
        let (state, name) = self.place();
        let dir = self.spool.messages(state)?;
        dir.remove(&name.to_string())?;
        dir.sync()
    }

    /// Removes a message that every recipient has. Its log stays until the sweep finds the removal durable: if a power
    /// failure restores the message, the log still prevents a second delivery.
    pub fn delete(self) -> Result<(), PathError> {
        debug_assert!(self.is_in(&[QueueState::New, QueueState::Cur]), "only queued messages are deleted");
        let (state, name) = self.place();
        self.spool.messages(state)?.remove(&name.to_string())
    }

    fn rename_to(&self, state: QueueState, name: FileName) -> Result<(), PathError> {
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        debug_assert_eq!(name.id, place.1.id, "a move keeps the id");
        debug_assert_eq!(name.priority, place.1.priority, "a move keeps the priority");
        debug_assert!(place.1.marks.result().is_none() || name.marks == place.1.marks, "a result stays marked");
        debug_assert!(
            !matches!(state, QueueState::Corrupt | QueueState::Received),
            "a whole message stays in the queue"
        );
        if *place == (state, name.clone()) {
            return Ok(());
        }
        let (from, to) = (place.1.to_string(), name.to_string());
        self.spool.messages(place.0)?.rename(&from, self.spool.messages(state)?, &to)?;
        *place = (state, name);
        Ok(())
    }

    fn sync(&self, states: &[QueueState]) -> Result<(), PathError> {
        states.iter().try_for_each(|state| self.spool.messages(*state)?.sync())
    }
}

impl Drop for Claim<'_> {
    /// Unlocks explicitly instead of by closing: a program that moved to the background may keep the file open, and must
    /// not keep the message locked.
    fn drop(&mut self) {
        let _ = presence::unmark(self.queue_file.file());
        let _ = lock::unlock(self.queue_file.file());
    }
}
