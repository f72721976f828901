//! Submission of many messages in one call.
//!
//! Messages are written one by one and made durable in groups. An id is printed only after its group is durable. If the
//! call stops early, exactly the messages whose ids were printed are queued.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::exit::{ExitStatus, RefusalKind, refuse};
use crate::mail::envelope::Envelope;
use crate::mail::message::mbox::{LinePosition, MboxPiece, MboxReader};
use crate::spool::draft::{CommitError, UnsyncedMessage};
use crate::sys::signals::Signals;
use crate::values::plural::counted;

use crate::submission::compose::MessageComposer;
use crate::submission::input::{MessageInput, StandardInput};

/// Number of messages that are made durable together.
const GROUP_SIZE: usize = 128;

/// Callback for each durably queued message: its envelope, and its size in bytes.
pub type AcceptedCallback<'t> = dyn FnMut(&Envelope, u64) -> Result<()> + 't;

/// Messages that are renamed into place and not yet synced.
struct CommitGroup<'c, 'a> {
    composer: &'c MessageComposer<'a>,
    report: &'c mut AcceptedCallback<'c>,
    unsynced: Vec<UnsyncedMessage<'a>>,
    envelopes: Vec<(Envelope, u64)>,
    /// Number of messages reported so far.
    accepted: usize,
}

impl<'c, 'a> CommitGroup<'c, 'a> {
    fn new(composer: &'c MessageComposer<'a>, report: &'c mut AcceptedCallback<'c>) -> CommitGroup<'c, 'a> {
        CommitGroup { composer, report, unsynced: Vec::new(), envelopes: Vec::new(), accepted: 0 }
    }

    /// Reads one message into the group, and commits a full group.
    fn add(&mut self, input: &mut dyn MessageInput) -> Result<()> {
        let (draft, envelope) = self.composer.read_message(input)?;
        let size = draft.size();
        self.unsynced.push(self.composer.place(draft, &envelope)?);
        self.envelopes.push((envelope, size));
        if self.unsynced.len() >= GROUP_SIZE { self.commit() } else { Ok(()) }
    }

    /// Makes the group durable, and reports its messages.
    fn commit(&mut self) -> Result<()> {
        // Both lists are emptied first: a later commit must not report messages that a failed one discarded.
        let envelopes = std::mem::take(&mut self.envelopes);
        UnsyncedMessage::commit(std::mem::take(&mut self.unsynced))?;
        for (envelope, size) in envelopes {
            (self.report)(&envelope, size)?;
            self.accepted += 1;
        }
        Ok(())
    }

    /// Ends the call. Messages that were read in full before an error are queued.
    fn finish(mut self, read: Result<()>) -> Result<ExitStatus> {
        let committed = self.commit();
        let accepted = self.accepted;
        let about = || format!("{} queued before this error", counted(accepted, "message"));
        let names_messages = |error: &anyhow::Error| {
            error.downcast_ref::<CommitError>().is_some_and(|error| !error.may_be_queued.is_empty())
        };
        // An error of the commit that names messages that may be queued takes precedence: the caller needs their ids.
        if !committed.as_ref().is_err_and(names_messages) {
            read.with_context(about)?;
        }
        committed.with_context(about)?;
        if accepted == 0 {
            return refuse(RefusalKind::BadData, "the input contains no message; nothing was queued");
        }
        Ok(ExitStatus::Ok)
    }
}

/// Queues every message of an mbox on standard input.
///
/// # Errors
///
/// A refusal with [`RefusalKind::BadData`] if the input is not an mbox or contains no message; the error of the first message
/// that is refused. Messages before it stay queued.
pub fn mbox<'c>(
    composer: &'c MessageComposer<'_>,
    signals: &Signals,
    report: &'c mut AcceptedCallback<'c>,
) -> Result<ExitStatus> {
    let mut reader = MboxInput {
        input: StandardInput::new(signals),
        parser: MboxReader::default(),
        buffer: Vec::new(),
        parsed: 0,
        position: LinePosition::LineStart,
        pending: Vec::new(),
        returned: 0,
        at_end: false,
        at_message: false,
    };
    let mut group = CommitGroup::new(composer, report);
    let read = (|| {
        while reader.find_next()? {
            group.add(&mut reader)?;
        }
        Ok(())
    })();
    group.finish(read)
}

