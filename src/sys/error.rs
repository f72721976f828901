//! I/O errors with the operation and the path.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::sys::distrust::Distrust;

/// I/O error with the operation and the path that it belongs to.
#[derive(Debug)]
pub struct PathError {
    /// Operation that failed, as an infinitive: `open`, `rename`, `sync`.
    pub doing: &'static str,
    /// File or directory that it was tried on.
    pub path: PathBuf,
    /// Error of the system, or the [`Distrust`].
    pub source: io::Error,
}

impl PathError {
    /// True for a full disk and other shortages, which pass.
    pub fn is_shortage(&self) -> bool {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self.source.kind(), StorageFull | QuotaExceeded) || is_shortage(&self.source)
    }

    /// Builds an error from its parts.
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

// No source: the message holds the reason, and a chain of errors would print it twice.
impl std::error::Error for PathError {}

/// Returns the reason of an error, without the ` (os error 28)` that Rust appends.
pub fn reason_text(error: &io::Error) -> String {
    let text = error.to_string();
    match (error.raw_os_error(), text.rfind(" (os error")) {
        (Some(_), Some(end)) => text[..end].to_owned(),
        _ => text,
    }
}

/// Adds the operation and the path to the error of a system call.
pub trait AtPath<T> {
    /// Turns the error into a [`PathError`].
    fn at(self, doing: &'static str, path: impl AsRef<Path>) -> Result<T, PathError>;
}

impl<T, E: Into<io::Error>> AtPath<T> for Result<T, E> {
    fn at(self, doing: &'static str, path: impl AsRef<Path>) -> Result<T, PathError> {
        self.map_err(|source| PathError::new(doing, path, source))
    }
}

/// True for errors that pass: no memory, processes or descriptors available.
pub fn is_shortage(error: &io::Error) -> bool {
    let now = [libc::EAGAIN, libc::ENOMEM, libc::EMFILE, libc::ENFILE];
    error.raw_os_error().is_some_and(|number| now.contains(&number))
}
