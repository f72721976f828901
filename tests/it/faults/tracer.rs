//! Runs a program under ptrace(2), counts the system calls of all its threads, and makes one of them fail.
//!
//! The programs that it starts are not traced: a transport that fails is another test. Counting begins when the
//! program has been loaded: the first thing that a Rust program does is to poll its standard descriptors.

use std::collections::HashMap;
use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use libc::{c_int, c_long, pid_t};

/// A set of system calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallClass {
    /// Every call that is a step of the program: neither memory management nor waiting for another thread.
    All,
    /// Calls that change files or directories, or make that durable.
    Mutating,
    /// Calls that use a file or a directory in any way.
    Filesystem,
    /// Calls that need a descriptor, a process, a thread or memory of the kernel.
    ResourceMaking,
    /// Calls that give a file another name.
    Renames,
    /// Calls that a signal handler may interrupt.
    Interruptible,
}

impl CallClass {
    pub const ALL: [CallClass; 6] = [
        CallClass::All,
        CallClass::Mutating,
        CallClass::Filesystem,
        CallClass::ResourceMaking,
        CallClass::Renames,
        CallClass::Interruptible,
    ];

    fn index(self) -> usize {
        CallClass::ALL.iter().position(|class| *class == self).unwrap()
    }

    fn contains(self, call: &SystemCall) -> bool {
        let listed = |names: &[&str]| names.contains(&call.name);
        match self {
            CallClass::All => !listed(UNCOUNTED),
            CallClass::Mutating => listed(MUTATING),
            CallClass::Filesystem => listed(MUTATING) || listed(READING),
            CallClass::ResourceMaking => listed(RESOURCE_MAKING),
            CallClass::Renames => listed(RENAMES),
            CallClass::Interruptible => listed(INTERRUPTIBLE),
        }
    }
}

/// How often they are called depends on the scheduler and the allocator, and the end of a thread cannot fail.
const UNCOUNTED: &[&str] = &[
    "other",
    "futex",
    "exit",
    "exit_group",
    "poll",
    "ppoll",
    "brk",
    "mmap",
    "munmap",
    "mprotect",
    "madvise",
    "sched_yield",
];

const RENAMES: &[&str] = &["rename", "renameat", "renameat2", "link", "linkat"];

const MUTATING: &[&str] = &[
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "write",
    "pwrite64",
    "writev",
    "fsync",
    "fdatasync",
    "syncfs",
    "open",
    "openat",
    "mkdir",
    "mkdirat",
    "unlink",
    "unlinkat",
    "rmdir",
    "ftruncate",
    "fallocate",
    "copy_file_range",
    "sendfile",
    "splice",
    "symlink",
    "symlinkat",
    "chmod",
    "fchmod",
    "fchmodat",
    "utimensat",
];

const READING: &[&str] = &[
    "read",
    "pread64",
    "readv",
    "lseek",
    "fstat",
    "newfstatat",
    "statx",
    "statfs",
    "fstatfs",
    "flock",
    "getdents64",
    "readlink",
    "readlinkat",
    "access",
    "faccessat",
    "faccessat2",
];

const RESOURCE_MAKING: &[&str] = &[
    "open",
    "openat",
    "pipe",
    "pipe2",
    "dup",
    "dup2",
    "dup3",
    "fcntl",
    "clone",
    "clone3",
    "vfork",
    "pidfd_open",
    "eventfd2",
    "epoll_create1",
    "epoll_ctl",
    "inotify_init1",
    "inotify_add_watch",
    "socketpair",
    "memfd_create",
];

const INTERRUPTIBLE: &[&str] = &["read", "pread64", "write", "pwrite64", "flock", "poll", "ppoll", "wait4"];

macro_rules! call_numbers {
    ($($name:ident $constant:ident)*) => { &[$((libc::$constant, stringify!($name))),*] };
}

