//! Claims: the right to move one message, held by one runner at a time.
//!
//! To claim is to open, to lock, and to look again: does the path still name the file that was locked? Without that
//! second look a runner that was slow between the two would deliver what another has just finished. The lock belongs
//! to the open file, which is also the standard input of the transport: if the runner dies, the message stays
//! claimed until the transport has ended, so that no second delivery can begin beside the first.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd};

use crate::mail::envelope::file_name::FileName;
use crate::sys::dir::Dir;
use crate::sys::error::{AtPath, PathError};
use crate::sys::file_stat::{FileStat, stat_of};
use crate::sys::lock;
use crate::values::time::Timestamp;

use crate::spool::queue_file::{QueueFile, UnusableFile, open_message};
use crate::spool::{QueueState, Spool};

/// The exclusive right to a message. Dropping it gives the message back as it is; every method that takes `self`
/// moves it on.
#[derive(Debug)]
pub struct Claim<'s> {
    spool: &'s Spool,
    queue_file: QueueFile,
}

/// A message as a standard input, at its first byte, holding the message's lock.
#[derive(Debug)]
pub enum ClaimInput<'c> {
    /// The claimed file itself.
    Claimed(&'c File),
    /// The same file opened anew, for one of several hand-offs at once.
    Reopened(File),
}

impl AsFd for ClaimInput<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            ClaimInput::Claimed(file) => file.as_fd(),
            ClaimInput::Reopened(file) => file.as_fd(),
        }
    }
}

impl Drop for ClaimInput<'_> {
    /// Explicitly, not by closing: a transport that went to the background may still have the file open, and must
    /// not keep the message locked for as long as it lives.
    fn drop(&mut self) {
        if let ClaimInput::Reopened(file) = self {
            let _ = lock::unlock(file);
        }
    }
}

/// What came of trying to claim a message.
#[derive(Debug)]
pub enum ClaimOutcome<'s> {
    /// It is ours.
    Claimed(Box<Claim<'s>>),
    /// Somebody else is at work on it.
    Busy,
    /// It is not where it was; somebody else moved it on.
    Gone,
    /// Not a message of ours, and left alone: why.
    Stray(&'static str),
    /// It could not be believed and lies in `corrupt` now: why.
    SetAside(String),
}

/// Where a held message goes when it is let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseTarget {
    /// It was never attempted.
    NeverAttempted,
    /// It was.
    Attempted,
}

impl Spool {
    /// Claims a message, without waiting. A file that cannot be believed is set aside on the way.
    pub fn claim(&self, state: QueueState, name: &FileName) -> Result<ClaimOutcome<'_>, PathError> {
        let dir = self.messages(state)?;
        let text = name.to_string();
        let path = dir.path_of(&text);
        let (file, facts) = match open_message(dir, &text) {
            Ok(open) => open,
            Err(UnusableFile::Gone | UnusableFile::Corrupt(_)) => return Ok(ClaimOutcome::Gone),
            Err(UnusableFile::Stray(reason)) => return Ok(ClaimOutcome::Stray(reason)),
            Err(UnusableFile::Path(error)) => return Err(error),
        };
        if !lock::try_exclusive(&file).at("lock", &path)? {
            return Ok(ClaimOutcome::Busy);
        }
        if !still_there(dir, &text, &facts)? {
            return Ok(ClaimOutcome::Gone);
        }
        // The size is read under the lock: whoever writes the file holds the lock until it is complete.
        let facts = stat_of(&file, &path)?;
        match QueueFile::parse(state, name, file, facts, &path) {
            Ok(queue_file) => Ok(ClaimOutcome::Claimed(Box::new(Claim { spool: self, queue_file }))),
            Err(UnusableFile::Corrupt(reason)) => {
                dir.rename(&text, self.messages(QueueState::Corrupt)?, name.id.as_str())?;
                Ok(ClaimOutcome::SetAside(reason))
            }
            Err(UnusableFile::Path(error)) => Err(error),
            Err(UnusableFile::Gone | UnusableFile::Stray(_)) => Ok(ClaimOutcome::Gone),
        }
    }
}

/// The second look.
fn still_there(dir: &Dir, name: &str, facts: &FileStat) -> Result<bool, PathError> {
    Ok(dir.stat_name(name)?.is_some_and(|now| now.same_file(facts)))
}

