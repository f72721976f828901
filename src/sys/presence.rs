//! Marks of presence: locks that exclude no process, and that every process can ask for.
//!
//! A lock of flock(2) can only be seen by trying to take it, which could make a run believe that another one works on a
//! message. A read lock on an open file description (`F_OFD_SETLK` in fcntl(2)) can be asked for without taking anything.
//! The answer comes from the kernel itself, so that it is right between containers as well.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// Marks the file as in use, until its last holder closes it or [`unmark`] is called.
pub fn mark(file: &File) -> io::Result<()> {
    control(file, libc::F_OFD_SETLK, libc::F_RDLCK).map(|_| ())
}

/// Ends the mark for every holder of this open file description, also children.
pub fn unmark(file: &File) -> io::Result<()> {
    control(file, libc::F_OFD_SETLK, libc::F_UNLCK).map(|_| ())
}

/// Returns true if the file is marked through any other open file description. An error counts as no: reports depend
/// on it, and nothing else.
pub fn is_marked(file: &File) -> bool {
    control(file, libc::F_OFD_GETLK, libc::F_WRLCK).is_ok_and(|kind| kind != libc::F_UNLCK)
}

/// Runs a command for the whole file. Returns the kind of lock that the kernel reports.
fn control(file: &File, command: libc::c_int, kind: libc::c_int) -> io::Result<libc::c_int> {
    // SAFETY: a structure of integers, of which zeros are a valid value: from the start of the file to its end.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = kind as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    loop {
        // SAFETY: the descriptor is open for as long as `file` lives, and the pointer is to a live structure.
        if unsafe { libc::fcntl(file.as_raw_fd(), command, &raw mut lock) } == 0 {
            return Ok(libc::c_int::from(lock.l_type));
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use crate::sys::presence::{is_marked, mark, unmark};

    #[test]
    fn a_mark_is_seen_by_others_and_excludes_nobody() {
        let place = tempfile::NamedTempFile::new().unwrap();
        let [one, two, reader] = [(); 3].map(|()| File::open(place.path()).unwrap());
        assert!(!is_marked(&reader));
        mark(&one).unwrap();
        mark(&two).unwrap();
        assert!(is_marked(&reader) && is_marked(&reader), "asking takes nothing");
        let copy = one.try_clone().unwrap();
        drop(one);
        unmark(&two).unwrap();
        assert!(is_marked(&reader), "a child that inherited the file marks it still");
        unmark(&copy).unwrap();
        assert!(!is_marked(&reader));
    }
}
