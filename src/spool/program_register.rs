//! Register of the programs that a run has started for messages.
//!
//! The lock of a message is not enough to show that a program still works on it: ssh(1) and others close the descriptor
//! that holds it, and go on when the run is killed. Each run has one file of fixed slots, one slot for each program that
//! runs. Nothing of it is synced, because no program outlives a power failure.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::mail::envelope::id::QueueId;
use crate::sys::dir::Dir;
use crate::sys::error::{AtPath, PathError};
use crate::sys::process;
use crate::sys::{lock, random};

use crate::spool::names::names;

/// Beginning of the name of a register in `state`.
const PREFIX: &str = ".programs.";

/// Bytes of a slot: an id of any version, two numbers, and the id of a boot.
const SLOT: usize = 320;

/// Register of this process.
#[derive(Debug, Default)]
pub(super) struct ProgramRegister {
    file: OnceLock<(String, File)>,
    /// Boot and namespace of the process ids.
    here: OnceLock<String>,
    /// True for a slot in use.
    slots: Mutex<Vec<bool>>,
}

/// Slot for the programs of one hand-off, which run one after another. When this is dropped, the slot is used again; what it
/// says is not erased, because a program that has ended is told apart by its process id and start.
#[derive(Debug)]
pub struct ProgramSlot<'s> {
    register: &'s ProgramRegister,
    file: &'s File,
    path: PathBuf,
    id: QueueId,
    /// Boot and namespace of the process ids.
    here: &'s str,
    slot: usize,
}

impl ProgramSlot<'_> {
    /// Registers a program that was started for the message.
    pub fn started(&self, pid: u32) -> Result<(), PathError> {
        let line = format!("{} {pid} {} {}", self.id, process::ticks_now(), self.here);
        debug_assert!(line.len() < SLOT, "{line} fits into a slot");
        let line = format!("{line:<width$.width$}\n", width = SLOT - 1);
        self.file.write_all_at(line.as_bytes(), (self.slot * SLOT) as u64).at("write", &self.path)
    }
}

impl Drop for ProgramSlot<'_> {
    fn drop(&mut self) {
        if let Some(slot) = self.register.slots().get_mut(self.slot) {
            *slot = false;
        }
    }
}

impl ProgramRegister {
    fn slots(&self) -> MutexGuard<'_, Vec<bool>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, state: &Dir) -> Result<&(String, File), PathError> {
        if let Some(open) = self.file.get() {
            return Ok(open);
        }
        let name = format!("{PREFIX}{:016x}", random());
        let file = state.create_new(&name)?;
        // The sweep leaves a file that is locked.
        lock::try_exclusive(&file).at("lock", state.path_of(&name))?;
        let mut is_ours = false;
        let open = self.file.get_or_init(|| {
            is_ours = true;
            (name.clone(), file)
        });
        if !is_ours {
            state.remove_if_there(&name)?;
        }
        Ok(open)
    }

    /// Takes a slot for the programs of a hand-off, in a file in this directory. What can take time is done here: once a
    /// program has started, a single write registers it.
    pub(super) fn slot(&self, state: &Dir, id: &QueueId) -> Result<ProgramSlot<'_>, PathError> {
        let (name, file) = self.file(state)?;
        let here = self.here.get_or_init(|| {
            let boot = process::boot_id().unwrap_or_else(|| "unknown".to_owned());
            format!("{boot} {}", process::pid_namespace().unwrap_or_default())
        });
        let path = state.path_of(name);
        Ok(ProgramSlot { register: self, file, path, id: id.clone(), here, slot: self.take_slot() })
    }

    /// Removes the file. A run that is killed leaves it, for as long as its programs can run.
    pub(super) fn remove_from(&self, state: &Dir) {
        if let Some((name, _)) = self.file.get() {
            let _ = state.remove_if_there(name);
        }
    }

    fn take_slot(&self) -> usize {
        let mut slots = self.slots();
        let free = slots.iter().position(|in_use| !in_use).unwrap_or(slots.len());
        if free == slots.len() {
            slots.push(false);
        }
        slots[free] = true;
        free
    }
}

/// True if a program that any run registered for this message, in this directory, still runs.
pub(super) fn has_running_program(state: &Dir, id: &QueueId) -> Result<bool, PathError> {
    let registers = names(state.path())?.into_iter().filter_map(|name| name.into_string().ok());
    for name in registers.filter(|name| name.starts_with(PREFIX)) {
        let text = match state.open_own(&name) {
            Ok(file) => std::io::read_to_string(file).at("read", state.path_of(&name))?,
            Err(error) if error.is_not_found() => continue,
            Err(error) => return Err(error),
        };
        if text.lines().any(|line| is_running(line, id)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// True if the program in this slot was started for the message and has not ended. A later process with the same id
/// started after the entry was written.
fn is_running(slot: &str, id: &QueueId) -> bool {
    let mut fields = slot.split_whitespace();
    let mut is_this = || {
        let is_ours = fields.next()? == id.as_str();
        let (pid, written) = (fields.next()?.parse().ok()?, fields.next()?.parse::<u64>().ok()?);
        let same_boot = fields.next()? == process::boot_id()?;
        // A number of another container stands for another process here.
        let same_numbers = fields.next() == process::pid_namespace().as_deref();
        Some(is_ours && same_boot && same_numbers && process::start_ticks(pid)? <= written)
    };
    is_this().unwrap_or(false)
}
