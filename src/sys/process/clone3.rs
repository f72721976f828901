//! Start of a program by clone3(2), with fewer system calls than posix_spawn(3) makes.
//!
//! glibc's posix_spawn resets every signal in the child, 113 system calls of 119, because it cannot assume that the
//! kernel does so: CLONE_CLEAR_SIGHAND (Linux 5.5) does, and CLONE_PIDFD gives the descriptor to wait for.
//!
//! The child shares our memory (CLONE_VM) until it executes the program, and this thread sleeps until then
//! (CLONE_VFORK). Four rules follow, which every change must keep:
//!
//! - The child has a stack of its own, and begins in a function that never returns. On our stack it would write over
//!   the frames in which this thread goes on, so the call is in assembly: no compiler knows of a call that returns
//!   twice on two stacks.
//! - The child only makes system calls. Another thread of ours may hold a lock, such as that of the allocator.
//! - All signals are blocked from before the call until the program runs or this thread goes on: a handler of ours
//!   would run in the child, on our memory.
//! - What the child reads lives in the frame of [`start`], which waits. An error comes back through [`Plan::error`].

use std::arch::asm;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::ptr;

use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions};

use crate::sys::error::is_shortage;
use crate::sys::process::prepared::{DescriptorMove, PreparedStart, RESET};

/// Size of the child's stack in bytes, as in glibc's posix_spawn. The child uses a few hundred.
const STACK_BYTES: usize = 32 << 10;

/// Stack of the child, aligned as both processors require.
#[repr(C, align(16))]
struct Stack([u8; STACK_BYTES]);

/// Arguments of clone3(2), the part that every kernel with the call has.
#[repr(C)]
#[derive(Default)]
struct CloneArguments {
    flags: u64,
    pidfd: u64,
    child_tid: u64,
    parent_tid: u64,
    exit_signal: u64,
    stack: u64,
    stack_size: u64,
    tls: u64,
}

/// What the child does. It shares our memory, so this is also where its error is found.
#[repr(C)]
struct Plan {
    path: *const libc::c_char,
    argv: *const *mut libc::c_char,
    env: *const *mut libc::c_char,
    moves: *const DescriptorMove,
    move_count: usize,
    /// Number of the error that kept the program from running; 0 if it runs.
    error: libc::c_int,
}

/// Signals that are blocked, as the kernel counts them: a bit each.
type SignalMask = u64;

/// Starts a program in a new session. Returns its process id, and a descriptor that becomes readable when it ends;
/// `None` if this system refuses the call: an old kernel, or a system call filter.
pub(super) fn start(program: &PreparedStart<'_>) -> io::Result<Option<(Pid, OwnedFd)>> {
    let mut plan = Plan {
        path: program.path,
        argv: program.argv.as_ptr(),
        env: program.env.as_ptr(),
        moves: program.moves.as_ptr(),
        move_count: program.moves.len(),
        error: 0,
    };
    let mut stack = Box::<Stack>::new_uninit();
    let mut descriptor: libc::c_int = -1;
    let arguments = CloneArguments {
        flags: (libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD) as u64 | CLONE_CLEAR_SIGHAND,
        pidfd: ptr::from_mut(&mut descriptor) as u64,
        exit_signal: libc::SIGCHLD as u64,
        stack: ptr::from_mut(&mut *stack) as u64,
        stack_size: STACK_BYTES as u64,
        ..CloneArguments::default()
    };
    let before = set_signal_mask(SignalMask::MAX);
    // SAFETY: see the rules at the beginning of this file. All that the arguments and the plan point to lives until
    // the call returns in this thread, and nothing else uses it meanwhile.
    let answer = unsafe { clone_and_run(&arguments, &mut plan) };
    set_signal_mask(before);
    if answer < 0 {
        let error = io::Error::from_raw_os_error(-answer as i32);
        // Anything but a shortage is a refusal: filters use several error numbers, and posix_spawn(3), which is
        // tried next, reports an error that is real.
        return if is_shortage(&error) { Err(error) } else { Ok(None) };
    }
    // SAFETY: the kernel has made this descriptor, and it has no other owner.
    let fd = unsafe { OwnedFd::from_raw_fd(descriptor) };
    let pid = Pid::from_raw(answer as i32).ok_or(io::ErrorKind::Other)?;
    // SAFETY: an initialised field of our own; the child, which may have written it, has ended or runs the program.
    let error = unsafe { ptr::read_volatile(&raw const plan.error) };
    if error != 0 {
        while let Err(Errno::INTR) = rustix::process::waitpid(Some(pid), WaitOptions::empty()) {}
        return Err(io::Error::from_raw_os_error(error));
    }
    Ok(Some((pid, fd)))
}

