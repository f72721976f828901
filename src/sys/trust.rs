//! Whether a file can only have been written by those we trust: ourselves, and root.

use std::fmt;
use std::path::{Path, PathBuf};

use rustix::fs::{self, AtFlags, CWD};
use rustix::process;

use crate::sys::dir::FileStat;
use crate::sys::error::{AtPath, PathError};

/// A file or directory that somebody else could have changed.
#[derive(Debug)]
pub struct Distrust {
    /// What it is about.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: DistrustReason,
}

/// Why something is not trusted.
#[derive(Debug, PartialEq, Eq)]
pub enum DistrustReason {
    /// It belongs to this user, neither to us nor to root.
    Owner(u32),
    /// Group or world may write; the permission bits.
    Writable(u32),
    /// The directory it is in lets anybody rename it; the permission bits.
    OpenParent(u32),
}

impl fmt::Display for Distrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.reason {
            DistrustReason::Owner(owner) => write!(
                f,
                "{path} belongs to user {owner}, not to user {}; run as its owner, or: chown {} {path}",
                user(),
                user()
            ),
            DistrustReason::Writable(mode) => {
                write!(f, "{path} can be written by others (mode {mode:04o}); to close it: chmod go-w {path}")
            }
            DistrustReason::OpenParent(mode) => write!(
                f,
                "{path} can be replaced by anybody (mode {mode:04o}, no sticky bit); to close it: chmod o-w {path}"
            ),
        }
    }
}

impl std::error::Error for Distrust {}

/// The user we act as.
pub fn user() -> u32 {
    process::geteuid().as_raw()
}

/// True when this process was given rights by a setuid or setgid bit.
pub fn is_privileged_by_file() -> bool {
    process::getuid() != process::geteuid() || process::getgid() != process::getegid()
}

/// A directory or file of our own: it must be ours, and writable by nobody else.
pub fn ours(path: &Path, facts: &FileStat) -> Result<(), Distrust> {
    judge(path, facts, &[user()])
}

/// A file that steers us, such as a configuration: ours or root's, and writable by nobody else.
pub fn ours_or_roots(path: &Path, facts: &FileStat) -> Result<(), Distrust> {
    judge(path, facts, &[user(), 0])
}

fn judge(path: &Path, facts: &FileStat, owners: &[u32]) -> Result<(), Distrust> {
    let distrust = |reason| Err(Distrust { path: path.to_owned(), reason });
    if !owners.contains(&facts.owner) {
        return distrust(DistrustReason::Owner(facts.owner));
    }
    if facts.mode & 0o022 != 0 {
        return distrust(DistrustReason::Writable(facts.mode));
    }
    Ok(())
}

/// The directory that holds `path` must not let everybody rename what is in it; a sticky one does not.
pub fn parent_is_closed(path: &Path) -> Result<Result<(), Distrust>, PathError> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        None => return Ok(Ok(())),
    };
    let facts: FileStat = fs::statat(CWD, parent, AtFlags::empty()).at("look at", parent)?.into();
    let open = facts.mode & 0o002 != 0 && facts.mode & 0o1000 == 0;
    Ok(if open {
        Err(Distrust { path: parent.to_owned(), reason: DistrustReason::OpenParent(facts.mode) })
    } else {
        Ok(())
    })
}
