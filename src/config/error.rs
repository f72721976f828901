//! Errors of the configuration file.

use std::fmt;
use std::path::PathBuf;

use crate::sys::error::PathError;

/// Reason why a configuration cannot be used. Displayed on one line.
#[derive(Debug)]
pub enum ConfigError {
    /// A system call failed on a file or directory.
    Path(PathError),
    /// The content is not valid: file, line number from 1 if known, and reason.
    Invalid(PathBuf, Option<usize>, String),
    /// No home directory is known, so there are no default paths.
    NoHome,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Path(error) => error.fmt(f),
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
