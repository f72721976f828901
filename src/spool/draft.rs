//! Drafts: messages that are being written into the queue.
//!
//! A draft is written in `tmp`, locked by its writer, then renamed into place, and only then synced: first the file,
//! then the directory. The sync of the file also commits the rename, so that both cost one commit of the filesystem.
//! If power fails between rename and sync, the file can be torn: it is then shorter than its envelope says, and was
//! never acknowledged. The writer's lock prevents claims until the message is durable.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;

use crate::mail::envelope::Envelope;
use crate::mail::envelope::id::QueueId;
use crate::mail::envelope::line::{EnvelopeLine, HEAD_BYTES};
use crate::spool::file_name::FileName;
use crate::sys::dir::{self, Dir};
use crate::sys::error::{AtPath, PathError};
use crate::sys::file_stat::stat_of;
use crate::sys::lock;
use crate::values::checksum::Checksum;
use crate::values::time::Timestamp;

use crate::spool::queue_file::{QueueFile, UnusableFile};
use crate::spool::{QueueState, Spool, SpoolDirectory};

/// Size of the buffer in bytes. A message that fits is written in one system call.
const BUFFER: usize = 128 << 10;

/// Message that is being written. Dropping it removes the file.
#[derive(Debug)]
pub struct Draft<'s> {
    spool: &'s Spool,
    tmp: SpoolDirectory,
    name: FileName,
    file: File,
    buffer: Vec<u8>,
    line: EnvelopeLine,
    body_at: u64,
    /// Checksum of the message so far.
    sum: Checksum,
    written: u64,
    at: Option<(QueueState, String)>,
    /// True when the file has its end, its size and its checksums.
    complete: bool,
    keep: bool,
}

/// Received message that is complete, and not in the queue: it is filed in the store at once, or queued if that is not
/// possible. Until then no other process sees it, and a crash leaves nothing but a file for the sweep.
#[derive(Debug)]
pub struct UnqueuedMessage<'s> {
    draft: Draft<'s>,
    message: QueueFile,
}

/// Error of writing an envelope or a message.
#[derive(Debug)]
pub enum DraftError {
    /// Failed system call.
    Path(PathError),
    /// Failed encoding of the envelope as JSON.
    Envelope(serde_json::Error),
}

impl std::fmt::Display for DraftError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            DraftError::Path(_) => f.write_str("cannot write the message"),
            DraftError::Envelope(error) => write!(f, "cannot write the envelope: {error}"),
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
    /// Begins an outgoing message. The size in the envelope may be wrong; [`Draft::rename_into`] sets it.
    pub fn begin(spool: &'s Spool, envelope: &Envelope) -> Result<Draft<'s>, DraftError> {
        Draft::begin_in(spool, SpoolDirectory::Tmp, envelope)
    }

    /// Begins a received message, for [`QueueState::Received`].
    pub fn begin_received(spool: &'s Spool, envelope: &Envelope) -> Result<Draft<'s>, DraftError> {
        Draft::begin_in(spool, SpoolDirectory::ReceivedTmp, envelope)
    }

    fn begin_in(spool: &'s Spool, place: SpoolDirectory, envelope: &Envelope) -> Result<Draft<'s>, DraftError> {
        debug_assert!(!envelope.recipients.is_empty(), "a message has a recipient");
        let (line, buffer) = EnvelopeLine::begin(envelope).map_err(DraftError::Envelope)?;
        let name = FileName::new(envelope.id.clone(), envelope.priority);
        let tmp = spool.dir(place)?;
        let file = tmp.create_new(name.id.as_str())?;
        let body_at = buffer.len() as u64;
        let sum = Checksum::default();
        let draft = Draft {
            spool,
            tmp: place,
            name,
            file,
            buffer,
            line,
            body_at,
            sum,
            written: 0,
            at: None,
            complete: false,
            keep: false,
        };
        // This cannot fail to get the lock, because the file is new. The lock tells the sweep that the writer is alive.
        lock::try_exclusive(&draft.file).at("lock", tmp.path_of(draft.name.id.as_str()))?;
        Ok(draft)
    }

    /// Appends bytes of the message.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), PathError> {
        debug_assert!(self.at.is_none(), "a message in the queue is not written to");
        self.sum.add(bytes);
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

    /// Returns the number of bytes of the message so far, without the envelope.
    pub fn size(&self) -> u64 {
        debug_assert!(self.written + self.buffer.len() as u64 >= self.body_at, "the envelope is written first");
        self.written + self.buffer.len() as u64 - self.body_at
    }

    /// Completes the file and renames it into place. Not yet durable; the lock still prevents claims.
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
        // A network filesystem can report an error although it renamed the file.
        if let Ok(None) = target.stat_name(&name) {
            return Err(certain(cause));
        }
        self.at = Some((state, name));
        Err(self.withdraw_after(cause))
    }

    /// Completes a received message, without queueing it.
    pub fn unqueued(mut self) -> Result<UnqueuedMessage<'s>, UnusableFile> {
        self.complete()?;
        let path = self.path();
        let file = self.file.try_clone().at("open", &path)?;
        let facts = stat_of(&file, &path)?;
        let message = QueueFile::parse(QueueState::Received, &self.name, file, facts, &path)?;
        Ok(UnqueuedMessage { draft: self, message })
    }

    /// Writes what is still missing: the end of the message, its size, and the checksums.
    fn complete(&mut self) -> Result<(), PathError> {
        debug_assert!(self.at.is_none() && !self.keep, "a draft is completed before it is queued");
        if std::mem::replace(&mut self.complete, true) {
            return Ok(());
        }
        let head = self.line.head(self.size(), self.sum);
        if self.written == 0 {
            self.buffer[..HEAD_BYTES].copy_from_slice(&head);
            return self.flush();
        }
        self.flush()?;
        self.file.write_all_at(&head, 0).at("write", self.path())
    }

    /// Removes the message from the queue after an error.
    fn withdraw_after(&mut self, cause: PathError) -> CommitError {
        let may_be_queued = if self.withdraw() { Vec::new() } else { vec![self.name.id.clone()] };
        CommitError { cause, may_be_queued }
    }

    /// Removes the message from the queue; false if it may still be there, or come back after a power failure. The
    /// lock is held, so no run can have begun to deliver it.
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

impl UnqueuedMessage<'_> {
    /// Returns the message.
    pub fn message(&self) -> &QueueFile {
        &self.message
    }

    /// Removes a message that is durable elsewhere, or that is not wanted.
    pub fn discard(self) {}

    /// Queues the message in `in/new`, durably.
    pub fn queue(self) -> Result<(), CommitError> {
        UnsyncedMessage::commit(vec![self.draft.rename_into(QueueState::Received, None)?])
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

/// Message that is renamed into place and not yet synced: a power failure can lose it.
#[derive(Debug)]
pub struct UnsyncedMessage<'s>(Draft<'s>);

impl<'s> UnsyncedMessage<'s> {
    /// Syncs a group of messages. On success all of them are durably queued; on error all of them are removed, and the
    /// error names those that could not be. A failed sync is not retried, because the kernel may have dropped the data
    /// that it could not write.
    pub fn commit(mut group: Vec<UnsyncedMessage<'s>>) -> Result<(), CommitError> {
        debug_assert!(group.iter().all(|message| message.0.at.is_some()), "only renamed messages are synced");
        debug_assert!(group.iter().all(|message| !message.0.keep), "a message is accepted once");
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
            // All writes begin before the first sync, so that the group costs one commit instead of one per message.
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
