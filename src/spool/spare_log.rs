//! Spare logs: empty files with a block of the disk, for results that a name cannot tell.
//!
//! A message that is handed over for the first time has no log. If its result has to be logged after all, a full disk must
//! not lose it: the log was there before the hand-off.

use std::fs::File;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::sys::dir::{self, Dir};
use crate::sys::error::{AtPath, PathError};
use crate::sys::{lock, random};

/// Beginning of the name of a spare log in `out/tmp`.
pub(super) const PREFIX: &str = ".log.";

/// Bytes that are reserved: one block, room for a dozen records.
const RESERVED: u64 = 4096;

/// Spare log of one hand-off.
#[derive(Debug)]
pub struct SpareLog {
    /// Name in `out/tmp`.
    pub(super) name: String,
    /// The file, open for appending.
    pub(super) file: File,
}

/// Spare logs that no hand-off holds now. A hand-off that does not need its log gives it back.
#[derive(Debug, Default)]
pub(super) struct SpareLogs(Mutex<Vec<SpareLog>>);

impl SpareLogs {
    /// Returns a spare log, which is made in this directory if none is left.
    pub(super) fn take(&self, tmp: &Dir) -> Result<SpareLog, PathError> {
        if let Some(spare) = self.list().pop() {
            return Ok(spare);
        }
        let name = format!("{PREFIX}{:016x}", random());
        let file = tmp.append_to(&name)?;
        // On a filesystem that can reserve, a full disk is found out here.
        let locked = lock::try_exclusive(&file);
        // The sweep leaves a file that is locked.
        let reserved = locked.and_then(|_| dir::reserve(&file, RESERVED)).at("write", tmp.path_of(&name));
        if reserved.is_err() {
            let _ = tmp.remove_if_there(&name);
        }
        reserved.map(|()| SpareLog { name, file })
    }

    /// Takes back a spare log that was not needed.
    pub(super) fn give_back(&self, spare: SpareLog) {
        self.list().push(spare);
    }

    fn list(&self) -> MutexGuard<'_, Vec<SpareLog>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes the files. A run that is killed leaves them to the sweep.
    pub(super) fn remove_from(&self, tmp: &Dir) {
        for spare in self.list().drain(..) {
            let _ = tmp.remove_if_there(&spare.name);
        }
    }
}