const CALLS: &[(c_long, &str)] = call_numbers! {
    renameat2 SYS_renameat2 renameat SYS_renameat linkat SYS_linkat write SYS_write pwrite64 SYS_pwrite64
    writev SYS_writev fsync SYS_fsync fdatasync SYS_fdatasync syncfs SYS_syncfs openat SYS_openat mkdirat SYS_mkdirat
    unlinkat SYS_unlinkat ftruncate SYS_ftruncate fallocate SYS_fallocate copy_file_range SYS_copy_file_range
    sendfile SYS_sendfile splice SYS_splice symlinkat SYS_symlinkat fchmod SYS_fchmod fchmodat SYS_fchmodat
    utimensat SYS_utimensat read SYS_read pread64 SYS_pread64 readv SYS_readv lseek SYS_lseek fstat SYS_fstat
    newfstatat SYS_newfstatat statx SYS_statx statfs SYS_statfs fstatfs SYS_fstatfs flock SYS_flock
    getdents64 SYS_getdents64 readlinkat SYS_readlinkat faccessat SYS_faccessat faccessat2 SYS_faccessat2
    pipe2 SYS_pipe2 dup SYS_dup dup3 SYS_dup3 fcntl SYS_fcntl clone SYS_clone clone3 SYS_clone3
    pidfd_open SYS_pidfd_open eventfd2 SYS_eventfd2 epoll_create1 SYS_epoll_create1 epoll_ctl SYS_epoll_ctl
    inotify_init1 SYS_inotify_init1 inotify_add_watch SYS_inotify_add_watch socketpair SYS_socketpair
    getrandom SYS_getrandom memfd_create SYS_memfd_create ppoll SYS_ppoll wait4 SYS_wait4 futex SYS_futex
    exit SYS_exit exit_group SYS_exit_group brk SYS_brk mmap SYS_mmap munmap SYS_munmap mprotect SYS_mprotect
    madvise SYS_madvise sched_yield SYS_sched_yield close SYS_close ioctl SYS_ioctl kill SYS_kill
    rt_sigaction SYS_rt_sigaction rt_sigprocmask SYS_rt_sigprocmask sync_file_range SYS_sync_file_range
    epoll_pwait SYS_epoll_pwait inotify_rm_watch SYS_inotify_rm_watch getcwd SYS_getcwd uname SYS_uname
    getuid SYS_getuid geteuid SYS_geteuid umask SYS_umask getpid SYS_getpid
};

#[cfg(target_arch = "x86_64")]
const OLDER_CALLS: &[(c_long, &str)] = call_numbers! {
    rename SYS_rename link SYS_link open SYS_open mkdir SYS_mkdir unlink SYS_unlink rmdir SYS_rmdir symlink SYS_symlink
    chmod SYS_chmod readlink SYS_readlink access SYS_access pipe SYS_pipe dup2 SYS_dup2 vfork SYS_vfork poll SYS_poll
    epoll_wait SYS_epoll_wait
};
#[cfg(not(target_arch = "x86_64"))]
const OLDER_CALLS: &[(c_long, &str)] = &[];

fn call_name(number: u64) -> &'static str {
    let known = CALLS.iter().chain(OLDER_CALLS).find(|(known, _)| *known as u64 == number);
    known.map_or("other", |(_, name)| name)
}

/// A system call that begins.
struct SystemCall {
    name: &'static str,
    arguments: [u64; 6],
}

impl SystemCall {
    fn is_output(&self) -> bool {
        matches!(self.name, "write" | "writev") && matches!(self.arguments[0], 1 | 2)
    }

    /// True unless the call is about a pipe, a socket or the like: those work when a disk does not.
    fn is_about_file(&self, thread: pid_t) -> bool {
        let target = std::fs::read_link(format!("/proc/{thread}/fd/{}", self.arguments[0] as i32));
        target.map_or(true, |target| target.is_absolute())
    }

    /// Names the call and the file that it is about.
    fn describe(&self, thread: pid_t) -> String {
        let fd = |number: u64| {
            let target = std::fs::read_link(format!("/proc/{thread}/fd/{}", number as i32));
            target.map_or_else(|_| number.to_string(), |path| path.to_string_lossy().into_owned())
        };
        let text = |address: u64| {
            let mut bytes = [0; 200];
            let memory = File::open(format!("/proc/{thread}/mem"));
            let count = memory.and_then(|memory| memory.read_at(&mut bytes, address)).unwrap_or(0);
            let end = bytes[..count].iter().position(|byte| *byte == 0).unwrap_or(count);
            String::from_utf8_lossy(&bytes[..end]).into_owned()
        };
        let [first, second, third, fourth, ..] = self.arguments;
        let about = match self.name {
            "openat" | "mkdirat" | "unlinkat" | "newfstatat" | "statx" | "readlinkat" | "faccessat" | "fchmodat" => {
                format!("{}: {}", fd(first), text(second))
            }
            "renameat" | "renameat2" | "linkat" => {
                format!("{}: {} -> {}: {}", fd(first), text(second), fd(third), text(fourth))
            }
            "rename" | "link" => format!("{} -> {}", text(first), text(second)),
            "open" | "mkdir" | "unlink" | "rmdir" | "chmod" | "readlink" | "access" | "statfs" => text(first),
            "inotify_add_watch" => text(second),
            "pipe2" | "clone" | "clone3" | "vfork" | "eventfd2" | "getrandom" | "poll" | "ppoll" => String::new(),
            _ => fd(first),
        };
        format!("{}({about})", self.name)
    }
}

