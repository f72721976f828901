//! I/O errors that say what was being done to which path.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::sys::distrust::Distrust;

/// An I/O error with the operation and the path it belongs to. No bare `io::Error` leaves floor 0.
#[derive(Debug)]
pub struct PathError {
    /// What was tried, as an infinitive: `open`, `rename`, `sync`.
    pub doing: &'static str,
    /// The file or directory it was tried on.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

impl PathError {
    /// True when there was no room, or not enough of something else, for now.
    pub fn is_shortage(&self) -> bool {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self.source.kind(), StorageFull | QuotaExceeded) || crate::sys::process::is_shortage(&self.source)
    }

    /// Builds one from its parts.
    pub fn new(doing: &'static str, path: impl AsRef<Path>, source: impl Into<io::Error>) -> Self {
        PathError { doing, path: path.as_ref().to_owned(), source: source.into() }
    }

    /// Returns why the path is not trusted, when that is the error.
    pub fn distrust(&self) -> Option<&Distrust> {
        self.source.get_ref()?.downcast_ref()
    }

    /// True when the path does not exist.
    pub fn is_not_found(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

impl From<Distrust> for PathError {
    fn from(distrust: Distrust) -> PathError {
        let path = distrust.subject.clone();
        PathError { doing: "trust", path, source: io::Error::other(distrust) }
    }
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(distrust) = self.distrust() {
            return distrust.fmt(f);
        }
        write!(f, "cannot {} {}: {}", self.doing, self.path.display(), reason_text(&self.source))
    }
}

// The system's words are part of the message: a source would say them twice.
impl std::error::Error for PathError {}

/// The system's words for an error, without Rust's ` (os error 28)` behind them.
pub fn reason_text(error: &io::Error) -> String {
    let text = error.to_string();
    match (error.raw_os_error(), text.rfind(" (os error")) {
        (Some(_), Some(end)) => text[..end].to_owned(),
        _ => text,
    }
}

/// Puts the operation and the path onto a failed system call.
pub trait AtPath<T> {
    /// Turns the error into a [`PathError`].
    fn at(self, doing: &'static str, path: impl AsRef<Path>) -> Result<T, PathError>;
}

impl<T, E: Into<io::Error>> AtPath<T> for Result<T, E> {
    fn at(self, doing: &'static str, path: impl AsRef<Path>) -> Result<T, PathError> {
        self.map_err(|source| PathError::new(doing, path, source))
    }
}