impl Claim<'_> {
    /// The message.
    pub fn message(&self) -> &QueueFile {
        &self.queue_file
    }

    /// Makes the claim fit for several hand-offs at once: the lock becomes a shared one, which nobody can claim past
    /// and which each hand-off's own open file can hold too. `false` when somebody else got in between; then nothing
    /// may be done with the message. To be called before the first hand-off.
    pub fn share_lock(&self) -> Result<bool, PathError> {
        lock::try_shared(self.queue_file.file()).at("lock", self.path())
    }

    /// The message for a hand-off that is the only one at its time.
    pub fn input(&self) -> Result<ClaimInput<'_>, PathError> {
        let mut file = self.queue_file.file();
        file.seek(SeekFrom::Start(self.queue_file.body_at)).at("read", self.path())?;
        Ok(ClaimInput::Claimed(file))
    }

    /// The message behind so many of its bytes, for a program beside the delivery: opened anew and not locked, so that
    /// such a program, should it outlive us, keeps nobody from the message.
    pub fn unlocked_input(&self, bytes: u64) -> Result<File, PathError> {
        let dir = self.spool.messages(self.queue_file.state)?;
        let mut file = dir.open_file(&self.queue_file.name.to_string())?;
        if !stat_of(&file, &self.path())?.same_file(self.queue_file.stat()) {
            return Err(PathError::new("open", self.path(), std::io::Error::from(std::io::ErrorKind::NotFound)));
        }
        file.seek(SeekFrom::Start(self.queue_file.body_at + bytes)).at("read", self.path())?;
        Ok(file)
    }

    /// The message for one of several hand-offs at once; only after [`Claim::share`].
    pub fn parallel_input(&self) -> Result<ClaimInput<'_>, PathError> {
        let dir = self.spool.messages(self.queue_file.state)?;
        let mut file = dir.open_file(&self.queue_file.name.to_string())?;
        let same = stat_of(&file, &self.path())?.same_file(self.queue_file.stat());
        if !same || !lock::try_shared(&file).at("lock", self.path())? {
            return Err(PathError::new("lock", self.path(), std::io::Error::from(std::io::ErrorKind::WouldBlock)));
        }
        file.seek(SeekFrom::Start(self.queue_file.body_at)).at("read", self.path())?;
        Ok(ClaimInput::Reopened(file))
    }

    /// Still owed: it lies in `cur` and is due again at that time; `None` is at once. Not synced, for the log says
    /// the same and is.
    pub fn requeue(self, due: Option<Timestamp>) -> Result<(), PathError> {
        self.move_to(QueueState::Cur, self.queue_file.name.due(due))
    }

    /// Untouched, with another time in its name.
    pub fn reschedule(self, due: Option<Timestamp>) -> Result<(), PathError> {
        self.move_to(self.queue_file.state, self.queue_file.name.due(due))
    }

    /// Finished, everybody has it. It may be removed after that time; `None` is never.
    pub fn finish_sent(self, keep_until: Option<Timestamp>) -> Result<(), PathError> {
        self.move_to(QueueState::Sent, self.queue_file.name.due(keep_until))
    }

    /// Finished, somebody does not have it. It may be removed after that time.
    pub fn finish_failed(self, keep_until: Option<Timestamp>) -> Result<(), PathError> {
        self.move_to(QueueState::Failed, self.queue_file.name.due(keep_until))
    }

    /// Taken out by the operator; durable when this returns. It lies among what failed.
    pub fn finish_cancelled(self, keep_until: Option<Timestamp>) -> Result<(), PathError> {
        self.move_to(QueueState::Failed, self.queue_file.name.due(keep_until))?;
        self.sync(&[self.queue_file.state, QueueState::Failed])
    }

    /// Set aside by the operator; durable when this returns.
    pub fn hold(self) -> Result<(), PathError> {
        let name = self.queue_file.name.due(None);
        self.move_to(QueueState::Hold, name)?;
        self.sync(&[self.queue_file.state, QueueState::Hold])
    }

    /// Let go by the operator; durable when this returns.
    pub fn release(self, to: ReleaseTarget, due: Option<Timestamp>) -> Result<(), PathError> {
        let state = if to == ReleaseTarget::Attempted { QueueState::Cur } else { QueueState::New };
        self.move_to(state, self.queue_file.name.due(due))?;
        self.sync(&[QueueState::Hold, state])
    }

    /// Filed in the store, and no longer needed here; durable when this returns.
    pub fn finish_filed(self) -> Result<(), PathError> {
        let dir = self.spool.messages(self.queue_file.state)?;
        dir.remove(&self.queue_file.name.to_string())?;
        dir.sync()
    }

    /// Removed for good. The sweep takes the log when the message is surely gone: should a power cut bring the message
    /// back, its log still says that everybody has it.
    pub fn delete(self) -> Result<(), PathError> {
        self.spool.messages(self.queue_file.state)?.remove(&self.queue_file.name.to_string())
    }

    fn move_to(&self, state: QueueState, name: FileName) -> Result<(), PathError> {
        let (from, to) = (self.queue_file.name.to_string(), name.to_string());
        if state == self.queue_file.state && from == to {
            return Ok(());
        }
        self.spool.messages(self.queue_file.state)?.rename(&from, self.spool.messages(state)?, &to)
    }

    fn sync(&self, states: &[QueueState]) -> Result<(), PathError> {
        states.iter().try_for_each(|state| self.spool.messages(*state)?.sync())
    }

    fn path(&self) -> std::path::PathBuf {
        self.spool.path_of_message(self.queue_file.state, &self.queue_file.name)
    }
}

impl Drop for Claim<'_> {
    /// For the same reason as an input's.
    fn drop(&mut self) {
        let _ = lock::unlock(self.queue_file.file());
    }
}