/// A change of the course of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL instead of the call.
    KillBefore,
    /// SIGKILL when the call has been made.
    KillAfter,
    /// A signal as the call begins.
    Signal(c_int),
    /// The call is not made and fails with this error.
    FailOnce(c_int),
    /// The call is made, and reports this error all the same, as a network filesystem can.
    FailAfterwards(c_int),
    /// The call is not made and fails, and so does each later one of the class. Pipes, standard output and standard error go on to work.
    FailForever(c_int),
}

/// The call at which a fault strikes: the `nth` of a class, the first is 1.
#[derive(Clone, Copy, Debug)]
pub struct FaultPoint {
    pub class: CallClass,
    pub nth: u64,
    pub fault: Fault,
}

/// Observations about one run.
#[derive(Debug, Default)]
pub struct TracedRun {
    /// The exit status, or a signal's number, negative.
    pub code: i32,
    /// The call at which the fault struck, if the run came so far.
    pub struck: Option<String>,
    /// True if the call was one that prints.
    pub struck_output: bool,
    /// True if the run took too long and was killed.
    pub overdue: bool,
    counts: [u64; CallClass::ALL.len()],
}

impl TracedRun {
    /// Number of calls of a class, over all threads.
    pub fn count(&self, class: CallClass) -> u64 {
        self.counts[class.index()]
    }

    /// True if a signal of the test ended it: SIGKILL, or SIGTERM before the program listened to that.
    pub fn was_killed(&self) -> bool {
        matches!(-self.code, libc::SIGKILL | libc::SIGTERM)
    }
}

/// The traced program, for a test that acts while it runs.
pub struct Tracee {
    pidfd: OwnedFd,
    ended: AtomicBool,
}

impl Tracee {
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    pub fn signal(&self, signal: c_int) {
        // SAFETY: a plain system call on a descriptor that this object owns.
        unsafe { libc::syscall(libc::SYS_pidfd_send_signal, self.pidfd.as_raw_fd(), signal, 0, 0) };
    }
}

/// Returns true if programs can be traced here; says so if not, as a container may forbid it.
pub fn can_trace() -> bool {
    let traced = trace(&mut Command::new(crate::world::binary()), None, Duration::from_secs(10), &mut |_| {});
    match traced {
        Ok(run) if run.count(CallClass::All) > 0 => true,
        Ok(_) => panic!("the program was traced, and no call was counted"),
        Err(error) => {
            eprintln!("skipped: no program can be traced with ptrace here: {error}");
            false
        }
    }
}

/// Runs a command to its end, with a fault at a point. `meanwhile` is called while it runs.
pub fn trace(
    command: &mut Command,
    point: Option<FaultPoint>,
    limit: Duration,
    meanwhile: &mut dyn FnMut(&Tracee),
) -> std::io::Result<TracedRun> {
    std::thread::scope(|scope| {
        let (started, tracee) = channel();
        let (ended, end) = channel::<()>();
        // ptrace belongs to the thread that started the program.
        let tracer = scope.spawn(move || {
            let _ended = ended;
            let mut tracer = Tracer::start(command, point)?;
            let _ = started.send(std::sync::Arc::clone(&tracer.tracee));
            tracer.run()
        });
        if let Ok(tracee) = tracee.recv() {
            meanwhile(&tracee);
            if end.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                tracee.signal(libc::SIGKILL);
                let mut run = tracer.join().unwrap()?;
                run.overdue = true;
                return Ok(run);
            }
        }
        tracer.join().unwrap()
    })
}

/// The rest of a call that is being made.
#[derive(Clone, Copy)]
enum Remainder {
    Fail(c_int),
    Kill,
}

struct Tracer {
    pid: pid_t,
    tracee: std::sync::Arc<Tracee>,
    point: Option<FaultPoint>,
    threads: HashMap<pid_t, Option<Remainder>>,
    counting: bool,
    run: TracedRun,
}

