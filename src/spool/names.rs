//! Names in a directory, without opening the files. The only module that uses `walkdir`.

use std::ffi::OsString;
use std::path::Path;

use walkdir::WalkDir;

use crate::sys::error::PathError;

/// Returns the names in a directory, unordered.
pub(super) fn names(dir: &Path) -> Result<Vec<OsString>, PathError> {
    walk(dir).collect()
}

/// Iterates over the names in a directory, unordered.
pub(super) fn walk(dir: &Path) -> impl Iterator<Item = Result<OsString, PathError>> + '_ {
    WalkDir::new(dir).min_depth(1).max_depth(1).into_iter().map(move |entry| match entry {
        Ok(entry) => Ok(entry.file_name().to_owned()),
        Err(error) => Err(PathError::new("list", dir, std::io::Error::from(error))),
    })
}
