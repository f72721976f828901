//! Type, owner and identity of files.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{self, FileType};

use crate::sys::error::{AtPath, PathError};

/// Type, owner and identity of a file, from stat(2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileStat {
    /// Device; with the inode, the identity of the file.
    pub device: u64,
    /// Inode.
    pub inode: u64,
    /// Size in bytes.
    pub size: u64,
    /// Numeric id of the owner.
    pub owner: u32,
    /// Numeric id of the group.
    pub group: u32,
    /// Permission bits.
    pub mode: u32,
    /// Number of hard links.
    pub links: u64,
    /// True for a regular file.
    pub regular: bool,
    /// True for a directory.
    pub directory: bool,
    /// True for a symbolic link.
    pub link: bool,
    /// Time of the last change of the content, as time since the epoch. Of a directory: of its names.
    pub modified: Duration,
}

impl FileStat {
    /// True when both describe the same file.
    pub fn same_file(&self, other: &FileStat) -> bool {
        (self.device, self.inode) == (other.device, other.inode)
    }
}

impl From<fs::Stat> for FileStat {
    fn from(stat: fs::Stat) -> FileStat {
        let kind = FileType::from_raw_mode(stat.st_mode);
        FileStat {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: stat.st_size.max(0) as u64,
            owner: stat.st_uid,
            group: stat.st_gid,
            mode: stat.st_mode & 0o7777,
            #[allow(clippy::useless_conversion, reason = "32 bits on aarch64")]
            links: stat.st_nlink.into(),
            regular: kind == FileType::RegularFile,
            directory: kind == FileType::Directory,
            link: kind == FileType::Symlink,
            modified: Duration::new(stat.st_mtime.max(0) as u64, stat.st_mtime_nsec as u32),
        }
    }
}

/// Returns type, owner and identity of an open file.
pub fn stat_of(file: &File, path: &Path) -> Result<FileStat, PathError> {
    Ok(fs::fstat(file).at("look at", path)?.into())
}
