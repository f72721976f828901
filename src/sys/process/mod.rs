//! Starting programs, and ending them with their process groups.
//!
//! posix_spawn(3), not fork(2): its cost does not grow with our memory, and none of our code runs in the child.

use std::ffi::{CStr, CString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::ptr;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions};

/// Everything that a new program gets: all other descriptors are close-on-exec.
#[derive(Debug)]
pub struct ProgramStart<'a> {
    /// Path of the program. `PATH` is not searched: what was judged is what is executed.
    pub path: &'a CStr,
    /// Arguments; the first is the name of the program.
    pub argv: &'a [CString],
    /// Whole environment, as `NAME=value`.
    pub env: &'a [CString],
    /// Standard input, output and error, and descriptor 3 where a fourth is given.
    pub fds: &'a [BorrowedFd<'a>],
    /// File that stays open, as descriptor [`HELD_FD`], for as long as the program or a child of it runs.
    pub held: Option<BorrowedFd<'a>>,
}

/// Number of the descriptor that a program inherits only to hold a lock.
pub const HELD_FD: i32 = 4;

/// Running program, which leads its own session and process group.
#[derive(Debug)]
pub struct ChildProcess {
    pid: Pid,
    fd: OwnedFd,
}

/// Time between two tries to get a descriptor for a program that runs.
const DESCRIPTOR_WAIT: Duration = Duration::from_millis(5);

/// Start of a process, by which it is told apart from a later one with the same id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessStart {
    /// Time of the start in clock ticks since the boot.
    pub ticks: u64,
    /// Id of the boot.
    pub boot: String,
}

/// Returns the start of a process that has not ended; `None` if there is none, or if /proc does not tell. Only processes of
/// our own container can be seen.
pub fn start_of(pid: u32) -> Option<ProcessStart> {
    Some(ProcessStart { ticks: start_ticks(pid)?, boot: boot_id()? })
}

/// Returns the time of the start of a process that has not ended, in clock ticks since the boot; see proc(5).
fn start_ticks(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program, in parentheses, can contain anything.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") { None } else { fields.nth(18)?.parse().ok() }
}

fn boot_id() -> Option<String> {
    Some(std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned())
}

/// End of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildEnd {
    /// Exit with this status.
    Exited(i32),
    /// Death by this signal.
    Signalled(i32),
}

/// Marks every descriptor but the first three close-on-exec: descriptors that our parent left open must not reach
/// the programs that we start.
pub fn keep_descriptors() {
    const CLOSE_ON_EXEC: libc::c_uint = 4;
    // SAFETY: changes flags of descriptors of our own, and closes none. Old kernels return an error and
    // change nothing.
    unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, CLOSE_ON_EXEC) };
}

impl ProgramStart<'_> {
    /// Starts the program in a new session, with no signal blocked and the usual signals not ignored. Without a terminal, a
    /// question on `/dev/tty` fails at once; in a process group of our session it would stop the program.
    pub fn start(&self) -> io::Result<ChildProcess> {
        let pid = self.spawn()?;
        match open_pidfd(pid) {
            Ok(fd) => Ok(ChildProcess { pid, fd }),
            Err(error) => {
                // Without a descriptor to wait for, its time limit could not be kept.
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
        let mut actions = SpawnActions::new()?;
        let targets = self.fds.iter().zip(0..).chain(self.held.iter().zip(HELD_FD..));
        let mut moved = Vec::new();
        for (fd, target) in targets {
            let mut source = fd.as_raw_fd();
            if source <= HELD_FD {
                // Its number is that of a target, and would be taken before its turn.
                let copy = rustix::io::fcntl_dupfd_cloexec(fd, HELD_FD + 1)?;
                source = copy.as_raw_fd();
                moved.push(copy);
            }
            actions.dup2(source, target)?;
        }
        let attributes = SpawnAttributes::new()?;
        let mut pid = 0;
        // SAFETY: every pointer is to a live, initialised object of the type that posix_spawn(3) asks for, and both
        // lists end in a null pointer.
        check(unsafe {
            libc::posix_spawn(&mut pid, self.path.as_ptr(), &actions.0, &attributes.0, argv.as_ptr(), env.as_ptr())
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
    /// Returns a descriptor that becomes readable when the program ends.
    pub fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    /// Returns the process id.
    pub fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Sends SIGTERM to the process group. Only before [`ChildProcess::reap`], which frees its number.
    pub fn ask_to_stop(&self) {
        let _ = rustix::process::kill_process_group(self.pid, Signal::TERM);
    }

    /// Kills the process group. Only before [`ChildProcess::reap`].
    pub fn kill(&self) {
        let _ = rustix::process::kill_process_group(self.pid, Signal::KILL);
    }

    /// Waits for the end and returns the status.
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

/// True for errors that pass: no memory, processes or descriptors available.
pub fn is_shortage(error: &io::Error) -> bool {
    let now = [libc::EAGAIN, libc::ENOMEM, libc::EMFILE, libc::ENFILE];
    error.raw_os_error().is_some_and(|number| now.contains(&number))
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

/// Signals that we or our parent may have left ignored. Not all signals: each costs a system call per program.
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
