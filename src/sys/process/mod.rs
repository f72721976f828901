//! Starting programs, and ending them with their process groups.
//!
//! Neither way to start them copies our memory, as fork(2) would: `clone3` is the quick one, `posix` the one that works
//! everywhere.

#[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), target_pointer_width = "64"))]
mod clone3;
mod posix;
mod prepared;

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{Pid, Signal, WaitOptions};

use crate::sys::process::prepared::PreparedStart;

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

/// True once this system refused clone3(2). A fact about the process: its system call filter cannot be loosened.
static CLONE3_IS_REFUSED: AtomicBool = AtomicBool::new(false);

/// Returns the time of the start of a process, in clock ticks since the boot; see proc(5). `None` if it has ended, or if
/// /proc does not tell: only processes of our own container can be seen.
pub fn start_ticks(pid: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name of the program, in parentheses, can contain anything.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X") { None } else { fields.nth(18)?.parse().ok() }
}

/// Returns the current time in clock ticks since the boot, rounded up.
pub fn ticks_now() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let ticks = rustix::param::clock_ticks_per_second();
    (time.tv_sec as u64).saturating_mul(ticks) + (time.tv_nsec as u64).saturating_mul(ticks) / 1_000_000_000 + 1
}

/// Returns the name of the namespace in which our process ids count, such as `pid:[4026531836]`.
pub fn pid_namespace() -> Option<String> {
    Some(std::fs::read_link("/proc/self/ns/pid").ok()?.to_string_lossy().into_owned())
}

/// Returns the id of this boot.
pub fn boot_id() -> Option<String> {
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
        let fds = self.fds.iter().copied().zip(0..).chain(self.held.into_iter().zip(HELD_FD..));
        let program = PreparedStart::new(self.path, self.argv, self.env, fds, HELD_FD)?;
        if !CLONE3_IS_REFUSED.load(Ordering::Relaxed) {
            if let Some((pid, fd)) = start_by_clone3(&program)? {
                return Ok(ChildProcess { pid, fd });
            }
            CLONE3_IS_REFUSED.store(true, Ordering::Relaxed);
        }
        let (pid, fd) = posix::start(&program)?;
        Ok(ChildProcess { pid, fd })
    }
}