impl Tracer {
    fn start(command: &mut Command, point: Option<FaultPoint>) -> std::io::Result<Tracer> {
        // SAFETY: the closure makes two system calls.
        unsafe {
            command.pre_exec(|| {
                // Tests that run under nohup(1) ignore SIGHUP, and a watch would ignore it too.
                libc::signal(libc::SIGHUP, libc::SIG_DFL);
                match libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) {
                    -1 => Err(std::io::Error::last_os_error()),
                    _ => Ok(()),
                }
            })
        };
        let pid = command.spawn()?.id() as pid_t;
        // SAFETY: the call makes a descriptor, which nobody else knows.
        let pidfd = unsafe {
            let fd = libc::syscall(libc::SYS_pidfd_open, pid, 0);
            assert!(fd >= 0, "pidfd_open: {}", std::io::Error::last_os_error());
            OwnedFd::from_raw_fd(fd as c_int)
        };
        let tracee = std::sync::Arc::new(Tracee { pidfd, ended: AtomicBool::new(false) });
        let mut tracer =
            Tracer { pid, tracee, point, threads: HashMap::new(), counting: false, run: TracedRun::default() };
        // It stopped when it had executed the program.
        let Some((_, status)) = wait() else { return Err(std::io::Error::last_os_error()) };
        if !libc::WIFSTOPPED(status) {
            return Err(std::io::Error::other("the program ended before it began"));
        }
        let options = libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_TRACECLONE | libc::PTRACE_O_EXITKILL;
        request(libc::PTRACE_SETOPTIONS, pid, options as usize)?;
        tracer.threads.insert(pid, None);
        tracer.resume(pid, 0);
        Ok(tracer)
    }

    fn run(&mut self) -> std::io::Result<TracedRun> {
        while let Some((thread, status)) = wait() {
            if libc::WIFSTOPPED(status) {
                self.stopped(thread, libc::WSTOPSIG(status), status >> 16);
                continue;
            }
            self.threads.remove(&thread);
            if thread == self.pid {
                let exited = libc::WIFEXITED(status);
                self.run.code = if exited { libc::WEXITSTATUS(status) } else { -libc::WTERMSIG(status) };
                self.tracee.ended.store(true, Ordering::SeqCst);
                return Ok(std::mem::take(&mut self.run));
            }
        }
        Err(std::io::Error::last_os_error())
    }

    fn stopped(&mut self, thread: pid_t, signal: c_int, event: c_int) {
        let is_new = !self.threads.contains_key(&thread);
        self.threads.entry(thread).or_insert(None);
        if signal == libc::SIGTRAP | 0x80 {
            self.system_call(thread);
            self.resume(thread, 0);
        } else if event != 0 || (is_new && signal == libc::SIGSTOP) {
            self.resume(thread, 0);
        } else {
            self.resume(thread, signal);
        }
    }

    /// It may have been killed meanwhile; then there is nothing to resume.
    fn resume(&self, thread: pid_t, signal: c_int) {
        let _ = request(libc::PTRACE_SYSCALL, thread, signal as usize);
    }

    fn system_call(&mut self, thread: pid_t) {
        let Some(info) = SyscallInfo::read(thread) else { return };
        match info.op {
            SyscallInfo::ENTRY => {
                let [number, arguments @ .., _] = info.data;
                self.entered(thread, &SystemCall { name: call_name(number), arguments });
            }
            SyscallInfo::EXIT => match self.threads.insert(thread, None).flatten() {
                Some(Remainder::Fail(error)) => registers::set_result(thread, -i64::from(error)),
                Some(Remainder::Kill) => self.tracee.signal(libc::SIGKILL),
                None => {}
            },
            _ => {}
        }
    }

    fn entered(&mut self, thread: pid_t, call: &SystemCall) {
        if !self.counting {
            self.counting = matches!(call.name, "poll" | "ppoll");
            return;
        }
        for class in CallClass::ALL.into_iter().filter(|class| class.contains(call)) {
            self.run.counts[class.index()] += 1;
        }
        let Some(FaultPoint { class, nth, fault }) = self.point else { return };
        let number = self.run.count(class);
        let lasting = matches!(fault, Fault::FailForever(_));
        if !class.contains(call) || !(number == nth || (lasting && number > nth)) {
            return;
        }
        // Without a descriptor for a program that runs already, it is killed: that is no lasting state.
        let spared = |call: &SystemCall| call.is_output() || call.name == "pidfd_open" || !call.is_about_file(thread);
        if lasting && spared(call) {
            return;
        }
        if self.run.struck.is_none() {
            self.run.struck = Some(call.describe(thread));
            self.run.struck_output = call.is_output();
        }
        match fault {
            Fault::KillBefore => self.tracee.signal(libc::SIGKILL),
            Fault::KillAfter => drop(self.threads.insert(thread, Some(Remainder::Kill))),
            Fault::Signal(signal) => self.tracee.signal(signal),
            Fault::FailAfterwards(error) => drop(self.threads.insert(thread, Some(Remainder::Fail(error)))),
            Fault::FailOnce(error) | Fault::FailForever(error) => {
                registers::skip_call(thread);
                self.threads.insert(thread, Some(Remainder::Fail(error)));
            }
        }
    }
}

