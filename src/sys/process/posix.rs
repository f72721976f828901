//! Start of a program by posix_spawn(3): the way for systems that refuse clone3(2).

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions};

use crate::sys::process::prepared::{PreparedStart, RESET};

/// Time between two tries to get a descriptor for a program that runs.
const DESCRIPTOR_WAIT: Duration = Duration::from_millis(5);

/// Starts a program in a new session. Returns its process id, and a descriptor that becomes readable when it ends.
pub(super) fn start(program: &PreparedStart<'_>) -> io::Result<(Pid, OwnedFd)> {
    let pid = spawn(program)?;
    match open_pidfd(pid) {
        Ok(fd) => Ok((pid, fd)),
        Err(error) => {
            // Without a descriptor to wait for, its time limit could not be kept.
            let _ = rustix::process::kill_process_group(pid, Signal::KILL);
            let _ = rustix::process::waitpid(Some(pid), WaitOptions::empty());
            Err(error.into())
        }
    }
}

fn spawn(program: &PreparedStart<'_>) -> io::Result<Pid> {
    let mut actions = SpawnActions::new()?;
    for moved in &program.moves {
        actions.dup2(moved.from, moved.to)?;
    }
    let attributes = SpawnAttributes::new()?;
    let (argv, env) = (program.argv.as_ptr(), program.env.as_ptr());
    let mut pid = 0;
    // SAFETY: every pointer is to a live, initialised object of the type that posix_spawn(3) asks for, and both lists
    // end in a null pointer.
    check(unsafe { libc::posix_spawn(&mut pid, program.path, &actions.0, &attributes.0, argv, env) })?;
    Pid::from_raw(pid).ok_or_else(|| io::ErrorKind::Other.into())
}

/// The program runs already, and to kill it may cut off a delivery: wait a little for a descriptor first.
fn open_pidfd(pid: Pid) -> rustix::io::Result<OwnedFd> {
    for _ in 0..20 {
        match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
            Err(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::INTR) => std::thread::sleep(DESCRIPTOR_WAIT),
            answer => return answer,
        }
    }
    rustix::process::pidfd_open(pid, PidfdFlags::empty())
}

struct SpawnActions(libc::posix_spawn_file_actions_t);

impl SpawnActions {
    fn new() -> io::Result<SpawnActions> {
        let mut raw = MaybeUninit::uninit();
        // SAFETY: the call initialises the object or fails.
        check(unsafe { libc::posix_spawn_file_actions_init(raw.as_mut_ptr()) })?;
        // SAFETY: initialised just now.
        Ok(SpawnActions(unsafe { raw.assume_init() }))
    }

    fn dup2(&mut self, from: i32, to: i32) -> io::Result<()> {
        // SAFETY: an initialised object and two numbers.
        check(unsafe { libc::posix_spawn_file_actions_adddup2(&mut self.0, from, to) })
    }
}

impl Drop for SpawnActions {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`, destroyed once.
        unsafe { libc::posix_spawn_file_actions_destroy(&mut self.0) };
    }
}

struct SpawnAttributes(libc::posix_spawnattr_t);

impl SpawnAttributes {
    fn new() -> io::Result<SpawnAttributes> {
        let mut raw = MaybeUninit::uninit();
        let mut some = MaybeUninit::uninit();
        let mut none = MaybeUninit::uninit();
        let session: libc::c_int = libc::POSIX_SPAWN_SETSID.into();
        let flags = session | libc::POSIX_SPAWN_SETSIGDEF | libc::POSIX_SPAWN_SETSIGMASK;
        // SAFETY: each object is initialised by the first call that is given it, and only then read.
        unsafe {
            check(libc::posix_spawnattr_init(raw.as_mut_ptr()))?;
            let mut attributes = SpawnAttributes(raw.assume_init());
            libc::sigemptyset(some.as_mut_ptr());
            for signal in RESET {
                libc::sigaddset(some.as_mut_ptr(), signal);
            }
            libc::sigemptyset(none.as_mut_ptr());
            check(libc::posix_spawnattr_setsigdefault(&mut attributes.0, some.as_ptr()))?;
            check(libc::posix_spawnattr_setsigmask(&mut attributes.0, none.as_ptr()))?;
            check(libc::posix_spawnattr_setflags(&mut attributes.0, flags as libc::c_short))?;
            Ok(attributes)
        }
    }
}

impl Drop for SpawnAttributes {
    fn drop(&mut self) {
        // SAFETY: initialised in `new`, destroyed once.
        unsafe { libc::posix_spawnattr_destroy(&mut self.0) };
    }
}

/// Turns the result of a posix_spawn function, which returns its error and leaves errno alone, into a `Result`.
fn check(error: libc::c_int) -> io::Result<()> {
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}
