//! Many messages in one call: written one by one, made durable in groups, and an id printed only when its group is
//! safe. Whatever stops the call, the ids it has printed are queued and nothing else is.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::exit::{ExitStatus, RefusalKind, refuse};
use crate::mail::envelope::Envelope;
use crate::mail::message::mbox::{LinePosition, MboxPiece, MboxReader};
use crate::spool::draft::{CommitError, UnsyncedMessage};
use crate::sys::signals::Signals;

use crate::submission::compose::MessageComposer;
use crate::submission::input::{MessageInput, StandardInput};

/// Messages made durable together.
const GROUP: usize = 128;

/// Tells the caller of a message that is queued durably: its envelope, and its size in bytes.
pub type AcceptedCallback<'t> = dyn FnMut(&Envelope, u64) -> Result<()> + 't;

/// Messages that are in their places and not safe yet.
struct CommitGroup<'c, 'a> {
    composer: &'c MessageComposer<'a>,
    told: &'c mut AcceptedCallback<'c>,
    placed: Vec<UnsyncedMessage<'a>>,
    envelopes: Vec<(Envelope, u64)>,
    accepted: usize,
}

impl<'c, 'a> CommitGroup<'c, 'a> {
    fn new(composer: &'c MessageComposer<'a>, told: &'c mut AcceptedCallback<'c>) -> CommitGroup<'c, 'a> {
        CommitGroup { composer, told, placed: Vec::new(), envelopes: Vec::new(), accepted: 0 }
    }

    fn add(&mut self, input: &mut dyn MessageInput) -> Result<()> {
        let (draft, envelope) = self.composer.read_message(input)?;
        let size = draft.size();
        self.placed.push(self.composer.place(draft, &envelope)?);
        self.envelopes.push((envelope, size));
        if self.placed.len() >= GROUP { self.commit() } else { Ok(()) }
    }

    fn commit(&mut self) -> Result<()> {
        // Both leave first: what a failed commit has thrown away must never be told.
        let told = std::mem::take(&mut self.envelopes);
        UnsyncedMessage::commit(std::mem::take(&mut self.placed))?;
        for (envelope, size) in told {
            (self.told)(&envelope, size)?;
            self.accepted += 1;
        }
        Ok(())
    }

    /// Ends the call: what was read whole before any trouble is queued all the same.
    fn finish(mut self, read: Result<()>) -> Result<ExitStatus> {
        let committed = self.commit();
        let accepted = self.accepted;
        let about = || format!("after {accepted} messages that were queued");
        let names_messages = |error: &anyhow::Error| {
            error.downcast_ref::<CommitError>().is_some_and(|error| !error.may_be_queued.is_empty())
        };
        if !committed.as_ref().is_err_and(names_messages) {
            read.with_context(about)?;
        }
        committed.with_context(about)?;
        if accepted == 0 {
            return refuse(RefusalKind::BadData, "there is no message in it; nothing was queued");
        }
        Ok(ExitStatus::Ok)
    }
}

/// Takes in every message of an mbox on standard input.
pub fn mbox<'c>(
    composer: &'c MessageComposer<'_>,
    signals: &Signals,
    told: &'c mut AcceptedCallback<'c>,
) -> Result<ExitStatus> {
    let mut reader = MboxInput {
        input: StandardInput::new(signals),
        unpacker: MboxReader::default(),
        buffer: Vec::new(),
        taken: 0,
        position: LinePosition::LineStart,
        pending: Vec::new(),
        given: 0,
        ended: false,
        begun: false,
    };
    let mut group = CommitGroup::new(composer, told);
    let read = (|| {
        while reader.find_next()? {
            group.add(&mut reader)?;
        }
        Ok(())
    })();
    group.finish(read)
}

