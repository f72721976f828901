//! Queue files: the envelope on the first line, then the unchanged bytes of the message. Never modified once queued.

use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::mail::envelope::Envelope;
use crate::mail::envelope::line::{self, LineCheck};
use crate::spool::file_name::FileName;
use crate::sys::dir::{self, Dir};
use crate::sys::error::PathError;
use crate::sys::file_stat::{FileStat, stat_of};
use crate::sys::identity;
use crate::values::checksum::Checksum;
use crate::values::digest::Fingerprint;

use crate::spool::{QueueState, Spool};

/// Size of the first read in bytes, which covers envelope and header of most messages.
const FIRST_READ: usize = 4096;

/// Longest envelope in bytes, for about 500,000 recipients.
const LONGEST_ENVELOPE: usize = 64 << 20;

/// Queue file, opened and with its envelope parsed.
#[derive(Debug)]
pub struct QueueFile {
    /// File name.
    pub name: FileName,
    /// State at the time of opening.
    pub state: QueueState,
    /// Envelope, from the first line.
    pub envelope: Envelope,
    /// Offset of the message in the file, in bytes.
    pub body_at: u64,
    /// Checksum of the message, as text; `None` in files of the first versions.
    sum: Option<Vec<u8>>,
    file: File,
    stat: FileStat,
    head: Vec<u8>,
}

/// Reason why a queue file is not used.
#[derive(Debug)]
pub enum UnusableFile {
    /// File that does not exist, or no longer.
    Gone,
    /// File that mspool did not put there, and leaves unchanged; with the reason.
    Stray(&'static str),
    /// Damaged message; with the reason.
    Corrupt(String),
    /// File whose end is missing; with the reason. A power failure leaves such files of messages that were never
    /// acknowledged.
    Incomplete(String),
    /// Failed system call.
    Path(PathError),
}

impl fmt::Display for UnusableFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UnusableFile::Gone => f.write_str("is not there any more"),
            UnusableFile::Stray(reason) => write!(f, "{reason}; it is left alone"),
            UnusableFile::Corrupt(reason) => write!(f, "is damaged: {reason}"),
            UnusableFile::Incomplete(reason) => write!(f, "is incomplete: {reason}"),
            UnusableFile::Path(error) => error.fmt(f),
        }
    }
}

impl From<PathError> for UnusableFile {
    fn from(error: PathError) -> UnusableFile {
        if error.is_not_found() { UnusableFile::Gone } else { UnusableFile::Path(error) }
    }
}

/// Reason for a file with several names.
pub(super) const SECOND_NAME: &str = "has a second name elsewhere";

/// Opens a message: a regular file that belongs to this user and has no second hard link.
pub(super) fn open_message(dir: &Dir, name: &str) -> Result<(File, FileStat), UnusableFile> {
    // Checked before opening, because opening a device or a FIFO can block or have side effects.
    let before = dir.stat_name(name)?.ok_or(UnusableFile::Gone)?;
    if !before.regular {
        return Err(UnusableFile::Stray("is not a regular file"));
    }
    let file = dir.open_file(name)?;
    let facts = stat_of(&file, &dir.path_of(name))?;
    if !facts.regular {
        Err(UnusableFile::Stray("is not a regular file"))
    } else if facts.owner != identity::user() {
        Err(UnusableFile::Stray("belongs to another user"))
    } else if facts.links > 1 {
        Err(UnusableFile::Stray(SECOND_NAME))
    } else {
        Ok((file, facts))
    }
}

impl QueueFile {
    pub(super) fn parse(
        state: QueueState,
        name: &FileName,
        file: File,
        facts: FileStat,
        path: &Path,
    ) -> Result<QueueFile, UnusableFile> {
        // A file that was not written as a whole is shorter than it should be, or has zeros in place of a block.
        let corrupt = |reason: &str| Err(damage(&file, facts.size, path, reason));
        let mut head = vec![0; FIRST_READ.min(facts.size as usize)];
        let read = |head: &mut [u8]| read_fully(&file, head).map_err(|error| PathError::new("read", path, error));
        let mut filled = read(&mut head)?;
        let end = loop {
            match head[..filled].iter().position(|byte| *byte == b'\n') {
                Some(end) => break end,
                None if filled < head.len() || filled >= facts.size as usize => {
                    return Err(without_line_end(&file, facts.size, path, &head[..filled]));
                }
                None if filled >= LONGEST_ENVELOPE => return corrupt("the envelope does not end"),
                None => head.resize((filled * 4).min(facts.size as usize), 0),
            }
            filled = read(&mut head)?;
        };
        head.truncate(filled);
        let sum = match line::check(&head[..=end]) {
            LineCheck::Good(sum) => Some(sum),
            LineCheck::Unchecked => None,
            LineCheck::Damaged => return corrupt("the envelope does not have its checksum"),
        };
        let envelope = match Envelope::from_line(&head[..end]) {
            Ok(envelope) => envelope,
            // The words of the JSON parser name types of this program; the operator has the file itself.
            Err(error) if error.is_data() => return corrupt("a member of the envelope is missing or not valid"),
            Err(_) => return corrupt("the envelope is not valid JSON"),
        };
        let body_at = end as u64 + 1;
        if envelope.id != name.id {
            return corrupt("the envelope is that of another message");
        }
        if envelope.recipients.is_empty() {
            // Such a message is owed to no recipient, and would count as sent.
            return corrupt("the envelope has no recipient");
        }
        if facts.size != body_at + envelope.size {
            let (has, wants) = (facts.size - body_at, envelope.size);
            let reason = format!("the message has {has} bytes where its envelope says {wants}");
            return if has < wants { Err(UnusableFile::Incomplete(reason)) } else { corrupt(&reason) };
        }
        debug_assert!(body_at <= facts.size, "the message begins within the file");
        head.drain(..=end);
        debug_assert!(head.len() as u64 <= envelope.size, "no more was read than there is");
        Ok(QueueFile { name: name.clone(), state, envelope, body_at, sum, file, stat: facts, head })
    }