/// Waits for a thread that this thread traces; `None` when there is none any more. Children of other threads are not
/// looked at: they belong to other tests.
fn wait() -> Option<(pid_t, c_int)> {
    loop {
        let mut status = 0;
        // SAFETY: the call writes into `status` only.
        let thread = unsafe { libc::waitpid(-1, &mut status, libc::__WALL | libc::__WNOTHREAD) };
        match thread {
            -1 if std::io::Error::last_os_error().raw_os_error() == Some(libc::EINTR) => {}
            -1 => return None,
            thread => return Some((thread, status)),
        }
    }
}

fn request(request: libc::c_uint, thread: pid_t, data: usize) -> std::io::Result<()> {
    // SAFETY: these requests take a number and write no memory of ours.
    match unsafe { libc::ptrace(request, thread, 0, data) } {
        -1 => Err(std::io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// `struct ptrace_syscall_info`: at the entry, `data` is the number and the arguments of the call.
#[repr(C)]
#[derive(Default)]
struct SyscallInfo {
    op: u8,
    padding: [u8; 3],
    arch: u32,
    instruction_pointer: u64,
    stack_pointer: u64,
    data: [u64; 8],
}

impl SyscallInfo {
    const ENTRY: u8 = 1;
    const EXIT: u8 = 2;
    const REQUEST: libc::c_uint = 0x420e;

    fn read(thread: pid_t) -> Option<SyscallInfo> {
        let mut info = SyscallInfo::default();
        let size = size_of::<SyscallInfo>();
        // SAFETY: the kernel writes at most `size` bytes into a structure of that size, in which all bits may be set.
        let read = unsafe { libc::ptrace(SyscallInfo::REQUEST, thread, size, &raw mut info) };
        (read > 0).then_some(info)
    }
}

/// Registers of a stopped thread.
mod registers {
    use libc::{c_uint, pid_t};

    const NT_PRSTATUS: usize = 1;

    fn transfer<T>(request: c_uint, thread: pid_t, set: usize, value: &mut T) {
        let mut vector = libc::iovec { iov_base: (&raw mut *value).cast(), iov_len: size_of::<T>() };
        // SAFETY: the vector describes `value`, which is plain data that the kernel reads or fills.
        unsafe { libc::ptrace(request, thread, set, &raw mut vector) };
    }

    fn change(thread: pid_t, change: impl FnOnce(&mut libc::user_regs_struct)) {
        // SAFETY: plain numbers, for which zero is a value.
        let mut registers: libc::user_regs_struct = unsafe { std::mem::zeroed() };
        transfer(libc::PTRACE_GETREGSET, thread, NT_PRSTATUS, &mut registers);
        change(&mut registers);
        transfer(libc::PTRACE_SETREGSET, thread, NT_PRSTATUS, &mut registers);
    }

    /// Lets the kernel make no call.
    #[cfg(target_arch = "x86_64")]
    pub fn skip_call(thread: pid_t) {
        change(thread, |registers| registers.orig_rax = u64::MAX);
    }

    #[cfg(target_arch = "aarch64")]
    pub fn skip_call(thread: pid_t) {
        const NT_ARM_SYSTEM_CALL: usize = 0x404;
        let mut number: libc::c_int = -1;
        transfer(libc::PTRACE_SETREGSET, thread, NT_ARM_SYSTEM_CALL, &mut number);
    }

    /// Sets what the call returns to the program.
    pub fn set_result(thread: pid_t, result: i64) {
        #[cfg(target_arch = "x86_64")]
        change(thread, |registers| registers.rax = result as u64);
        #[cfg(target_arch = "aarch64")]
        change(thread, |registers| registers.regs[0] = result as u64);
    }
}