/// Takes in every message of a Maildir, in the order of their names. The files stay as they are.
pub fn maildir<'c>(
    composer: &'c MessageComposer<'_>,
    signals: &Signals,
    path: &Path,
    told: &'c mut AcceptedCallback<'c>,
) -> Result<ExitStatus> {
    let mut files: Vec<PathBuf> = Vec::new();
    for part in ["new", "cur"] {
        let dir = path.join(part);
        let entries = std::fs::read_dir(&dir).with_context(|| format!("cannot list {}", dir.display()));
        let entries = match entries {
            Ok(entries) => entries,
            Err(error) => return refuse(RefusalKind::BadData, format!("{} is no Maildir: {error:#}", path.display())),
        };
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot list {}", dir.display()))?;
            if !entry.file_name().as_encoded_bytes().starts_with(b".") {
                files.push(entry.path());
            }
        }
    }
    files.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
    let mut group = CommitGroup::new(composer, told);
    let read = (|| {
        for path in &files {
            if let Some(signal) = signals.stop_requested() {
                return refuse(RefusalKind::Interrupted(signal), "interrupted");
            }
            let mut file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
            group.add(&mut file).with_context(|| format!("message {}", path.display()))?;
        }
        Ok(())
    })();
    group.finish(read)
}

/// One message of an mbox after the other, each as an input that ends where the message does.
struct MboxInput<'s> {
    input: StandardInput<'s>,
    unpacker: MboxReader,
    /// What was read, of which so much was taken apart.
    buffer: Vec<u8>,
    taken: usize,
    position: LinePosition,
    /// Bytes of the message, of which so many were given out.
    pending: Vec<u8>,
    given: usize,
    ended: bool,
    begun: bool,
}

/// Longest line taken as a whole.
const LINE: usize = 64 << 10;

impl MboxInput<'_> {
    /// Goes to the beginning of the next message; `false` when there is none.
    fn find_next(&mut self) -> Result<bool> {
        while !self.begun {
            if !self.step()? {
                return Ok(false);
            }
        }
        self.begun = false;
        Ok(true)
    }

    /// Takes one line, or a part of a very long one, apart. `false` at the end of the mbox.
    fn step(&mut self) -> Result<bool> {
        let end = loop {
            let rest = &self.buffer[self.taken..];
            match rest.iter().position(|byte| *byte == b'\n') {
                Some(end) => break self.taken + end + 1,
                None if rest.len() >= LINE || (self.ended && !rest.is_empty()) => break self.buffer.len(),
                None if self.ended => return Ok(false),
                None => {
                    self.buffer.drain(..std::mem::take(&mut self.taken));
                    let from = self.buffer.len();
                    self.buffer.resize(from + LINE, 0);
                    let count = self.input.read(&mut self.buffer[from..])?;
                    self.buffer.truncate(from + count);
                    self.ended = count == 0;
                }
            }
        };
        let piece = &self.buffer[self.taken..end];
        self.taken = end;
        let position = self.position;
        self.position = if piece.ends_with(b"\n") { LinePosition::LineStart } else { LinePosition::Within };
        match self.unpacker.take(piece, position) {
            MboxPiece::Begin => self.begun = true,
            MboxPiece::Bytes(before, bytes) => {
                self.pending.extend_from_slice(before);
                self.pending.extend_from_slice(bytes);
            }
            MboxPiece::Nothing => {}
            MboxPiece::NoMbox => {
                return refuse(RefusalKind::BadData, "standard input is no mbox: it does not begin with `From `");
            }
        }
        Ok(true)
    }
}

impl MessageInput for MboxInput<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        while self.given == self.pending.len() && !self.begun {
            self.pending.clear();
            self.given = 0;
            // Several lines at a time, or each would be a write of its own.
            while self.pending.len() < LINE && !self.begun && self.step()? {}
            if self.pending.is_empty() && !self.begun && self.ended && self.taken == self.buffer.len() {
                return Ok(0);
            }
        }
        let count = (self.pending.len() - self.given).min(buffer.len());
        buffer[..count].copy_from_slice(&self.pending[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}
