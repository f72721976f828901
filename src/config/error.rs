//! Errors of the configuration file.

use std::fmt;
use std::path::PathBuf;

use crate::sys::error::PathError;
use crate::sys::trust::Distrust;

/// Reason why a configuration cannot be used. Displayed on one line.
#[derive(Debug)]
pub enum ConfigError {
    /// A system call failed on a file or directory.
    Path(PathError),
    /// Another user could have written the file.
    Distrust(Distrust),
    /// The path is not a regular file.
    NotAFile(PathBuf),
    /// The content is not valid: file, line number from 1 if known, and reason.
    Invalid(PathBuf, Option<usize>, String),
    /// No home directory is known, so there are no default paths.
    NoHome,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Path(error) => error.fmt(f),
            ConfigError::Distrust(error) => error.fmt(f),
            ConfigError::NotAFile(path) => write!(f, "{} is not a regular file", path.display()),
            ConfigError::Invalid(path, Some(line), what) => write!(f, "{}:{line}: {what}", path.display()),
            ConfigError::Invalid(path, None, what) => write!(f, "{}: {what}", path.display()),
            ConfigError::NoHome => f.write_str("no home directory is known: set HOME, or use --spool and --config"),
        }
    }
}

impl std::error::Error for ConfigError {}

impl From<PathError> for ConfigError {
    fn from(error: PathError) -> ConfigError {
        ConfigError::Path(error)
    }
}

impl From<Distrust> for ConfigError {
    fn from(error: Distrust) -> ConfigError {
        ConfigError::Distrust(error)
    }
}
