//! Killed, or failed by the system, at every call while a report is made, or a message is received: never no report,
//! never more than two, and what was received with exit 0 is in the store.

use std::fs;

use crate::crash::{calls, can_trace, inject};
use crate::world::{MAIL, World};

/// Brings everything to its end.
fn settle(world: &World) {
    for _ in 0..4 {
        assert!(matches!(world.mspool(&["-q", "flush", "--force"]).run().code, 0 | 74));
    }
}

fn clear(world: &World) {
    for path in world.folder_files("").into_iter().chain(world.files("failed")).chain(world.files("corrupt")) {
        fs::remove_file(path).unwrap();
    }
}

/// The calls that a filesystem fails, or a system that is short of something.
const CAN_FAIL: [&str; 16] = [
    "write",
    "fsync",
    "fdatasync",
    "renameat2",
    "openat",
    "mkdirat",
    "unlinkat",
    "unlink",
    "flock",
    "fstat",
    "newfstatat",
    "pread64",
    "lseek",
    "getdents64",
    "pipe2",
    "pidfd_open",
];

/// Every fault of this kind at every call of a run: `prepare` makes the work, `check` looks at what came of it.
fn sweep(world: &World, args: &[&str], faults: &[&str], prepare: &dyn Fn(), check: &dyn Fn(&str, crate::world::Ran)) {
    prepare();
    let calls = calls(world, args);
    settle(world);
    clear(world);
    for (name, count) in calls {
        for fault in faults {
            if fault.starts_with("error") && !CAN_FAIL.contains(&name.as_str()) {
                continue;
            }
            for when in 1..=count {
                prepare();
                let what = format!("{name}:{fault}:when={when}");
                let ran = inject(world, &what, args);
                assert!(!ran.err.contains("panicked") && !ran.err.contains("internal error"), "{what}: {ran:?}");
                settle(world);
                check(&what, ran);
                clear(world);
            }
        }
    }
}

fn failing() -> World {
    let world = World::with_relay("cat >/dev/null; exit 67");
    world.enqueue(&["-f", "joe@example.org", "warm@x"]);
    settle(&world);
    clear(&world);
    world
}

fn one_or_two_reports(world: &World, what: &str) {
    let reports = world.inbox().len();
    assert!((1..=2).contains(&reports), "{what}: {reports} reports");
    assert!(world.inbox().iter().all(|text| text.trim_end().ends_with("--")), "{what}: whole reports");
    assert!(world.files("new").is_empty() && world.files("cur").is_empty(), "{what}");
}

#[test]
fn reporting_killed_at_every_call() {
    if !can_trace() {
        return;
    }
    let world = failing();
    let prepare = || drop(world.enqueue(&["-f", "joe@example.org", "no@x"]));
    sweep(&world, &["-q", "flush"], &["signal=KILL"], &prepare, &|what, _| one_or_two_reports(&world, what));
}

#[test]
fn reporting_failed_at_every_call() {
    if !can_trace() {
        return;
    }
    let world = failing();
    let prepare = || drop(world.enqueue(&["-f", "joe@example.org", "no@x"]));
    sweep(&world, &["-q", "flush"], &["error=EIO", "error=ENOSPC"], &prepare, &|what, _| {
        one_or_two_reports(&world, what)
    });
}

/// What was received with exit 0 is in the store, once; what was refused may be.
fn receive_is_safe(world: &World, what: &str, ran: &crate::world::Ran) {
    let filed = world.inbox();
    if ran.code == 0 {
        assert_eq!(filed.len(), 1, "{what}: {ran:?}");
    }
    assert!(filed.len() <= 1, "{what}");
    assert!(filed.iter().all(|text| text.ends_with(MAIL)), "{what}: whole");
    assert_eq!(fs::read_dir(world.spool().join("in/new")).unwrap().count(), 0, "{what}");
}

#[test]
fn receive_killed_at_every_call() {
    if !can_trace() {
        return;
    }
    let world = World::with_relay("cat >/dev/null");
    world.receive(MAIL, &[]);
    clear(&world);
    sweep(&world, &["receive"], &["signal=KILL"], &|| {}, &|what, ran| receive_is_safe(&world, what, &ran));
}

#[test]
fn receive_failed_at_every_call() {
    if !can_trace() {
        return;
    }
    let world = World::with_relay("cat >/dev/null");
    world.receive(MAIL, &[]);
    clear(&world);
    let faults = ["error=EIO", "error=ENOSPC", "error=EMFILE"];
    sweep(&world, &["receive"], &faults, &|| {}, &|what, ran| receive_is_safe(&world, what, &ran));
}

#[test]
fn a_sent_copy_killed_at_every_call() {
    if !can_trace() {
        return;
    }
    let world = World::with_relay("cat >/dev/null");
    let sent = world.path("Sent");
    fs::create_dir_all(sent.join("new")).unwrap();
    fs::create_dir_all(sent.join("cur")).unwrap();
    let copies = || fs::read_dir(sent.join("cur")).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    let prepare = || {
        for path in copies().into_iter().chain(world.files("sent")) {
            fs::remove_file(path).unwrap();
        }
        world.enqueue(&["--sent", sent.to_str().unwrap(), "bob@x"]);
    };
    let check = |what: &str, _| {
        assert_eq!((copies().len(), world.files("sent").len()), (1, 1), "{what}");
        assert_eq!(fs::read(&copies()[0]).unwrap(), MAIL.as_bytes(), "{what}");
    };
    sweep(&world, &["flush"], &["signal=KILL"], &prepare, &check);
}

#[test]
fn resend_killed_at_every_call() {
    if !can_trace() {
        return;
    }
    let world = World::with_relay("cat >/dev/null; exit 67");
    let fail = || {
        let id = world.enqueue(&["-f", "", "no@x"]);
        assert_eq!(world.mspool(&["-q", "flush"]).run().code, 0);
        id
    };
    for (name, count) in calls(&world, &["resend", &fail()]) {
        for when in 1..=count {
            for path in world.files("failed").into_iter().chain(world.files("new")) {
                fs::remove_file(path).unwrap();
            }
            let id = fail();
            let what = format!("{name}:signal=KILL:when={when}");
            let _killed = inject(&world, &what, &["resend", &id]);
            let began = world.files("new").len();
            let second = world.mspool(&["resend", &id]).run();
            assert_eq!(world.files("new").len(), if second.code == 0 { 1 } else { began }, "{what}: {second:?}");
            assert_eq!(world.state(&id), "failed", "{what}");
        }
    }
}
