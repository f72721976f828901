//! Killed, or failed by the system, at every call it makes: what was accepted is never lost, and what was not
//! accepted is never half there.
//!
//! strace(1) counts the calls of a good run, then repeats it with a kill or an error at the first call of a name, the
//! second, and so on. After each, a clean flush must bring everything that was accepted to its place.

use std::collections::BTreeMap;
use std::path::Path;

use crate::world::{MAIL, World, binary, can_run};

pub fn can_trace() -> bool {
    can_run("strace", &["-f", "-e", "trace=none", "true"])
}

/// How often each system call is made, by the thread that makes it most often.
pub fn calls(world: &World, args: &[&str]) -> BTreeMap<String, usize> {
    let log = world.path("calls");
    let program = binary();
    let all = [&["-f", "-qq", "-o", log.to_str().unwrap(), program.as_str()], args].concat();
    let ran = world.program(Path::new("strace"), &all).input(MAIL).run();
    assert_eq!(ran.code, 0, "{ran:?}");
    let mut by_thread: BTreeMap<(String, String), usize> = BTreeMap::new();
    let text = std::fs::read_to_string(&log).unwrap();
    let program_ends = text.lines().filter_map(|line| line.split_once(' '));
    for (pid, call) in program_ends {
        if let Some((name, _)) = call.trim_start().split_once('(')
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        {
            *by_thread.entry((name.to_owned(), pid.to_owned())).or_default() += 1;
        }
    }
    let mut most = BTreeMap::new();
    for ((name, _), count) in by_thread {
        let entry = most.entry(name).or_insert(0);
        *entry = count.max(*entry);
    }
    // Waiting is not a step, and how often is up to the scheduler; the end of a process cannot fail.
    for name in [
        "futex",
        "exit",
        "exit_group",
        "execve",
        "wait4",
        "rt_sigreturn",
        "restart_syscall",
        "poll",
        "ppoll",
        "sched_yield",
        "clone3",
        "vfork",
    ] {
        most.remove(name);
    }
    most
}

pub fn inject(world: &World, what: &str, args: &[&str]) -> crate::world::Ran {
    let (null, fault) = ("/dev/null", format!("inject={what}"));
    let program = binary();
    let all = [&["-f", "-qq", "-o", null, "-e", fault.as_str(), program.as_str()], args].concat();
    world.program(Path::new("strace"), &all).input(MAIL).run()
}

/// A relay that writes down whom it delivered to, or says that it could not.
fn relay() -> World {
    let world = World::with_relay("cat >/dev/null && echo \"$MSPOOL_ID $3\" >>\"$TRACE\" || exit 75");
    // Laid out before anything is traced, so that every run makes the same calls.
    world.enqueue(&["--delete", "warm@x"]);
    world.flush();
    std::fs::remove_file(world.path("trace")).unwrap();
    world
}

/// Brings everything to its end and checks the law: accepted = delivered, none lost, none altered.
fn settle(world: &World, accepted: &[String], context: &str) {
    for _ in 0..4 {
        let ran = world.mspool(&["flush", "--force"]).run();
        assert!(matches!(ran.code, 0 | 74), "{context}: {ran:?}");
        world.mspool(&["flush", "--resume", "relay"]).run().silent();
    }
    for id in accepted {
        let delivered = world.trace().iter().filter(|line| line.starts_with(id.as_str())).count();
        assert!((1..=2).contains(&delivered), "{context}: {id} was delivered {delivered} times");
        assert_eq!(world.state(id), "sent", "{context}");
        assert_eq!(world.message(id), MAIL.as_bytes(), "{context}");
    }
    assert!(world.files("new").is_empty() && world.files("cur").is_empty(), "{context}");
    let ran = world.mspool(&["report", "check"]).run();
    let corrupt = world.files("corrupt").len();
    assert!(ran.code == 0 || corrupt > 0, "{context}: {ran:?}");
}

fn reset(world: &World) {
    for state in ["sent", "failed", "corrupt", "tmp"] {
        for path in world.files(state) {
            std::fs::remove_file(path).unwrap();
        }
    }
    let _ = std::fs::remove_file(world.path("trace"));
}

