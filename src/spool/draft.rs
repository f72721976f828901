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
use crate::mail::envelope::{Envelope, SIZE_OFFSET, size_field};
use crate::sys::dir;
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
            // Some network filesystems report an error for a rename that happened.
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
        // The name goes while we hold the lock: no runner can have begun with a message that was never accepted.
        let _ = match &self.at {
            None => self.spool.dir(self.tmp).and_then(|tmp| tmp.remove(self.name.id.as_str())),
            Some((state, name)) => {
                self.spool.messages(*state).and_then(|dir| dir.remove(name).and_then(|()| dir.sync()))
            }
        };
    }
}

/// A message in its place that no power cut is promised to spare yet.
#[derive(Debug)]
pub struct UnsyncedMessage<'s>(Draft<'s>);

/// How a group of messages is made durable.
impl<'s> UnsyncedMessage<'s> {
    /// Makes messages durable, all or none of them accepted; from here on they are in the queue. If it fails they are
    /// gone. A failed sync is not tried again: it may have dropped what it could not write.
    pub fn commit(group: Vec<UnsyncedMessage<'s>>) -> Result<(), PathError> {
        let Some(UnsyncedMessage(first)) = group.first() else { return Ok(()) };
        let spool = first.spool;
        if group.len() == 1 {
            dir::sync(&first.file, &first.path())?;
        } else {
            // One commit for all of them instead of one each.
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
