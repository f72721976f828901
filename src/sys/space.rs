//! Free space of a filesystem.

use rustix::fs::{self, StatVfsMountFlags};

use crate::sys::dir::Dir;
use crate::sys::error::{AtPath, PathError};

/// Access that the mount of a filesystem permits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilesystemAccess {
    /// Reading and writing.
    Writable,
    /// Only reading.
    ReadOnly,
}

/// Free space for an ordinary user.
#[derive(Clone, Copy, Debug)]
pub struct FreeSpace {
    /// Free bytes.
    pub bytes: u64,
    /// Free inodes; `None` on filesystems without a fixed number.
    pub inodes: Option<u64>,
    /// Access that the mount permits.
    pub access: FilesystemAccess,
}

/// Returns the free space of the filesystem that holds a directory.
pub fn room(dir: &Dir) -> Result<FreeSpace, PathError> {
    let stat = fs::fstatvfs(dir.fd()).at("ask the free space of", dir.path())?;
    let inodes = if stat.f_files == 0 { None } else { Some(stat.f_favail) };
    let is_read_only = stat.f_flag.contains(StatVfsMountFlags::RDONLY);
    let access = if is_read_only { FilesystemAccess::ReadOnly } else { FilesystemAccess::Writable };
    Ok(FreeSpace { bytes: stat.f_bavail.saturating_mul(stat.f_frsize), inodes, access })
}
