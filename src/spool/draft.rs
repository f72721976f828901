//! Drafts: messages that are being written into the queue.
//!
//! A draft is written in `tmp`, locked by its writer, then renamed into place, and only then synced: first the file,
//! then the directory. The sync of the file also commits the rename, so that both cost one commit of the filesystem.
//! If power fails between rename and sync, the file can be torn: it is then shorter than its envelope says, and was
//! never acknowledged. The writer's lock prevents claims until the message is durable.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;

use crate::mail::envelope::file_name::FileName;
use crate::mail::envelope::{Envelope, SIZE_OFFSET, size_field};
use crate::sys::dir;
use crate::sys::error::{AtPath, PathError};
use crate::sys::lock;
use crate::values::time::Timestamp;

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
    body_at: u64,
    written: u64,
    at: Option<(QueueState, String)>,
    keep: bool,
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
        let line = envelope.to_line().map_err(DraftError::Envelope)?;
        let name = FileName::new(envelope.id.clone(), envelope.priority);
        let tmp = spool.dir(place)?;
        let file = tmp.create_new(name.id.as_str())?;
        let body_at = line.len() as u64;
        let draft = Draft { spool, tmp: place, name, file, buffer: line, body_at, written: 0, at: None, keep: false };
        // This cannot fail to get the lock, because the file is new. The lock tells the sweep that the writer is alive.
        lock::try_exclusive(&draft.file).at("lock", tmp.path_of(draft.name.id.as_str()))?;
        Ok(draft)
    }

    /// Appends bytes of the message.
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

    /// Returns the number of bytes of the message so far, without the envelope.
    pub fn size(&self) -> u64 {
        self.written + self.buffer.len() as u64 - self.body_at
    }

    /// Completes the file and renames it into place. Not yet durable; the lock still prevents claims.
    pub fn rename_into(mut self, state: QueueState, due: Option<Timestamp>) -> Result<UnsyncedMessage<'s>, PathError> {
        let size = size_field(self.size());
        if self.written == 0 {
            let at = SIZE_OFFSET as usize;
            self.buffer[at..at + size.len()].copy_from_slice(size.as_bytes());
            self.flush()?;
        } else {
            self.flush()?;
            self.file.write_all_at(size.as_bytes(), SIZE_OFFSET).at("write", self.path())?;
        }
        let name = self.name.due(due).to_string();
        let moved = self.spool.dir(self.tmp)?.rename(self.name.id.as_str(), self.spool.messages(state)?, &name);
        if moved.is_err() {
            // A network filesystem can report an error although it renamed the file, which would then stay queued
            // after a refusal.
            let _ = self.spool.messages(state)?.remove_if_there(&name);
        }
        moved?;
        self.at = Some((state, name));
        Ok(UnsyncedMessage(self))
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
        // Removed while the lock is held: no run can have begun to deliver a message that was never accepted.
        let _ = match &self.at {
            None => self.spool.dir(self.tmp).and_then(|tmp| tmp.remove(self.name.id.as_str())),
            Some((state, name)) => {
                self.spool.messages(*state).and_then(|dir| dir.remove(name).and_then(|()| dir.sync()))
            }
        };
    }
}

/// Message that is renamed into place and not yet synced: a power failure can lose it.
#[derive(Debug)]
pub struct UnsyncedMessage<'s>(Draft<'s>);

impl<'s> UnsyncedMessage<'s> {
    /// Syncs a group of messages. On success all of them are durably queued; on error all of them are removed. A failed
    /// sync is not retried, because the kernel may have dropped the data that it could not write.
    pub fn commit(group: Vec<UnsyncedMessage<'s>>) -> Result<(), PathError> {
        let Some(UnsyncedMessage(first)) = group.first() else { return Ok(()) };
        let spool = first.spool;
        if group.len() == 1 {
            dir::sync(&first.file, &first.path())?;
        } else {
            // All writes begin before the first sync, so that the group costs one commit instead of one per message.
            for UnsyncedMessage(draft) in &group {
                dir::begin_writing(&draft.file);
            }
            for UnsyncedMessage(draft) in &group {
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
        group.into_iter().for_each(UnsyncedMessage::accepted);
        Ok(())
    }

    fn accepted(mut self) {
        self.0.keep = true;
        drop(self);
    }
}
