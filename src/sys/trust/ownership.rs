//! Rules for the spool: everything in it is ours alone.

use std::path::Path;

use crate::sys::distrust::{Distrust, DistrustReason, refusal};
use crate::sys::file_stat::FileStat;
use crate::sys::identity::user;

/// Checks a directory or file of the spool: ours, and writable by no other user or group.
pub fn ours(path: &Path, stat: &FileStat) -> Result<(), Distrust> {
    let refuse = |reason| Err(refusal(path, reason));
    if stat.owner != user() {
        return refuse(DistrustReason::Owner(stat.owner));
    }
    if stat.mode & 0o022 != 0 {
        return refuse(DistrustReason::Writable(stat.mode));
    }
    Ok(())
}

/// Checks an open file of the spool: a regular file of ours that has one name.
pub fn our_only_file(path: &Path, stat: &FileStat) -> Result<(), Distrust> {
    let reason = if !stat.regular {
        DistrustReason::NotAFile
    } else if stat.owner != user() {
        DistrustReason::Owner(stat.owner)
    } else if stat.links > 1 {
        DistrustReason::Links(stat.links)
    } else {
        return Ok(());
    };
    Err(refusal(path, reason))
}
