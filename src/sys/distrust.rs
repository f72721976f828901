//! Reasons why a file or directory is not trusted, each with its cure.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::sys::identity;

/// Reason why a file or directory is not trusted.
#[derive(Debug)]
pub struct Distrust {
    /// File that was to be used.
    pub subject: PathBuf,
    /// The file itself, or a directory or link on the way to it, that is not trusted.
    pub path: PathBuf,
    /// Property that is wrong.
    pub reason: DistrustReason,
    /// True when the key `trust` of the configuration could accept it.
    pub excusable: bool,
}

/// Property that makes a file or directory untrusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DistrustReason {
    /// Owner who is neither we nor root.
    Owner(u32),
    /// Write permission for group or others; the permission bits.
    Writable(u32),
    /// Type other than a regular file.
    NotAFile,
    /// Symbolic link, in a place where none is followed.
    Link,
    /// Number of hard links, more than one.
    Links(u64),
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        if self.path != self.subject {
            write!(f, "{} is not trusted: ", self.subject.display())?;
        }
        match self.reason {
            DistrustReason::Owner(owner) if identity::is_unmapped(owner) => {
                write!(f, "{path} belongs to a user whom this user namespace does not map")?;
            }
            DistrustReason::Owner(owner) => {
                let user = identity::user();
                write!(
                    f,
                    "{path} belongs to user {owner}, not to user {user}; run as its owner, or: chown {user} {path}"
                )?;
            }
            DistrustReason::Writable(mode) => {
                write!(f, "{path} can be written by others (mode {mode:04o}); to close it: chmod go-w {path}")?;
            }
            DistrustReason::NotAFile => return write!(f, "{path} is not a regular file"),
            DistrustReason::Link => {
                return write!(f, "{path} is a symbolic link; put the file or directory itself there");
            }
            DistrustReason::Links(count) => {
                return write!(f, "{path} has {count} names; remove the other links to it");
            }
        }
        if self.excusable {
            let dir = if self.path == self.subject { self.path.parent() } else { None };
            let unmapped = matches!(self.reason, DistrustReason::Owner(owner) if identity::is_unmapped(owner));
            let joint = if unmapped { ";" } else { ", or" };
            write!(f, "{joint} list {} under \"trust\"", dir.unwrap_or(&self.path).display())?;
        }
        Ok(())
    }
}

impl std::error::Error for Distrust {}

/// Builds the refusal of a file that no configuration can excuse.
pub fn refusal(path: &Path, reason: DistrustReason) -> Distrust {
    Distrust { subject: path.to_owned(), path: path.to_owned(), reason, excusable: false }
}