/// Flag of clone3(2): handlers of signals are reset, ignored signals stay ignored. libc has it as a number that
/// does not fit its type.
const CLONE_CLEAR_SIGHAND: u64 = 1 << 32;

/// Sets the signals that are blocked in this thread, and returns those that were. Not by pthread_sigmask(3), which
/// leaves two signals of the C library's own unblocked.
fn set_signal_mask(mask: SignalMask) -> SignalMask {
    let mut before: SignalMask = 0;
    let size = size_of::<SignalMask>();
    // SAFETY: both pointers are to masks of the size that is given.
    unsafe {
        libc::syscall(libc::SYS_rt_sigprocmask, libc::SIG_SETMASK, &raw const mask, &raw mut before, size);
    }
    before
}

/// Makes the child, which runs [`run_program`], and waits until it has executed the program or ended. Returns its
/// process id, or the negative number of an error.
#[cfg(target_arch = "x86_64")]
unsafe fn clone_and_run(arguments: &CloneArguments, plan: &mut Plan) -> i64 {
    let answer: i64;
    // SAFETY: in this thread the instructions are one system call. The child takes the other branch, on its own
    // stack, whose end is aligned and holds no frame, and does not leave it. The kernel keeps rdx and r8.
    unsafe {
        asm!(
            "syscall",
            "test rax, rax",
            "jnz 2f",
            "xor ebp, ebp",
            "mov rdi, rdx",
            "call r8",
            "ud2",
            "2:",
            inlateout("rax") libc::SYS_clone3 => answer,
            in("rdi") ptr::from_ref(arguments),
            in("rsi") size_of::<CloneArguments>(),
            in("rdx") ptr::from_mut(plan),
            in("r8") run_program as unsafe extern "C" fn(*mut Plan) -> !,
            out("rcx") _,
            out("r11") _,
            options(nostack),
        );
    }
    answer
}

/// Makes the child, as on the other processor.
#[cfg(target_arch = "aarch64")]
unsafe fn clone_and_run(arguments: &CloneArguments, plan: &mut Plan) -> i64 {
    let answer: i64;
    // SAFETY: as above. The kernel keeps all registers but x0.
    unsafe {
        asm!(
            "svc #0",
            "cbnz x0, 2f",
            "mov x29, xzr",
            "mov x30, xzr",
            "mov x0, x2",
            "blr x3",
            "brk #1",
            "2:",
            inlateout("x0") ptr::from_ref(arguments) => answer,
            in("x1") size_of::<CloneArguments>(),
            in("x2") ptr::from_mut(plan),
            in("x3") run_program as unsafe extern "C" fn(*mut Plan) -> !,
            in("x8") libc::SYS_clone3,
            options(nostack),
        );
    }
    answer
}

/// Executes the program, in the child. Only system calls: see the rules at the beginning of this file.
unsafe extern "C" fn run_program(plan: *mut Plan) -> ! {
    // SAFETY: the plan and what it points to live in a thread that waits. The functions are bare system calls.
    unsafe {
        if !prepare_child(&*plan) || libc::execve((*plan).path, (*plan).argv.cast(), (*plan).env.cast()) != 0 {
            ptr::write_volatile(&raw mut (*plan).error, *libc::__errno_location());
        }
        libc::_exit(127)
    }
}

/// Resets the signals, begins a session and places the descriptors. Returns false after an error.
unsafe fn prepare_child(plan: &Plan) -> bool {
    // SAFETY: as in `run_program`.
    unsafe {
        for signal in RESET {
            libc::syscall(libc::SYS_rt_sigaction, signal, DEFAULT.as_ptr(), 0, size_of::<SignalMask>());
        }
        if libc::setsid() < 0 {
            return false;
        }
        for index in 0..plan.move_count {
            let DescriptorMove { from, to } = *plan.moves.add(index);
            if libc::dup2(from, to) < 0 {
                return false;
            }
        }
    }
    set_signal_mask(0);
    true
}

/// A kernel's sigaction with the default disposition: all zero, and larger than on any processor.
static DEFAULT: [u64; 8] = [0; 8];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stack_ends_aligned() {
        let stack = Box::<Stack>::new_uninit();
        let end = stack.as_ptr() as usize + STACK_BYTES;
        assert_eq!((end % 16, size_of::<Stack>()), (0, STACK_BYTES));
    }
}
