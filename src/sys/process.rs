//! Starting other programs and ending them, group and all.
//!
//! posix_spawn rather than fork: its cost does not grow with our memory, and nothing of ours runs in the child.

use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions};

/// What a new program gets: nothing but this, for all our own descriptors are close-on-exec.
#[derive(Debug)]
pub struct ProgramStart<'a> {
    /// Its arguments; the first is the program, looked for in our `PATH` when it has no slash.
    pub argv: &'a [CString],
    /// Its whole environment, `NAME=value` each.
    pub env: &'a [CString],
    /// Standard input, output and error, and descriptor 3 where a fourth is given.
    pub fds: &'a [BorrowedFd<'a>],
}

/// A running program, leader of a process group of its own.
#[derive(Debug)]
pub struct ChildProcess {
    pid: Pid,
    fd: OwnedFd,
}

/// Time between two tries to get a descriptor for a program that runs.
const DESCRIPTOR_WAIT: Duration = Duration::from_millis(5);

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildEnd {
    /// It exited with this status.
    Exited(i32),
    /// This signal killed it.
    Signalled(i32),
}

/// Marks every descriptor but the first three close-on-exec: what a careless parent left open in us must not get
/// into the programs that we start.
pub fn keep_descriptors() {
    const CLOSE_ON_EXEC: libc::c_uint = 4;
    // SAFETY: changes flags of descriptors of our own, and closes none. Old kernels answer with an error, and then
    // everything is as it was.
    unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, CLOSE_ON_EXEC) };
}

impl ProgramStart<'_> {
    /// Starts the program in a new process group, with no signal blocked, and none of the usual ones ignored.
    pub fn start(&self) -> io::Result<ChildProcess> {
        let pid = self.spawn()?;
        match open_pidfd(pid) {
            Ok(fd) => Ok(ChildProcess { pid, fd }),
            Err(error) => {
                // Without a descriptor to wait on it could run for ever: better not at all.
                let _ = rustix::process::kill_process_group(pid, Signal::KILL);
                let _ = rustix::process::waitpid(Some(pid), WaitOptions::empty());
                Err(error.into())
            }
        }
    }

    fn spawn(&self) -> io::Result<Pid> {
        let pointers = |strings: &[CString]| -> Vec<*mut libc::c_char> {
            strings.iter().map(|text| text.as_ptr().cast_mut()).chain([ptr::null_mut()]).collect()
        };
        let (argv, env) = (pointers(self.argv), pointers(self.env));
        let Some(program) = self.argv.first() else { return Err(io::ErrorKind::InvalidInput.into()) };
        let mut actions = SpawnActions::new()?;
        for (target, fd) in self.fds.iter().enumerate() {
            actions.dup2(fd.as_raw_fd(), target as i32)?;
        }
        let attributes = SpawnAttributes::new()?;
        let mut pid = 0;
        // SAFETY: every pointer is to a live, initialised object of the type that posix_spawnp(3) asks for, and both
        // lists end in a null pointer.
        check(unsafe {
            libc::posix_spawnp(&mut pid, program.as_ptr(), &actions.0, &attributes.0, argv.as_ptr(), env.as_ptr())
        })?;
        Pid::from_raw(pid).ok_or_else(|| io::ErrorKind::Other.into())
    }
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

impl ChildProcess {
    /// A descriptor that becomes readable when the program has ended.
    pub fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    /// Asks the whole process group to stop. Only before [`Child::reap`]: until then nobody else can get its number.
    pub fn ask_to_stop(&self) {
        let _ = rustix::process::kill_process_group(self.pid, Signal::TERM);
    }

    /// Kills the whole process group. Only before [`Child::reap`].
    pub fn kill(&self) {
        let _ = rustix::process::kill_process_group(self.pid, Signal::KILL);
    }

    /// Waits for the end and takes the status.
    pub fn reap(self) -> io::Result<ChildEnd> {
        loop {
            match rustix::process::waitpid(Some(self.pid), WaitOptions::empty()) {
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
                Ok(None) => {}
                Ok(Some((_, status))) => {
                    let signal = status.terminating_signal().map(ChildEnd::Signalled);
                    let exit = status.exit_status().map(ChildEnd::Exited);
                    return signal.or(exit).ok_or_else(|| io::ErrorKind::Other.into());
                }
            }
        }
    }
}

/// True for errors that mean "not now": no memory, processes or descriptors to be had.
pub fn is_shortage(error: &io::Error) -> bool {
    let now = [libc::EAGAIN, libc::ENOMEM, libc::EMFILE, libc::ENFILE];
    error.raw_os_error().is_some_and(|number| now.contains(&number))
}

struct SpawnActions(libc::posix_spawn_file_actions_t);

impl SpawnActions {
    fn new() -> io::Result<SpawnActions> {
        let mut raw = MaybeUninit::uninit();
        // SAFETY: the call initialises what it is given, or fails.
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

/// Signals that we, or whoever started us, may have left ignored. Not all there are: each costs a call a program.
const RESET: [libc::c_int; 9] = [
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

struct SpawnAttributes(libc::posix_spawnattr_t);

impl SpawnAttributes {
    fn new() -> io::Result<SpawnAttributes> {
        let mut raw = MaybeUninit::uninit();
        let mut some = MaybeUninit::uninit();
        let mut none = MaybeUninit::uninit();
        let flags = libc::POSIX_SPAWN_SETPGROUP | libc::POSIX_SPAWN_SETSIGDEF | libc::POSIX_SPAWN_SETSIGMASK;
        // SAFETY: each object is initialised by the first call that is given it, and only then read.
        unsafe {
            check(libc::posix_spawnattr_init(raw.as_mut_ptr()))?;
            let mut attributes = SpawnAttributes(raw.assume_init());
            libc::sigemptyset(some.as_mut_ptr());
            for signal in RESET {
                libc::sigaddset(some.as_mut_ptr(), signal);
            }
            libc::sigemptyset(none.as_mut_ptr());
            check(libc::posix_spawnattr_setpgroup(&mut attributes.0, 0))?;
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

/// The posix_spawn family returns its error instead of setting errno.
fn check(error: libc::c_int) -> io::Result<()> {
    if error == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(error)) }
}
