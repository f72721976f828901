//! The walk from `/` to a file, link by link, through directories that no other user can write.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{self, AtFlags, CWD};
use rustix::io::Errno;

use crate::sys::distrust::{Distrust, DistrustReason};
use crate::sys::error::{AtPath, PathError};
use crate::sys::file_stat::FileStat;
use crate::sys::identity;
use crate::sys::trust::rules::{DirectoryAccess, Trust};

/// Symbolic links that are followed, as many as the kernel does.
const MOST_LINKS: usize = 40;

/// Directories of users whom this user namespace does not know. Root of the host is one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum UnmappedOwners {
    /// Accepted on the way to the configuration and the spool, which the user has chosen, and nothing could excuse.
    Accepted,
    /// Refused.
    Refused,
}

/// End of a walk.
#[derive(Debug)]
pub(super) struct TrustedPath {
    /// Path without symbolic links.
    pub(super) path: PathBuf,
    /// Type and owner of what is there; `None` for a directory that was judged on the way.
    pub(super) stat: Option<FileStat>,
}

impl Trust {
    /// Follows a path to its end and judges every directory on the way, and those of every symbolic link in it.
    /// Owner and mode of the file at the end are for the caller to judge.
    pub(super) fn walk(&self, subject: &Path, unmapped: UnmappedOwners) -> Result<TrustedPath, PathError> {
        let absolute = std::path::absolute(subject).at("find", subject)?;
        let mut rest: Vec<OsString> = Vec::new();
        push_components(&mut rest, &absolute);
        let mut at = PathBuf::from("/");
        let mut links = 0;
        let judge = |dir: &Path, stat| self.judge_directory(subject, dir, stat, unmapped);
        let mut access = judge(&at, None)?;
        while let Some(name) = rest.pop() {
            if name == ".." {
                at.pop();
                access = judge(&at, None)?;
                continue;
            }
            let next = at.join(&name);
            if let Some(known) = self.known(&next) {
                (at, access) = (next, known);
                continue;
            }
            let stat = fs::statat(CWD, &next, AtFlags::SYMLINK_NOFOLLOW).at("open", subject)?;
            let stat = FileStat::from(stat);
            if stat.link {
                links += 1;
                if links > MOST_LINKS {
                    return Err(PathError::new("open", subject, Errno::LOOP));
                }
                self.judge_link(subject, &next, &stat, access)?;
                let target = fs::readlink(&next, Vec::new()).at("open", subject)?;
                let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
                if target.is_absolute() {
                    at = PathBuf::from("/");
                    access = judge(&at, None)?;
                }
                push_components(&mut rest, &target);
            } else if stat.directory {
                access = judge(&next, Some(stat))?;
                at = next;
            } else if rest.is_empty() {
                return Ok(TrustedPath { path: next, stat: Some(stat) });
            } else {
                return Err(PathError::new("open", subject, Errno::NOTDIR));
            }
        }
        Ok(TrustedPath { path: at, stat: None })
    }

    fn known(&self, dir: &Path) -> Option<DirectoryAccess> {
        self.judged().get(dir).copied()
    }

    fn judge_directory(
        &self,
        subject: &Path,
        dir: &Path,
        stat: Option<FileStat>,
        unmapped: UnmappedOwners,
    ) -> Result<DirectoryAccess, PathError> {
        if let Some(known) = self.known(dir) {
            return Ok(known);
        }
        let access = if self.is_excused(dir) {
            DirectoryAccess::Closed
        } else {
            let stat = match stat {
                Some(stat) => stat,
                None => fs::statat(CWD, dir, AtFlags::SYMLINK_NOFOLLOW).at("open", subject)?.into(),
            };
            match self.check(dir, &stat) {
                Err(DistrustReason::Owner(owner))
                    if unmapped == UnmappedOwners::Accepted && identity::is_unmapped(owner) =>
                {
                    // Not remembered: what is not the user's choice is judged by the rules.
                    return Ok(if stat.mode & 0o1022 != 0 { DirectoryAccess::Sticky } else { DirectoryAccess::Closed });
                }
                Ok(()) => DirectoryAccess::Closed,
                Err(DistrustReason::Writable(mode)) if mode & 0o1000 != 0 => DirectoryAccess::Sticky,
                Err(reason) => return Err(self.distrust(subject, dir, reason).into()),
            }
        };
        self.judged().insert(dir.to_owned(), access);
        Ok(access)
    }

    /// A link in a sticky directory leads where its owner wants; in a closed one its owner cannot change it.
    fn judge_link(
        &self,
        subject: &Path,
        link: &Path,
        stat: &FileStat,
        parent: DirectoryAccess,
    ) -> Result<(), Distrust> {
        let foreign = ![identity::user(), 0].contains(&stat.owner);
        if parent == DirectoryAccess::Sticky && foreign {
            return Err(self.distrust(subject, link, DistrustReason::Owner(stat.owner)));
        }
        Ok(())
    }
}

/// Puts the components of a path on a stack, the first on top.
fn push_components(rest: &mut Vec<OsString>, path: &Path) {
    for component in path.components().rev() {
        match component {
            Component::Normal(name) => rest.push(name.to_owned()),
            Component::ParentDir => rest.push("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
}
