//! Queue files: one line of envelope, then the message, byte for byte. Written once, read by anybody.

use std::fmt;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::mail::envelope::Envelope;
use crate::mail::envelope::file_name::FileName;
use crate::sys::dir::{self, Dir};
use crate::sys::error::PathError;
use crate::sys::file_stat::{FileStat, stat_of};
use crate::sys::identity;
use crate::values::digest::Fingerprint;

use crate::spool::{QueueState, Spool};

/// Bytes read at first: envelope and header of most messages.
const FIRST_READ: usize = 4096;

/// Longest envelope taken, in bytes: some half a million recipients.
const LONGEST_ENVELOPE: usize = 64 << 20;

/// A queue file that was opened and understood.
#[derive(Debug)]
pub struct QueueFile {
    /// Its name.
    pub name: FileName,
    /// Where it lay when it was opened.
    pub state: QueueState,
    /// What its first line says.
    pub envelope: Envelope,
    /// Where the message begins in the file.
    pub body_at: u64,
    file: File,
    stat: FileStat,
    head: Vec<u8>,
}

/// Why a queue file is not used.
#[derive(Debug)]
pub enum UnusableFile {
    /// It is not there (any more).
    Gone,
    /// Something that this program did not put there, and does not touch: why.
    Stray(&'static str),
    /// It can be opened but not believed: why.
    Corrupt(String),
    /// A system call failed.
    Path(PathError),
}

impl fmt::Display for UnusableFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            UnusableFile::Gone => f.write_str("is not there any more"),
            UnusableFile::Stray(reason) => write!(f, "{reason}; it is left alone"),
            UnusableFile::Corrupt(reason) => write!(f, "is damaged: {reason}"),
            UnusableFile::Path(error) => error.fmt(f),
        }
    }
}

impl From<PathError> for UnusableFile {
    fn from(error: PathError) -> UnusableFile {
        if error.is_not_found() { UnusableFile::Gone } else { UnusableFile::Path(error) }
    }
}

/// Opens a file that must be a message: regular, ours, and with no second name elsewhere.
pub(super) fn open_message(dir: &Dir, name: &str) -> Result<(File, FileStat), UnusableFile> {
    // Before opening, so that neither a link nor a device is ever opened, however harmless that would be.
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
        Err(UnusableFile::Stray("has a second name elsewhere"))
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
        let corrupt = |reason: &str| Err(UnusableFile::Corrupt(reason.to_owned()));
        let mut head = vec![0; FIRST_READ.min(facts.size as usize)];
        let read = |head: &mut [u8]| read_fully(&file, head).map_err(|error| PathError::new("read", path, error));
        let mut filled = read(&mut head)?;
        let line = loop {
            match head[..filled].iter().position(|byte| *byte == b'\n') {
                Some(end) => break end,
                None if filled < head.len() || filled >= facts.size as usize => {
                    return corrupt("the envelope is cut short");
                }
                None if filled >= LONGEST_ENVELOPE => return corrupt("the envelope does not end"),
                None => head.resize((filled * 4).min(facts.size as usize), 0),
            }
            filled = read(&mut head)?;
        };
        head.truncate(filled);
        let envelope = match Envelope::from_line(&head[..line]) {
            Ok(envelope) => envelope,
            Err(error) => return corrupt(&format!("the envelope cannot be read: {error}")),
        };
        let body_at = line as u64 + 1;
        if envelope.id != name.id {
            return corrupt("the envelope is that of another message");
        }
        if facts.size != body_at + envelope.size {
            let (has, wants) = (facts.size - body_at, envelope.size);
            return corrupt(&format!("the message has {has} bytes where its envelope says {wants}"));
        }
        head.drain(..line + 1);
        Ok(QueueFile { name: name.clone(), state, envelope, body_at, file, stat: facts, head })
    }

    /// The first bytes of the message: with luck, its header.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// The beginning of the message, up to so many bytes.
    pub fn first_bytes(&self, longest: usize) -> std::io::Result<Vec<u8>> {
        let mut bytes = vec![0; longest.min(self.envelope.size as usize)];
        let mut filled = 0;
        while filled < bytes.len() {
            match self.file.read_at(&mut bytes[filled..], self.body_at + filled as u64)? {
                0 => break,
                count => filled += count,
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    /// A hash of the message's bytes, without the envelope.
    pub fn fingerprint(&self) -> std::io::Result<String> {
        let mut print = Fingerprint::default();
        self.for_each_chunk(&mut |piece| {
            print.add(piece);
            Ok::<(), std::io::Error>(())
        })?;
        Ok(print.finish())
    }

    /// The message in pieces, so that memory does not grow with it.
    pub fn for_each_chunk<E: From<std::io::Error>>(
        &self,
        take: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut buffer = vec![0; 64 << 10];
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

    /// The open file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// What the file is.
    pub fn stat(&self) -> &FileStat {
        &self.stat
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
    /// Reads a message without claiming it: for reports, which must neither wait for a runner nor get in its way.
    pub fn read(&self, state: QueueState, name: &FileName) -> Result<QueueFile, UnusableFile> {
        let dir = self.messages(state)?;
        let text = name.to_string();
        let (file, facts) = open_message(dir, &text)?;
        QueueFile::parse(state, name, file, facts, &dir.path_of(&text))
    }

    /// Makes a message durable that another run has put there.
    pub fn ensure_durable(&self, state: QueueState, name: &FileName) -> Result<(), PathError> {
        let dir = self.messages(state)?;
        let text = name.to_string();
        dir::sync(&dir.open_own(&text)?, &dir.path_of(&text))?;
        dir.sync()
    }

    /// Where a message's file is.
    pub fn path_of_message(&self, state: QueueState, name: &FileName) -> PathBuf {
        self.path_of_state(state).join(name.to_string())
    }
}
