//! Advisory locks on whole files, flock(2). The only user of `fs2`.
//!
//! A lock belongs to the open file description, not to the process: a child that inherits the file holds it
//! too, and the kernel releases it with the last holder.

use std::fs::File;
use std::io;

/// Takes the exclusive lock; `false` if another process holds a lock.
pub fn try_exclusive(file: &File) -> io::Result<bool> {
    answer(uninterrupted(|| fs2::FileExt::try_lock_exclusive(file)))
}

/// Waits for the exclusive lock. Only for critical sections of microseconds.
pub fn exclusive(file: &File) -> io::Result<()> {
    uninterrupted(|| fs2::FileExt::lock_exclusive(file))
}

/// Releases the lock for every holder of this open file description, also children.
pub fn unlock(file: &File) -> io::Result<()> {
    uninterrupted(|| fs2::FileExt::unlock(file))
}

fn answer(result: io::Result<()>) -> io::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == fs2::lock_contended_error().raw_os_error() => Ok(false),
        Err(error) => Err(error),
    }
}

fn uninterrupted(call: impl Fn() -> io::Result<()>) -> io::Result<()> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            answer => return answer,
        }
    }
}
