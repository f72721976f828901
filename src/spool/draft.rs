//! Drafts: messages on their way into the queue.
//!
//! A draft is written under `tmp`, locked by its writer, then renamed to its place, and only then synced: the file,
//! then the directory. The first sync takes the rename along, so that both cost one commit of the filesystem. A file
//! that a power cut tore between the rename and the sync is shorter than its envelope says, and nobody was ever told
//! that it had been accepted. The writer's lock keeps runners away until the message is safe.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;

use crate::mail::envelope::file_name::FileName;
use crate::mail::envelope::id::QueueId;
use crate::mail::envelope::{Envelope, SIZE_OFFSET, size_field};
use crate::sys::dir::{self, Dir};
use crate::sys::error::{AtPath, PathError};
use crate::sys::lock;
use crate::values::time::Timestamp;

use crate::spool::{QueueState, Spool, SpoolDirectory};

/// Bytes gathered before the first write; a message that fits is written in one.
const BUFFER: usize = 128 << 10;

/// A message being written. Dropping it leaves nothing behind.
#[derive(Debug)]
pub struct Draft<'s> {
    spool: &'s Spool,
    tmp: SpoolDirectory,
    name: FileName,
    file: File,
    buffer: Vec<u8>,
    body_at: u64,
    written: u64,
    at: Option<(QueueState, String)>,
    keep: bool,
}

/// Why an envelope or message could not be written.
#[derive(Debug)]
pub enum DraftError {
    /// A system call failed.
    Path(PathError),
    /// The envelope could not be put into JSON.
    Envelope(serde_json::Error),
}

impl std::fmt::Display for DraftError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DraftError::Path(_) => f.write_str("the message cannot be written"),
            DraftError::Envelope(error) => write!(f, "the envelope cannot be written: {error}"),
        }
    }
}

impl std::error::Error for DraftError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            DraftError::Path(error) => Some(error),
            DraftError::Envelope(_) => None,
        }
    }
}

/// Why messages did not become durable.
#[derive(Debug)]
pub struct CommitError {
    /// The system call that failed.
    pub cause: PathError,
    /// Messages that could not be taken out of the queue again. They may be delivered.
    pub may_be_queued: Vec<QueueId>,
}

impl std::fmt::Display for CommitError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.cause.fmt(f)?;
        if !self.may_be_queued.is_empty() {
            let ids: Vec<&str> = self.may_be_queued.iter().map(QueueId::as_str).collect();
            write!(f, "; the message may be queued as {}", ids.join(", "))?;
        }
        Ok(())
    }
}

impl std::error::Error for CommitError {}

impl From<PathError> for DraftError {
    fn from(error: PathError) -> DraftError {
        DraftError::Path(error)
    }
}

