//! What can be wrong with a configuration.

use std::fmt;
use std::path::PathBuf;

use crate::sys::error::PathError;

/// What is wrong, in one line.
#[derive(Debug)]
pub enum ConfigError {
    /// A system call failed.
    Path(PathError),
    /// It is not valid: the file, the line where that is known, and what is wrong.
    Invalid(PathBuf, Option<usize>, String),
    /// There is no home directory to put things in.
    NoHome,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfigError::Path(error) => error.fmt(f),
            ConfigError::Invalid(path, Some(line), what) => write!(f, "{}:{line}: {what}", path.display()),
            ConfigError::Invalid(path, None, what) => write!(f, "{}: {what}", path.display()),
            ConfigError::NoHome => f.write_str("there is no home directory: set HOME, or give --spool and --config"),
        }
    }
}

impl std::error::Error for ConfigError {}

impl From<PathError> for ConfigError {
    fn from(error: PathError) -> ConfigError {
        ConfigError::Path(error)
    }
}