    /// Returns the bytes of the message that the first read covered; may end inside the header.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// Returns the whole message if the first read covered it.
    pub fn whole(&self) -> Option<&[u8]> {
        (self.head.len() as u64 == self.envelope.size).then_some(self.head.as_slice())
    }

    /// Reads the first `longest` bytes of the message, or all if it is shorter.
    pub fn first_bytes(&self, longest: usize) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; longest.min(self.envelope.size as usize)];
        let mut filled = 0;
        while filled < bytes.len() {
            match self.file.read_at(&mut bytes[filled..], self.body_at + filled as u64)? {
                0 => break,
                count => filled += count,
            }
        }
        debug_assert!(filled <= longest, "no more is read than was asked");
        bytes.truncate(filled);
        Ok(bytes)
    }

    /// Reads the whole message and compares it with its checksum. Nothing may be made from a message before: no hand-off,
    /// no report, no copy. Every claim does it.
    pub fn verify(&self, path: &Path) -> Result<(), UnusableFile> {
        let Some(wanted) = &self.sum else { return Ok(()) };
        let mut sum = Checksum::default();
        if let Some(bytes) = self.whole() {
            sum.add(bytes);
        } else {
            let read = self.for_each_chunk(&mut |piece| {
                sum.add(piece);
                Ok::<(), std::io::Error>(())
            });
            read.map_err(|error| PathError::new("read", path, error))?;
        }
        if sum.is(wanted) {
            return Ok(());
        }
        Err(damage(&self.file, self.stat.size, path, "the message does not have the checksum in its envelope"))
    }

    /// Returns a hash of the message's bytes, without the envelope.
    pub fn fingerprint(&self) -> std::io::Result<String> {
        let mut print = Fingerprint::default();
        self.for_each_chunk(&mut |piece| {
            print.add(piece);
            Ok::<(), std::io::Error>(())
        })?;
        Ok(print.finish())
    }

    /// Passes the message to `take` in pieces of at most 64 KiB, so that memory does not grow with the message.
    pub fn for_each_chunk<E: From<std::io::Error>>(
        &self,
        take: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut buffer = vec![0; (64 << 10).min(self.envelope.size as usize + 1)];
        let mut at = self.body_at;
        loop {
            let count = dir::read_at(&self.file, &mut buffer, at)?;
            if count == 0 {
                return Ok(());
            }
            take(&buffer[..count])?;
            at += count as u64;
        }
    }

    /// Returns the open file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Returns the file's metadata at the time of opening.
    pub fn stat(&self) -> &FileStat {
        &self.stat
    }
}

/// Size of the blocks that a filesystem allocates at least, in bytes.
const BLOCK: u64 = 4096;

/// Returns the kind of damage to a file: incomplete if one of its blocks, the last perhaps shorter, is all zeros. A power
/// failure leaves such a file: its length was written, and some of its blocks were not.
fn damage(file: &File, size: u64, path: &Path, reason: &str) -> UnusableFile {
    let mut block = [0; BLOCK as usize];
    for at in (0..size).step_by(BLOCK as usize) {
        match dir::read_at(file, &mut block, at) {
            Ok(count) if block[..count].iter().all(|byte| *byte == 0) => {
                return UnusableFile::Incomplete(format!("{reason}, and a part of it was never written"));
            }
            Ok(_) => {}
            Err(error) => return UnusableFile::Path(PathError::new("read", path, error)),
        }
    }
    UnusableFile::Corrupt(reason.to_owned())
}

/// Returns the kind of damage to a file without a line end: an envelope that was cut, or one whose line end was damaged.
fn without_line_end(file: &File, size: u64, path: &Path, head: &[u8]) -> UnusableFile {
    match serde_json::from_slice::<serde::de::IgnoredAny>(head) {
        Err(error) if !error.is_eof() => damage(file, size, path, "the envelope does not end"),
        _ => UnusableFile::Incomplete("the envelope is cut short".to_owned()),
    }
}

fn read_fully(file: &File, buffer: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

impl Spool {
    /// Reads a message without a claim. Reports use this, so that they neither wait for a run nor block one.
    pub fn read(&self, state: QueueState, name: &FileName) -> Result<QueueFile, UnusableFile> {
        let dir = self.messages(state)?;
        let text = name.to_string();
        let (file, facts) = open_message(dir, &text)?;
        QueueFile::parse(state, name, file, facts, &dir.path_of(&text))
    }

    /// Syncs a message that another process has queued, and its directory.
    pub fn ensure_durable(&self, state: QueueState, name: &FileName) -> Result<(), PathError> {
        let dir = self.messages(state)?;
        let text = name.to_string();
        dir::sync(&dir.open_own(&text)?, &dir.path_of(&text))?;
        dir.sync()
    }

    /// Returns the path of a message's file.
    pub fn path_of_message(&self, state: QueueState, name: &FileName) -> PathBuf {
        self.path_of_state(state).join(name.to_string())
    }
}