/// Queues every message of a Maildir, in the order of their file names. The files are not changed.
///
/// # Errors
///
/// A refusal with [`RefusalKind::BadData`] if `path` is not a Maildir or contains no message; the error of the first message
/// that is refused. Messages before it stay queued.
pub fn maildir<'c>(
    composer: &'c MessageComposer<'_>,
    signals: &Signals,
    path: &Path,
    report: &'c mut AcceptedCallback<'c>,
) -> Result<ExitStatus> {
    let mut files: Vec<PathBuf> = Vec::new();
    for part in ["new", "cur"] {
        let dir = path.join(part);
        let entries = std::fs::read_dir(&dir).with_context(|| format!("cannot list {}", dir.display()));
        let entries = match entries {
            Ok(entries) => entries,
            Err(error) => {
                return refuse(RefusalKind::BadData, format!("{} is not a Maildir: {error:#}", path.display()));
            }
        };
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot list {}", dir.display()))?;
            if !entry.file_name().as_encoded_bytes().starts_with(b".") {
                files.push(entry.path());
            }
        }
    }
    files.sort_by(|a, b| a.file_name().cmp(&b.file_name()));
    let mut group = CommitGroup::new(composer, report);
    let read = (|| {
        for path in &files {
            if let Some(signal) = signals.stop_requested() {
                return refuse(RefusalKind::Interrupted(signal), format!("interrupted by signal {signal}"));
            }
            let mut file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
            group.add(&mut file).with_context(|| format!("cannot queue {}", path.display()))?;
        }
        Ok(())
    })();
    group.finish(read)
}

/// Messages of an mbox: an input that ends at the end of the current message.
struct MboxInput<'s> {
    input: StandardInput<'s>,
    parser: MboxReader,
    /// Input bytes.
    buffer: Vec<u8>,
    /// Number of bytes of `buffer` that are parsed.
    parsed: usize,
    position: LinePosition,
    /// Bytes of the current message.
    pending: Vec<u8>,
    /// Number of bytes of `pending` that the reader already got.
    returned: usize,
    /// True at the end of standard input.
    at_end: bool,
    /// True after the first line of a message that is not read yet.
    at_message: bool,
}

/// Maximum length of a line that is parsed as a whole, in bytes. Longer lines are parsed in parts.
const MAX_LINE_BYTES: usize = 64 << 10;

impl MboxInput<'_> {
    /// Advances to the start of the next message. Returns `false` if there is none.
    fn find_next(&mut self) -> Result<bool> {
        while !self.at_message {
            if !self.step()? {
                return Ok(false);
            }
        }
        self.at_message = false;
        Ok(true)
    }

    /// Parses one line, or a part of a very long one. Returns `false` at the end of the mbox.
    fn step(&mut self) -> Result<bool> {
        let end = loop {
            let rest = &self.buffer[self.parsed..];
            match rest.iter().position(|byte| *byte == b'\n') {
                Some(end) => break self.parsed + end + 1,
                None if rest.len() >= MAX_LINE_BYTES || (self.at_end && !rest.is_empty()) => break self.buffer.len(),
                None if self.at_end => return Ok(false),
                None => {
                    self.buffer.drain(..std::mem::take(&mut self.parsed));
                    let from = self.buffer.len();
                    self.buffer.resize(from + MAX_LINE_BYTES, 0);
                    let count = self.input.read(&mut self.buffer[from..])?;
                    self.buffer.truncate(from + count);
                    self.at_end = count == 0;
                }
            }
        };
        let piece = &self.buffer[self.parsed..end];
        self.parsed = end;
        let position = self.position;
        self.position = if piece.ends_with(b"\n") { LinePosition::LineStart } else { LinePosition::Within };
        match self.parser.take(piece, position) {
            MboxPiece::Begin => self.at_message = true,
            MboxPiece::Bytes(before, bytes) => {
                self.pending.extend_from_slice(before);
                self.pending.extend_from_slice(bytes);
            }
            MboxPiece::Nothing => {}
            MboxPiece::NoMbox => {
                return refuse(RefusalKind::BadData, "standard input is not an mbox: it does not begin with \"From \"");
            }
        }
        Ok(true)
    }
}

impl MessageInput for MboxInput<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        while self.returned == self.pending.len() && !self.at_message {
            self.pending.clear();
            self.returned = 0;
            // Collect several lines: otherwise each line would be written to the draft separately.
            while self.pending.len() < MAX_LINE_BYTES && !self.at_message && self.step()? {}
            if self.pending.is_empty() && !self.at_message && self.at_end && self.parsed == self.buffer.len() {
                return Ok(0);
            }
        }
        let count = (self.pending.len() - self.returned).min(buffer.len());
        buffer[..count].copy_from_slice(&self.pending[self.returned..self.returned + count]);
        self.returned += count;
        Ok(count)
    }
}