/// Starts a program by clone3(2); `None` where that is refused, or the processor is one that `clone3` does not know.
fn start_by_clone3(program: &PreparedStart<'_>) -> io::Result<Option<(Pid, OwnedFd)>> {
    #[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), target_pointer_width = "64"))]
    return clone3::start(program);
    #[cfg(not(all(any(target_arch = "x86_64", target_arch = "aarch64"), target_pointer_width = "64")))]
    {
        let _ = program;
        Ok(None)
    }
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

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Seek};
    use std::os::fd::AsFd;

    use super::*;
    use crate::sys::process::prepared::RESET;

    /// A way to start a program; `None` where this system refuses it.
    type Start = fn(&PreparedStart<'_>) -> io::Result<Option<(Pid, OwnedFd)>>;

    const WAYS: [Start; 2] = [start_by_clone3, |program| posix::start(program).map(Some)];

    /// Runs a program with its output in a file: its end and the output, or the number of the error.
    fn run(start: Start, path: &CStr, argv: &[&CStr], held: Option<BorrowedFd<'_>>) -> Result<(ChildEnd, String), i32> {
        let argv: Vec<CString> = argv.iter().map(|text| (*text).to_owned()).collect();
        let mut output = tempfile::tempfile().unwrap();
        let null = File::open("/dev/null").unwrap();
        let fds = [null.as_fd(), output.as_fd(), output.as_fd()];
        let all = fds.into_iter().zip(0..).chain(held.into_iter().zip(HELD_FD..));
        let env = [c"A=1".to_owned()];
        let program = PreparedStart::new(path, &argv, &env, all, HELD_FD).unwrap();
        let (pid, fd) = match start(&program) {
            Ok(started) => started.expect("this system has both ways"),
            Err(error) => return Err(error.raw_os_error().unwrap()),
        };
        let end = ChildProcess { pid, fd }.reap().unwrap();
        let mut text = String::new();
        output.rewind().unwrap();
        output.read_to_string(&mut text).unwrap();
        Ok((end, text))
    }

    #[test]
    fn both_ways_give_a_program_the_same() {
        let held = File::open("/dev/null").unwrap();
        let script =
            c"env -u PWD -u OLDPWD -u SHLVL -u _; read -r pid name state ppid group session rest </proc/$$/stat; \
            [ $pid = $session ] && [ $pid = $group ] && echo leads; \
            for n in 0 1 2 3 4 5 6 7 8 9; do [ -h /proc/$$/fd/$n ] && echo $n; done; umask; pwd; exit 7";
        for held in [None, Some(held.as_fd())] {
            let [clone3, posix] = WAYS.map(|start| run(start, c"/bin/sh", &[c"sh", c"-c", script], held).unwrap());
            assert_eq!(clone3, posix);
            assert_eq!(clone3.0, ChildEnd::Exited(7), "{clone3:?}");
            assert!(clone3.1.contains("A=1\nleads\n0\n1\n2\n"), "{clone3:?}");
            assert_eq!(clone3.1.contains("\n4\n"), held.is_some(), "{clone3:?}");
        }
    }

    #[test]
    fn both_ways_reset_signals() {
        for signal in [libc::SIGPIPE, libc::SIGUSR1] {
            // SAFETY: sets a disposition, no handler of ours.
            unsafe { libc::signal(signal, libc::SIG_IGN) };
        }
        let masks = WAYS.map(|start| {
            let status = [c"grep", c"-E", c"^Sig(Blk|Ign):", c"/proc/self/status"];
            let (_, text) = run(start, c"/bin/grep", &status, None).unwrap();
            let of = |line: &str| u64::from_str_radix(line.split('\t').nth(1).unwrap(), 16).unwrap();
            let masks: Vec<u64> = text.lines().map(of).collect();
            // Signals 32 and 33 are the C library's own. Each program sets them as its own library needs.
            (masks[0], masks[1] & !(3 << 31))
        });
        assert_eq!(masks[0], masks[1]);
        let reset = RESET.iter().fold(0, |mask, signal| mask | 1 << (signal - 1));
        assert_eq!((masks[0].0, masks[0].1 & reset), (0, 0));
    }

    #[test]
    fn both_ways_report_what_keeps_a_program_from_running() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str, mode: u32| {
            use std::os::unix::fs::PermissionsExt;
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            CString::new(path.to_str().unwrap()).unwrap()
        };
        let cases = [
            (c"/nonexistent/program".to_owned(), libc::ENOENT),
            (file("closed", "#!/bin/sh\n", 0o644), libc::EACCES),
            (file("text", "no program\n", 0o755), libc::ENOEXEC),
            (file("lost", "#!/nonexistent/interpreter\n", 0o755), libc::ENOENT),
            (CString::new(dir.path().to_str().unwrap()).unwrap(), libc::EACCES),
        ];
        for (path, error) in cases {
            assert_eq!(WAYS.map(|start| run(start, &path, &[c"x"], None)), [Err(error), Err(error)], "{path:?}");
        }
    }

    #[test]
    fn programs_start_from_many_threads_at_once() {
        std::thread::scope(|threads| {
            for worker in 0..8 {
                threads.spawn(move || {
                    for round in 0..25 {
                        let text = format!("{worker} {round}");
                        let argument = CString::new(text.as_str()).unwrap();
                        let ran = run(WAYS[0], c"/bin/echo", &[c"echo", argument.as_c_str()], None);
                        assert_eq!(ran, Ok((ChildEnd::Exited(0), format!("{text}\n"))));
                    }
                });
            }
        });
    }

    #[test]
    fn a_start_leaves_the_blocked_signals_as_they_were() {
        let blocked = || std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let line = |status: String| status.lines().find(|line| line.starts_with("SigBlk:")).map(str::to_owned);
        let before = line(blocked());
        assert!(run(WAYS[0], c"/bin/true", &[c"true"], None).is_ok());
        assert!(run(WAYS[0], c"/nonexistent", &[c"true"], None).is_err());
        assert_eq!(line(blocked()), before);
    }
}
