//! Rules by which owner and mode of a file are judged.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use rustix::fs;
use rustix::io::Errno;

use crate::sys::distrust::{Distrust, DistrustReason};
use crate::sys::file_stat::FileStat;
use crate::sys::identity::user;
use crate::sys::trust::accounts::Accounts;

/// Users who can put entries into a directory that is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DirectoryAccess {
    /// Its owner and root.
    Closed,
    /// Others too, but it is sticky: they cannot replace entries of ours or of root.
    Sticky,
}

/// Rules by which files are trusted, and the directories that passed them in this run.
#[derive(Debug, Default)]
pub struct Trust {
    /// Directories whose owner, mode and contents are accepted, without symbolic links in their paths.
    excused: Vec<PathBuf>,
    /// True when more directories could be excused.
    pub(super) excusable: bool,
    judged: Mutex<HashMap<PathBuf, DirectoryAccess>>,
    reported: Mutex<HashSet<PathBuf>>,
    accounts: OnceLock<Accounts>,
}

impl Trust {
    /// Returns the rules with these directories excused. What passed without an excuse passes with one.
    pub fn excusing(self, dirs: &[PathBuf]) -> Trust {
        let real = |dir: &PathBuf| std::fs::canonicalize(dir).unwrap_or_else(|_| dir.clone());
        Trust { excused: dirs.iter().map(real).collect(), excusable: true, ..self }
    }

    /// True the first time that this distrust is to be reported: what is not trusted stays so for many messages.
    pub fn is_news(&self, distrust: &Distrust) -> bool {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        reported.insert(distrust.subject.clone())
    }

    /// Forgets the directories that passed, for a run that begins.
    pub fn forget(&self) {
        self.judged().clear();
    }

    pub(super) fn judged(&self) -> MutexGuard<'_, HashMap<PathBuf, DirectoryAccess>> {
        self.judged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_excused(&self, path: &Path) -> bool {
        self.excused.iter().any(|dir| path.starts_with(dir))
    }

    /// Checks owner and mode of a file or directory. A private group of the owner counts as the owner.
    pub(super) fn check(&self, path: &Path, stat: &FileStat) -> Result<(), DistrustReason> {
        if ![user(), 0].contains(&stat.owner) {
            return Err(DistrustReason::Owner(stat.owner));
        }
        // In this order: the group of a directory like /tmp does not matter, and is not looked up.
        let by_others = stat.mode & 0o002 != 0 || (stat.mode & 0o020 != 0 && !self.is_private_group(path, stat));
        if by_others { Err(DistrustReason::Writable(stat.mode)) } else { Ok(()) }
    }

    fn is_private_group(&self, path: &Path, stat: &FileStat) -> bool {
        // Behind an access control list the bits of the group are those of every user in the list.
        !has_access_list(path) && self.accounts.get_or_init(Accounts::read).is_private(stat.group, stat.owner)
    }

    pub(super) fn distrust(&self, subject: &Path, path: &Path, reason: DistrustReason) -> Distrust {
        Distrust { subject: subject.to_owned(), path: path.to_owned(), reason, excusable: self.excusable }
    }
}

/// True when a POSIX access control list may give other users rights that the mode does not show.
pub(super) fn has_access_list(path: &Path) -> bool {
    let mut buffer = [0u8; 4];
    let answer = fs::lgetxattr(path, c"system.posix_acl_access", &mut buffer);
    !matches!(answer, Ok(0) | Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::NOSYS))
}