impl<'s> Draft<'s> {
    /// Begins an outgoing message with this envelope. Its size need not be known yet.
    pub fn begin(spool: &'s Spool, envelope: &Envelope) -> Result<Draft<'s>, DraftError> {
        Draft::begin_in(spool, SpoolDirectory::Tmp, envelope)
    }

    /// Begins a message that is being received, to be placed in [`State::Received`].
    pub fn begin_received(spool: &'s Spool, envelope: &Envelope) -> Result<Draft<'s>, DraftError> {
        Draft::begin_in(spool, SpoolDirectory::ReceivedTmp, envelope)
    }

    fn begin_in(spool: &'s Spool, place: SpoolDirectory, envelope: &Envelope) -> Result<Draft<'s>, DraftError> {
        let line = envelope.to_line().map_err(DraftError::Envelope)?;
        let name = FileName::new(envelope.id.clone(), envelope.priority);
        let tmp = spool.dir(place)?;
        let file = tmp.create_new(name.id.as_str())?;
        let body_at = line.len() as u64;
        let draft = Draft { spool, tmp: place, name, file, buffer: line, body_at, written: 0, at: None, keep: false };
        // Nobody else can know the file yet: this only tells the sweep that its writer lives.
        lock::try_exclusive(&draft.file).at("lock", tmp.path_of(draft.name.id.as_str()))?;
        Ok(draft)
    }

    /// Adds bytes of the message.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), PathError> {
        let large = bytes.len() >= BUFFER / 2;
        if large || self.buffer.len() + bytes.len() > BUFFER {
            self.flush()?;
        }
        if large {
            self.written += bytes.len() as u64;
            return self.file.write_all(bytes).at("write", self.path());
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), PathError> {
        self.file.write_all(&self.buffer).at("write", self.path())?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Bytes of the message so far.
    pub fn size(&self) -> u64 {
        self.written + self.buffer.len() as u64 - self.body_at
    }

    /// Completes the file and renames it to its place; not durable yet, and still ours alone.
    pub fn rename_into(
        mut self,
        state: QueueState,
        due: Option<Timestamp>,
    ) -> Result<UnsyncedMessage<'s>, CommitError> {
        let certain = |cause| CommitError { cause, may_be_queued: Vec::new() };
        self.complete().map_err(certain)?;
        // Opened before the rename: what can fail must fail while the message is still a draft.
        let target = self.spool.messages(state).map_err(certain)?;
        let name = self.name.due(due).to_string();
        let renamed = self.spool.dir(self.tmp).and_then(|tmp| tmp.rename(self.name.id.as_str(), target, &name));
        let Err(cause) = renamed else {
            self.at = Some((state, name));
            return Ok(UnsyncedMessage(self));
        };
        // Some network filesystems report an error for a rename that happened.
        if let Ok(None) = target.stat_name(&name) {
            return Err(certain(cause));
        }
        self.at = Some((state, name));
        Err(self.withdraw_after(cause))
    }

    /// Writes what is still missing: the end of the message, and its size.
    fn complete(&mut self) -> Result<(), PathError> {
        let size = size_field(self.size());
        if self.written == 0 {
            let at = SIZE_OFFSET as usize;
            self.buffer[at..at + size.len()].copy_from_slice(size.as_bytes());
            return self.flush();
        }
        self.flush()?;
        self.file.write_all_at(size.as_bytes(), SIZE_OFFSET).at("write", self.path())
    }

    /// Takes the message out of the queue after an error.
    fn withdraw_after(&mut self, cause: PathError) -> CommitError {
        let may_be_queued = if self.withdraw() { Vec::new() } else { vec![self.name.id.clone()] };
        CommitError { cause, may_be_queued }
    }

    /// Takes the message out of the queue; false if it may still be there, or come back after a power cut. The lock
    /// is held, so no run can have begun with it.
    fn withdraw(&mut self) -> bool {
        self.keep = true;
        let Some((state, name)) = &self.at else { return true };
        let Ok(dir) = self.spool.messages(*state) else { return false };
        let removed = (0..2).any(|_| dir.remove_if_there(name).is_ok()) || self.rename_back(dir, name);
        if removed && (0..2).any(|_| dir.sync().is_ok()) {
            return true;
        }
        // A file that is shorter than its envelope says was torn by a power cut: it is never delivered.
        self.file.set_len(0).is_ok() && self.file.sync_all().is_ok()
    }

    fn rename_back(&self, dir: &Dir, name: &str) -> bool {
        self.spool.dir(self.tmp).is_ok_and(|tmp| dir.rename(name, tmp, self.name.id.as_str()).is_ok())
    }

    fn path(&self) -> std::path::PathBuf {
        match &self.at {
            Some((state, name)) => self.spool.path_of_state(*state).join(name),
            None => {
                let (parent, name) = self.tmp.names();
                self.spool.path().join(parent.unwrap_or_default()).join(name).join(self.name.id.as_str())
            }
        }
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        if self.at.is_some() {
            self.withdraw();
        } else {
            let _ = self.spool.dir(self.tmp).and_then(|tmp| tmp.remove(self.name.id.as_str()));
        }
    }
}

/// A message in its place that no power cut is promised to spare yet.
#[derive(Debug)]
pub struct UnsyncedMessage<'s>(Draft<'s>);

/// How a group of messages is made durable.
impl<'s> UnsyncedMessage<'s> {
    /// Makes messages durable, all or none of them accepted; from here on they are in the queue. If it fails they are
    /// taken out of the queue again, and the error names those that could not be. A failed sync is not tried again: it
    /// may have dropped what it could not write.
    pub fn commit(mut group: Vec<UnsyncedMessage<'s>>) -> Result<(), CommitError> {
        match UnsyncedMessage::sync(&group) {
            Ok(()) => {
                group.into_iter().for_each(UnsyncedMessage::accepted);
                Ok(())
            }
            Err(cause) => {
                let stuck = group.iter_mut().filter_map(|UnsyncedMessage(draft)| {
                    let is_gone = draft.withdraw();
                    (!is_gone).then(|| draft.name.id.clone())
                });
                let may_be_queued = stuck.collect();
                Err(CommitError { cause, may_be_queued })
            }
        }
    }

    fn sync(group: &[UnsyncedMessage<'s>]) -> Result<(), PathError> {
        let Some(UnsyncedMessage(first)) = group.first() else { return Ok(()) };
        let spool = first.spool;
        if group.len() == 1 {
            dir::sync(&first.file, &first.path())?;
        } else {
            // One commit for all of them instead of one each.
            for UnsyncedMessage(draft) in group {
                dir::begin_writing(&draft.file);
            }
            for UnsyncedMessage(draft) in group {
                dir::sync(&draft.file, &draft.path())?;
            }
        }
        let mut states: Vec<QueueState> =
            group.iter().filter_map(|UnsyncedMessage(draft)| Some(draft.at.as_ref()?.0)).collect();
        states.sort_unstable();
        states.dedup();
        for state in states {
            spool.messages(state)?.sync()?;
        }
        Ok(())
    }

    fn accepted(mut self) {
        self.0.keep = true;
        drop(self);
    }
}
