//! Why the spool cannot be used.

use std::fmt;
use std::path::PathBuf;

use crate::sys::distrust::Distrust;
use crate::sys::error::PathError;
use crate::values::quoting::quoted;

/// What is wrong with the spool as a whole.
#[derive(Debug)]
pub enum SpoolError {
    /// A system call failed.
    Path(PathError),
    /// It could not be made.
    CannotMake(PathError),
    /// Somebody else could have written in it.
    Distrust(Distrust),
    /// Another version of the layout: the file and what it says.
    Version(PathBuf, String),
    /// A directory with other things in it.
    NotASpool(PathBuf),
    /// A part of it is mounted from elsewhere.
    OtherFilesystem(PathBuf),
    /// A file in it does not hold what it should.
    Content(PathBuf, String),
}

impl fmt::Display for SpoolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SpoolError::Path(error) => error.fmt(f),
            SpoolError::CannotMake(error) => write!(f, "the spool cannot be made: {error}"),
            SpoolError::Distrust(error) => error.fmt(f),
            SpoolError::Version(path, found) => write!(
                f,
                "{} says {}, and this program knows version \"1\" only; use the program that made the spool",
                path.display(),
                quoted(found)
            ),
            SpoolError::NotASpool(path) => {
                write!(f, "{} is not a spool, and not empty; give a directory of its own", path.display())
            }
            SpoolError::OtherFilesystem(path) => write!(
                f,
                "{} is on another filesystem than the spool; a message could not be moved in one step",
                path.display()
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
