//! A program start as the system calls take it: pointers, and descriptors with their numbers in the program.

use std::ffi::{CStr, CString};
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::ptr;

/// Lists of pointers that end in a null pointer, and moves of descriptors. Valid as long as what it was made from.
#[derive(Debug)]
pub(super) struct PreparedStart<'a> {
    pub(super) path: *const libc::c_char,
    pub(super) argv: Vec<*mut libc::c_char>,
    pub(super) env: Vec<*mut libc::c_char>,
    pub(super) moves: Vec<DescriptorMove>,
    /// Copies that `moves` names, open until the program has started.
    _copies: Vec<OwnedFd>,
    borrowed: PhantomData<&'a CStr>,
}

/// Descriptor of ours, and its number in the program. None of the first is one of the second.
#[derive(Clone, Copy, Debug)]
pub(super) struct DescriptorMove {
    pub(super) from: RawFd,
    pub(super) to: RawFd,
}

impl<'a> PreparedStart<'a> {
    /// Prepares a start. `fds` are descriptors with their numbers in the program, which are at most `last`.
    pub(super) fn new(
        path: &'a CStr,
        argv: &'a [CString],
        env: &'a [CString],
        fds: impl Iterator<Item = (BorrowedFd<'a>, RawFd)>,
        last: RawFd,
    ) -> io::Result<PreparedStart<'a>> {
        let pointers = |strings: &[CString]| -> Vec<*mut libc::c_char> {
            strings.iter().map(|text| text.as_ptr().cast_mut()).chain([ptr::null_mut()]).collect()
        };
        let (mut moves, mut copies) = (Vec::with_capacity(5), Vec::new());
        for (fd, to) in fds {
            let mut from = fd.as_raw_fd();
            if from <= last {
                // Its number is that of a target, and would be taken before its turn.
                let copy = rustix::io::fcntl_dupfd_cloexec(fd, last + 1)?;
                from = copy.as_raw_fd();
                copies.push(copy);
            }
            moves.push(DescriptorMove { from, to });
        }
        Ok(PreparedStart {
            path: path.as_ptr(),
            argv: pointers(argv),
            env: pointers(env),
            moves,
            _copies: copies,
            borrowed: PhantomData,
        })
    }
}

/// Signals that we or our parent may have left ignored. Not all signals: each costs a system call per program.
pub(super) const RESET: [libc::c_int; 9] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGPIPE,
    libc::SIGALRM,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGCHLD,
];