/// Runs `enqueue` with a fault; the ids that it accepted.
fn accepted(world: &World, fault: &str) -> Vec<String> {
    let ran = inject(world, fault, &["enqueue", "bob@x"]);
    assert!(!ran.err.contains("panicked"), "{fault}: {ran:?}");
    let id = ran.out.trim().to_owned();
    if ran.code == 0 {
        let unprinted = ran.err.contains("cannot be printed") || fault.starts_with("write:");
        assert!(unprinted || !id.is_empty(), "{fault}: {ran:?}");
        let name = |path: &std::path::PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
        return if id.is_empty() { world.files("new").iter().map(name).collect() } else { vec![id] };
    }
    if ran.code > 0 && ran.code < 128 {
        // It lived to say that it failed: then nothing may be there.
        assert!(world.files("new").is_empty(), "{fault}: {ran:?}");
        let could_write = !fault.starts_with("write:") || !fault.ends_with('+');
        assert_eq!(ran.err.lines().count(), usize::from(could_write), "{fault}: {ran:?}");
    }
    // Killed after it had printed the id: that is as good as accepted.
    if id.is_empty() { Vec::new() } else { vec![id] }
}

#[test]
fn enqueue_killed_at_every_call() {
    if !can_trace() {
        return;
    }
    let world = relay();
    let names = calls(&world, &["enqueue", "bob@x"]);
    reset(&world);
    let _ = world.mspool(&["flush"]).run();
    reset(&world);
    for (name, count) in names {
        for nth in 1..=count {
            let fault = format!("{name}:signal=SIGKILL:when={nth}");
            let ids = accepted(&world, &fault);
            settle(&world, &ids, &fault);
            reset(&world);
        }
    }
}

#[test]
fn enqueue_failed_at_every_call() {
    if !can_trace() {
        return;
    }
    let world = relay();
    let names = calls(&world, &["enqueue", "bob@x"]);
    let _ = world.mspool(&["flush"]).run();
    reset(&world);
    for name in ["write", "fsync", "renameat2", "openat", "flock", "fstat", "statfs", "fstatfs", "ftruncate"] {
        for nth in 1..=names.get(name).copied().unwrap_or(0) {
            for error in ["EIO", "ENOSPC"] {
                for times in ["", "+"] {
                    let fault = format!("{name}:error={error}:when={nth}{times}");
                    let ids = accepted(&world, &fault);
                    settle(&world, &ids, &fault);
                    reset(&world);
                }
            }
        }
    }
}

#[test]
fn a_failed_sync_refuses_the_message_and_is_not_tried_again() {
    if !can_trace() {
        return;
    }
    let world = relay();
    for nth in [1, 2] {
        let log = world.path("syncs");
        let fault = format!("inject=fsync:error=EIO:when={nth}");
        let program = binary();
        let args = [
            "-f",
            "-qq",
            "-o",
            log.to_str().unwrap(),
            "-e",
            "trace=fsync",
            "-e",
            &fault,
            program.as_str(),
            "enqueue",
            "bob@x",
        ];
        world.program(Path::new("strace"), &args).input(MAIL).run().fails(74, "cannot sync");
        assert!(world.files("new").is_empty() && world.files("tmp").is_empty());
        let text = std::fs::read_to_string(log).unwrap();
        assert_eq!(text.matches("INJECTED").count(), 1, "{text}");
    }
}

#[test]
fn flush_killed_at_every_call() {
    if !can_trace() {
        return;
    }
    let world = relay();
    world.enqueue(&["bob@x"]);
    let names = calls(&world, &["flush"]);
    reset(&world);
    for (name, count) in names {
        // Startup makes many calls of these, and none of them touches the spool.
        let most =
            if matches!(name.as_str(), "mmap" | "mprotect" | "munmap" | "brk" | "rt_sigaction" | "rt_sigprocmask") {
                3
            } else {
                count
            };
        for nth in 1..=most.min(count) {
            let fault = format!("{name}:signal=SIGKILL:when={nth}");
            let ids = vec![world.enqueue(&["bob@x"]), world.enqueue(&["ann@x"])];
            let ran = inject(&world, &fault, &["flush"]);
            assert!(!ran.err.contains("panicked"), "{fault}: {ran:?}");
            settle(&world, &ids, &fault);
            reset(&world);
        }
    }
}

#[test]
fn flush_failed_at_every_call() {
    if !can_trace() {
        return;
    }
    let world = relay();
    world.enqueue(&["bob@x"]);
    let names = calls(&world, &["flush"]);
    reset(&world);
    for name in [
        "write",
        "fsync",
        "fdatasync",
        "renameat2",
        "openat",
        "flock",
        "fstat",
        "newfstatat",
        "pread64",
        "pipe2",
        "pidfd_open",
    ] {
        for nth in 1..=names.get(name).copied().unwrap_or(0) {
            for error in ["EIO", "EMFILE"] {
                let fault = format!("{name}:error={error}:when={nth}");
                let ids = vec![world.enqueue(&["bob@x"]), world.enqueue(&["ann@x"])];
                let ran = inject(&world, &fault, &["flush"]);
                assert!(!ran.err.contains("panicked"), "{fault}: {ran:?}");
                settle(&world, &ids, &fault);
                reset(&world);
            }
        }
    }
}
