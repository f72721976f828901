//! Free space of a filesystem.

use rustix::fs;

use crate::sys::dir::Dir;
use crate::sys::error::{AtPath, PathError};

/// Free space for an ordinary user.
#[derive(Clone, Copy, Debug)]
pub struct FreeSpace {
    /// Free bytes.
    pub bytes: u64,
    /// Free inodes; `None` on filesystems without a fixed number.
    pub inodes: Option<u64>,
}

/// Returns the free space of the filesystem that holds a directory.
pub fn room(dir: &Dir) -> Result<FreeSpace, PathError> {
    let stat = fs::fstatvfs(dir.fd()).at("ask the free space of", dir.path())?;
    let inodes = if stat.f_files == 0 { None } else { Some(stat.f_favail) };
    Ok(FreeSpace { bytes: stat.f_bavail.saturating_mul(stat.f_frsize), inodes })
}
