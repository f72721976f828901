//! Errors of the spool as a whole.

use std::fmt;
use std::path::PathBuf;

use crate::mail::envelope::id::QueueId;
use crate::sys::distrust::Distrust;
use crate::sys::error::PathError;
use crate::values::quoting::quoted;

/// Reason why the spool cannot be used.
#[derive(Debug)]
pub enum SpoolError {
    /// Failed system call.
    Path(PathError),
    /// Spool that cannot be created.
    CannotMake(PathError),
    /// Spool in which other users can write.
    Distrust(Distrust),
    /// Unknown version of the layout: path of the version file, and its content.
    Version(PathBuf, String),
    /// Spool of the earlier version, on which a run of that version is at work: its path, and the command.
    EarlierVersionAtWork(PathBuf, &'static str),
    /// Directory that contains other files.
    NotASpool(PathBuf),
    /// Spool on a filesystem of this name, which several machines can use at the same time.
    SharedFilesystem(PathBuf, &'static str),
    /// Subdirectory on another filesystem.
    OtherFilesystem(PathBuf),
    /// Directory on a filesystem that is mounted read-only.
    ReadOnly(PathBuf),
    /// Message that was not found, while directories changed: it may be there.
    Changing(QueueId),
    /// File of the spool with invalid content: its path, and what is wrong.
    Content(PathBuf, String),
}

impl fmt::Display for SpoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SpoolError::Path(error) => error.fmt(f),
            SpoolError::CannotMake(error) => write!(f, "cannot create the spool: {error}"),
            SpoolError::Distrust(error) => error.fmt(f),
            SpoolError::Version(path, found) => write!(
                f,
                "{}: layout version {} is not supported, only \"1\" and \"2\"; use the version of mspool that created the spool",
                path.display(),
                quoted(found)
            ),
            SpoolError::EarlierVersionAtWork(path, runner) => write!(
                f,
                "{}: mspool {} of an earlier version is running on this spool, which this version is about to convert; \
                 stop it, and try again",
                path.display(),
                runner
            ),
            SpoolError::NotASpool(path) => {
                write!(f, "{} is not a spool and not empty; use an empty or new directory", path.display())
            }
            SpoolError::SharedFilesystem(path, name) => write!(
                f,
                "{} is on {name}, which several hosts can use at the same time, and whose locks may not hold between them; \
                 use a local filesystem, or set shared = true if they hold or only this host uses it",
                path.display()
            ),
            SpoolError::OtherFilesystem(path) => write!(
                f,
                "{} is on another filesystem than the spool, so messages cannot be renamed into it; use one filesystem",
                path.display()
            ),
            SpoolError::ReadOnly(path) => {
                write!(f, "{} is on a read-only filesystem; mount it writable, or choose another spool", path.display())
            }
            SpoolError::Changing(id) => write!(
                f,
                "{id} was not found, but may be in the spool: its directories changed during every search; try again"
            ),
            SpoolError::Content(path, what) => write!(f, "{}: {what}", path.display()),
        }
    }
}

impl std::error::Error for SpoolError {}

impl From<PathError> for SpoolError {
    fn from(error: PathError) -> SpoolError {
        SpoolError::Path(error)
    }
}

impl From<Distrust> for SpoolError {
    fn from(error: Distrust) -> SpoolError {
        SpoolError::Distrust(error)
    }
}
