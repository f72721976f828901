//! `watch`: delivery as mail arrives, on time, and with a configuration that may change.

use std::fs;
use std::process::Child;

use crate::world::{NOON, Seeded, World, signal, signal_until_it_ends, wait_for};

fn watch(world: &World, args: &[&str]) -> Child {
    world.mspool(&[&["watch"], args].concat()).start()
}

/// Stops it and gives what it printed: standard output, standard error.
fn stop(child: Child) -> (String, String) {
    signal(&child, "TERM");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
}

fn events(text: &str) -> Vec<serde_json::Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn new_mail_is_delivered_at_once() {
    let world = World::with_relay("trace \"$3\"; cat >/dev/null");
    let child = watch(&world, &[]);
    wait_for("the watch", || world.spool().join("state/runner.watch").exists());
    for n in 0..20 {
        world.enqueue(&[&format!("r{n}@x")]);
    }
    wait_for("all mail", || world.files("sent").len() == 20);
    assert_eq!(world.trace(), (0..20).map(|n| format!("r{n}@x")).collect::<Vec<_>>());
    stop(child);
}

#[test]
fn events_are_json_lines_and_the_last_says_what_is_left() {
    let world = World::with_relay("cat >/dev/null; case $3 in later*) exit 75;; no*) exit 67;; esac");
    let ids = [world.enqueue(&["yes@x"]), world.enqueue(&["later@x"]), world.enqueue(&["no@x"])];
    let child = watch(&world, &["--json"]);
    wait_for("all mail", || {
        world.files("sent").len() + world.files("failed").len() == 2 && world.due(&ids[1]).is_some()
    });
    let (out, err) = stop(child);
    assert_eq!(err, "");
    let events = events(&out);
    let of = |id: &str| -> Vec<String> {
        let mine = events.iter().filter(|event| event["id"] == id);
        mine.map(|event| event["event"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(of(&ids[0]), ["queued", "sent"]);
    assert_eq!(of(&ids[1]), ["queued", "deferred"]);
    assert_eq!(of(&ids[2]), ["queued", "failed"]);
    let last = events.last().unwrap();
    assert_eq!(
        (last["event"].as_str(), last["queued"].as_u64(), last["complete"].as_bool(), last["next_attempt"].as_str()),
        (Some("shutdown"), Some(1), Some(true), Some("2026-05-01T12:05:00Z"))
    );
}

#[test]
fn what_falls_due_is_attempted_on_time() {
    let world = World::with_relay("trace go; cat >/dev/null");
    let clock = world.path("clock");
    fs::write(&clock, NOON.to_string()).unwrap();
    let run = |args: &[&str]| world.mspool(args).env("MSPOOL_CLOCK", &clock);
    run(&["enqueue", "--delay", "1s", "bob@x"]).input("A: b\n\n").run().ok();
    let child = run(&["watch"]).start();
    wait_for("the watch", || world.spool().join("state/runner.watch").exists());
    assert!(world.trace().is_empty());
    fs::write(&clock, (NOON + 2).to_string()).unwrap();
    wait_for("the delivery", || world.files("sent").len() == 1);
    stop(child);
}

#[test]
fn a_changed_configuration_is_read_and_a_broken_one_is_not() {
    for by_signal in [false, true] {
        let world = World::with_relay("trace old; cat >/dev/null");
        let child = watch(&world, &["--json"]);
        wait_for("the watch", || world.spool().join("state/runner.watch").exists());
        world.enqueue(&["bob@x"]);
        wait_for("the old transport", || world.trace() == ["old"]);
        let plain = world.path("plain.toml");
        fs::copy(world.path("config.toml"), &plain).unwrap();
        let enqueue =
            || world.mspool(&["--config", plain.to_str().unwrap(), "enqueue", "bob@x"]).input("A: b\n\n").run().ok();
        world.config("[transport.relay\n");
        if by_signal {
            signal(&child, "HUP");
        }
        enqueue();
        wait_for("the old transport still", || world.trace() == ["old", "old"]);
        let new = world.script("new", "trace new; cat >/dev/null");
        // Written and moved into place, as editors do.
        let fresh = world.path("fresh.toml");
        fs::write(&fresh, format!("[transport.relay]\ncommand = [{new:?}]\n")).unwrap();
        fs::set_permissions(&fresh, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        fs::rename(&fresh, world.path("config.toml")).unwrap();
        if by_signal {
            signal(&child, "HUP");
        }
        let mut sent = 2;
        wait_for("the new transport", || {
            enqueue();
            sent += 1;
            wait_for("one more", || world.trace().len() >= sent);
            world.trace().last().is_some_and(|line| line == "new")
        });
        let (out, err) = stop(child);
        assert!(err.contains("the previous configuration stays in use"), "{err}");
        assert!(events(&out).iter().any(|event| event["event"] == "error"));
        assert!(events(&out).iter().any(|event| event["event"] == "status"));
    }
}

#[test]
fn one_signal_is_one_reload() {
    let world = World::with_relay("cat >/dev/null");
    let printed = world.path("printed");
    let child = world.mspool(&["watch", "--json"]).start_into(&printed);
    wait_for("the watch", || world.spool().join("state/runner.watch").exists());
    signal(&child, "HUP");
    wait_for("the reload", || fs::read_to_string(&printed).unwrap().contains("reloaded"));
    world.enqueue(&["bob@x"]);
    wait_for("the delivery", || world.files("sent").len() == 1);
    stop(child);
    let out = fs::read_to_string(&printed).unwrap();
    let reloads = events(&out).iter().filter(|event| event["event"] == "status").count();
    assert_eq!(reloads, 1, "{out}");
}

#[test]
fn it_works_beside_flushes() {
    let world = World::with_relay("trace \"$3\"; cat >/dev/null");
    world.relay("trace \"$3\"; cat >/dev/null", "parallel = 2");
    let child = watch(&world, &[]);
    for n in 0..60 {
        world.enqueue(&[&format!("r{n}@x")]);
        if n % 10 == 0 {
            world.mspool(&["flush"]).run().ok();
        }
    }
    wait_for("all mail", || world.files("sent").len() == 60);
    let mut trace = world.trace();
    trace.sort();
    trace.dedup();
    assert_eq!((trace.len(), world.trace().len()), (60, 60));
    stop(child);
}

#[test]
fn resuming_a_transport_wakes_it() {
    let world = World::with_relay("trace go; cat >/dev/null");
    world.mspool(&["flush", "--pause", "relay"]).run().silent();
    let child = watch(&world, &[]);
    wait_for("the watch", || world.spool().join("state/runner.watch").exists());
    world.enqueue(&["bob@x"]);
    world.mspool(&["flush", "--resume", "relay"]).run().silent();
    wait_for("the delivery", || world.files("sent").len() == 1);
    stop(child);
}

#[test]
fn a_busy_transport_is_not_asked_all_the_time() {
    let world = World::with_relay("trace go; cat >/dev/null; exit 82");
    let child = watch(&world, &[]);
    for _ in 0..5 {
        world.enqueue(&["bob@x"]);
    }
    wait_for("five attempts", || world.trace().len() >= 5);
    let (out, _) = stop(child);
    // Its own renames and notes must not wake it: each message was tried once, not in a loop.
    assert_eq!(world.trace().len(), 5, "{out}");
}

#[test]
fn a_stop_finishes_what_is_under_way_and_a_second_one_does_not() {
    let world = World::with_relay(
        "trace begin; cat >/dev/null; while ! test -e \"$HOME/open\"; do sleep 0.02; done; trace end",
    );
    world.enqueue(&["bob@x"]);
    let child = watch(&world, &[]);
    wait_for("the attempt", || world.trace() == ["begin"]);
    signal(&child, "TERM");
    fs::write(world.path("home/open"), "").unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
    assert_eq!(world.trace(), ["begin", "end"]);
    fs::remove_file(world.path("home/open")).unwrap();
    let id = world.enqueue(&["bob@x"]);
    let mut child = watch(&world, &["--json"]);
    wait_for("the attempt", || world.trace().len() == 3);
    signal_until_it_ends(&mut child, "TERM");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(143));
    let text = String::from_utf8(output.stdout).unwrap();
    let last = events(&text).pop().unwrap();
    assert_eq!((last["event"].as_str(), last["complete"].as_bool()), (Some("shutdown"), Some(false)));
    assert_eq!(world.recipient(&id, 0).0, "owed");
}

#[test]
fn a_runner_is_shown_while_it_lives() {
    let world = World::with_relay("cat >/dev/null");
    let child = watch(&world, &[]);
    let runner = || world.json(&["report", "status", "--json"])[1]["runner"].as_str().unwrap().to_owned();
    wait_for("the watch", || runner() == "watch");
    stop(child);
    assert_eq!(runner(), "none");
}

#[test]
fn odd_files_in_the_spool_do_not_stop_it() {
    let world = World::with_relay("trace go; cat >/dev/null");
    let child = watch(&world, &[]);
    wait_for("the watch", || world.spool().join("state/runner.watch").exists());
    for n in 0..20 {
        fs::write(world.spool().join(format!("out/new/odd\u{1b}{n}")), "x").unwrap();
    }
    world.enqueue(&["bob@x"]);
    wait_for("the delivery", || world.files("sent").len() == 1);
    let (_, err) = stop(child);
    assert!(!err.contains('\u{1b}'));
}

/// A name of any bytes that a name can have, or one that begins as names of ours do.
fn odd_name(random: &mut Seeded) -> Vec<u8> {
    let mut name = match random.below(4) {
        0 => format!("1777636{}.M000001P7Q0R0badcafe.host", 100 + random.below(900)).into_bytes(),
        1 => b"1777636000.M000001P7Q0R0badcafe.host,T=".to_vec(),
        2 => b".".to_vec(),
        _ => Vec::new(),
    };
    name.extend(random.bytes(12).iter().map(|byte| if matches!(byte, 0 | b'/') { b'x' } else { *byte }));
    name
}

#[test]
fn no_names_and_no_bytes_in_its_directories_stop_it() {
    use std::os::unix::ffi::OsStringExt;
    let files = std::env::var("MSPOOL_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(300);
    let world = World::with_relay("trace go; cat >/dev/null");
    world.receive("Subject: x\n\n", &[]);
    let child = watch(&world, &["-q"]);
    wait_for("the watch", || world.spool().join("state/runner.watch").exists());
    let mut random = Seeded(7);
    let dirs = ["out/new", "out/cur", "out/hold", "out/tmp", "in/new", "in/tmp", "log", "state", "work"];
    for n in 0..files {
        let dir = world.spool().join(random.one_of(&dirs));
        let path = dir.join(std::ffi::OsString::from_vec(odd_name(&mut random)));
        let content = match random.below(4) {
            0 => Vec::new(),
            1 => b"{\"size\":1                   ,\"id\":\"1777636000.M000001P7Q0R0badcafe.host\"}\nx".to_vec(),
            _ => random.bytes(2000),
        };
        let _ = match random.below(6) {
            0 => fs::create_dir(&path),
            1 => std::os::unix::fs::symlink("/dev/zero", &path),
            _ => fs::write(&path, content),
        };
        if n % 100 == 99 {
            let sent = world.files("sent").len();
            world.enqueue(&["bob@x"]);
            wait_for("the delivery", || world.files("sent").len() > sent);
        }
    }
    world.receive("Subject: y\n\n", &[]);
    wait_for("what was received", || world.inbox().iter().any(|text| text.contains("Subject: y")));
    let (_, err) = stop(child);
    assert!(!err.contains("internal error") && !err.contains(['\u{1b}', '\u{0}']), "{err}");
}
