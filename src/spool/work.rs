//! Work directories: the files that filters create, for the time of one hand-off.

use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use crate::mail::envelope::id::QueueId;
use crate::mail::envelope::recipient::RecipientIndex;
use crate::sys::error::{AtPath, PathError};
use crate::sys::file_stat::stat_of;
use crate::sys::private_copy;
use crate::values::table::TableIndex;

use crate::spool::queue_file::QueueFile;
use crate::spool::{Spool, SpoolDirectory};

/// Work directory, empty at first. Dropping it removes the directory and its content.
#[derive(Debug)]
pub struct WorkDir(PathBuf);

impl WorkDir {
    /// Returns the path of the directory.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        // The sweep removes a directory for which this fails.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Spool {
    /// Returns a copy of a message, with `head` in place of its first `skip` bytes, for the standard input of a program.
    /// Nothing that the program does with it reaches the spool, and it never sees the envelope.
    pub fn private_copy_of(&self, message: &QueueFile, head: &[u8], skip: u64) -> Result<File, PathError> {
        let size = message.envelope.size.saturating_sub(skip);
        let copy = match message.whole() {
            Some(bytes) if head.is_empty() => {
                private_copy::of_bytes(&bytes[skip.min(message.envelope.size) as usize..])
            }
            _ => {
                let work = self.dir(SpoolDirectory::Work)?;
                private_copy::of_file(head, message.file().as_fd(), message.body_at + skip, size, work)
            }
        };
        copy.at("copy", self.path_of_message(message.state, &message.name))
    }

    /// Returns a private copy of a file of another program, such as a message in its Maildir; `path` is for the error.
    pub fn private_copy_of_file(&self, file: &File, path: &Path) -> Result<File, PathError> {
        let size = stat_of(file, path)?.size;
        private_copy::of_file(b"", file.as_fd(), 0, size, self.dir(SpoolDirectory::Work)?).at("copy", path)
    }

    /// Creates an empty work directory for the hand-off whose first recipient is at this index of the envelope.
    /// Requires a claim of the message, because files that a dead run left there are removed.
    pub fn work(&self, id: &QueueId, transport: &str, recipient: RecipientIndex) -> Result<WorkDir, PathError> {
        let dir = self.dir(SpoolDirectory::Work)?;
        let name = format!("{id}.{transport}.{}", recipient.position());
        let path = dir.path_of(&name);
        match std::fs::remove_dir_all(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(PathError::new("remove", path, error));
            }
            _ => {}
        }
        dir.make_in(&name)?;
        Ok(WorkDir(path))
    }
}
