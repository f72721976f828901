//! What reports show, in their forms, and that they get in nobody's way.

use std::fs;

use serde_json::Value;

use crate::world::{MAIL, NOON, World, binary, can_run, wait_for};

#[test]
fn an_empty_queue_says_so() {
    let world = World::new();
    assert_eq!(world.mspool(&["report"]).run().ok(), "The queue is empty.\n");
    world.mspool(&["report", "--json"]).run().silent();
}

#[test]
fn the_queue_lists_what_is_not_finished_and_what_failed() {
    let mut world =
        World::with_relay("cat >/dev/null; case $3 in ok*) exit 0;; no*) exit 67;; esac; echo try later; exit 75");
    world.enqueue(&["ok@x"]);
    let failed = world.enqueue(&["no@x"]);
    let later = world.enqueue(&["-f", "joe@example.org", "later@x", "a@x", "b@x", "c@x", "d@x", "e@x"]);
    let held = world.enqueue(&["--hold", "bob@x"]);
    world.mspool(&["flush"]).run().says("no@x");
    world.clock = Some(NOON + 60);
    let out = world.mspool(&["report"]).run().ok();
    for part in [&failed, &later, &held] {
        assert!(out.contains(part.as_str()), "{out}");
    }
    assert!(out.contains("<joe@example.org> to later@x, a@x, b@x, c@x and 2 more  \"test\""), "{out}");
    assert!(out.contains("(later@x: 4.0.0 try later)"), "{out}");
    assert!(out.contains("    1m  in 4m"), "{out}");
    assert!(out.ends_with("3 messages, 132B: 1 failed, 1 cur, 1 hold\n"), "{out}");
    let states: Vec<String> =
        world.json(&["report", "--json"]).iter().map(|line| line["state"].as_str().unwrap().to_owned()).collect();
    assert_eq!(states, ["failed", "cur", "hold"]);
}

#[test]
fn json_members_are_a_promise() {
    let world = World::with_relay("cat >/dev/null; exit 75");
    let id = world.enqueue(&["-f", "joe@x", "bob@x"]);
    world.flush();
    let line = world.report(&id);
    let object = line.as_object().unwrap();
    for member in [
        "id",
        "state",
        "sender",
        "size",
        "arrival",
        "next_attempt",
        "attempts",
        "expires",
        "subject",
        "resend_of",
        "recipients",
    ] {
        assert!(object.contains_key(member), "{member}");
    }
    let recipient = line["recipients"][0].as_object().unwrap();
    for member in ["type", "address", "state", "status", "text", "transport", "remote_id", "attempts", "last_attempt"] {
        assert!(recipient.contains_key(member), "{member}");
    }
    assert_eq!(line["arrival"], "2026-05-01T12:00:00Z");
    assert_eq!(line["next_attempt"], "2026-05-01T12:05:00Z");
    assert_eq!(line["expires"], "2026-05-06T12:00:00Z");
    let row = &world.json(&["report", "status", "--json"])[0];
    for member in [
        "transport",
        "kind",
        "state",
        "text",
        "types",
        "outbound",
        "inbound",
        "owed",
        "active",
        "next_attempt",
        "breaker",
    ] {
        assert!(row.as_object().unwrap().contains_key(member), "{member}");
    }
    assert_eq!(world.json(&["report", "status", "--json"])[1]["runner"], "none");
    for line in world.json(&["report", "check", "--json"]) {
        for member in ["check", "ok", "text", "path"] {
            assert!(line.as_object().unwrap().contains_key(member), "{member}");
        }
    }
}

#[test]
fn one_message_is_shown_with_its_whole_story() {
    let mut world = World::with_relay("cat >/dev/null; exit 75");
    let id = world.enqueue(&["-f", "joe@x", "bob@x"]);
    world.flush();
    world.clock = Some(NOON + 300);
    world.script("relay", "cat >/dev/null; echo queued as 4F");
    world.flush();
    let out = world.mspool(&["report", &id]).run().ok();
    for part in [
        "state     sent",
        "sender    <joe@x>",
        "subject   test",
        "bob@x: delivered via relay: 2.0.0 queued as 4F (remote id: 4F); attempts: 2",
        "2026-05-01T12:00:00Z  attempt 1 via relay: bob@x",
        "2026-05-01T12:00:00Z  owed via relay: bob@x: 4.0.0 temporary failure (exit status 75); next 2026-05-01T12:05:00Z",
        "2026-05-01T12:05:00Z  delivered via relay: bob@x: 2.0.0 queued as 4F",
    ] {
        assert!(out.contains(part), "{part:?} is not in {out}");
    }
    let log = world.mspool(&["report", "log"]).run().ok();
    assert_eq!(log.lines().count(), 4);
    assert!(log.lines().all(|line| line.contains(&id)));
    assert_eq!(world.json(&["report", "log", "--json", "--since", "1m"]).len(), 2);
    assert_eq!(world.json(&["report", "log", "--json", &id])[1]["event"], "result");
}

#[test]
fn ids_that_are_not_there_say_so_and_the_others_are_shown() {
    let world = World::new();
    let id = world.enqueue(&["bob@x"]);
    world.mspool(&["report", "1.M000000P1Q0R00000000.x"]).run().fails(66, "not in the spool");
    for hostile in ["../../x", "x", "out/new", &"1".repeat(10_000)] {
        world.mspool(&["report", hostile]).run().fails(65, "not a queue id");
    }
    let ran = world.mspool(&["report", "--json", "1.M000000P1Q0R00000000.x", &id]).run();
    assert_eq!((ran.code, ran.out.lines().count()), (1, 1));
}

#[test]
fn nothing_in_mail_can_steer_a_terminal() {
    let world = World::with_relay("cat >/dev/null; printf '\\033[2Jboo\\302\\233' >&2; exit 75");
    let mail = "Subject: a\x1b]0;owned\x07b\u{9b}c\u{202e}d\x7f\rjust\n\nx\n";
    let id = world.enqueue_bytes(mail.as_bytes(), &["-f", "j\u{202e}oe@x", "b\u{2066}ob@x"]);
    world.flush();
    let encoded = world.enqueue_bytes(b"Subject: =?utf-8?b?G1sySmV2aWw=?=\n\nx\n", &["bob@x"]);
    for args in [
        &["report"][..],
        &["report", &id],
        &["report", &encoded],
        &["report", "log"],
        &["report", "stats"],
        &["-v", "flush", "--force"],
    ] {
        let ran = world.mspool(args).run();
        for text in [&ran.out, &ran.err] {
            assert!(
                !text.chars().any(|c| (c.is_control() && c != '\n')
                    || ('\u{202a}'..='\u{202e}').contains(&c)
                    || ('\u{2066}'..='\u{2069}').contains(&c)),
                "{args:?}: {text:?}"
            );
        }
    }
    for args in [&["report", "--json"][..], &["report", "--json", &id], &["report", "log", "--json"]] {
        let ran = world.mspool(args).run();
        assert!(
            !ran.out.chars().any(|c| (c.is_control() && c != '\n') || ('\u{202a}'..='\u{202e}').contains(&c)),
            "{args:?}"
        );
    }
    assert!(world.report(&id)["subject"].as_str().unwrap().contains("\u{202e}"), "JSON loses nothing");
}

#[test]
fn the_table_fits_the_terminal() {
    if !can_run("script", &["-qec", "true", "/dev/null"]) {
        return;
    }
    let world = World::with_relay("cat >/dev/null");
    let long = format!("Subject: {}\n\nx\n", "very long ".repeat(30));
    world.enqueue_bytes(long.as_bytes(), &["bob@example.com", "ann@a-very-long-domain-name.example.org", "c@x"]);
    let program = binary();
    let program = program.as_str();
    let command = format!("stty cols 72; {program} report");
    let ran = world.program(std::path::Path::new("script"), &["-qec", &command, "/dev/null"]).run();
    let lines: Vec<&str> = ran.out.lines().map(|line| line.trim_end_matches('\r')).collect();
    assert!(lines.len() >= 3, "{ran:?}");
    for line in &lines {
        assert!(line.chars().count() <= 72, "{line:?}");
    }
    assert!(lines.iter().any(|line| line.ends_with('…')), "{lines:?}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let world = World::new();
    let mbox: String = (0..2000).map(|n| format!("From x Mon\nSubject: {n}\n\nbody\n\n")).collect();
    world.mspool(&["enqueue", "--mbox", "bob@x"]).input(mbox).run().ok();
    let script = world.script("head", "\"$@\" | head -n 3; exit 0");
    let program = binary();
    let ran = world.program(&script, &[program.as_str(), "report"]).run();
    assert_eq!(ran.ok().lines().count(), 3);
}

#[test]
fn reports_wait_for_nobody() {
    let world = World::with_relay("trace go; cat >/dev/null; while ! test -e \"$HOME/open\"; do sleep 0.02; done");
    let id = world.enqueue(&["bob@x"]);
    let child = world.mspool(&["flush"]).start();
    wait_for("the attempt", || !world.trace().is_empty());
    assert_eq!(world.report(&id)["active"], true);
    assert!(world.mspool(&["report"]).run().ok().contains("cur*"));
    let status = world.json(&["report", "status", "--json"]);
    assert_eq!((status[0]["active"].as_u64(), status[1]["runner"].as_str()), (Some(1), Some("flush")));
    world.mspool(&["report", "stats"]).run().ok();
    world.mspool(&["report", "check"]).run().ok();
    fs::write(world.path("home/open"), "").unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
}

#[test]
fn stats_count_by_state_domain_and_age() {
    let mut world = World::with_relay("cat >/dev/null; exit 75");
    world.enqueue(&["a@one.example", "b@one.example", "c@two.example"]);
    world.clock = Some(NOON + 15 * 60);
    world.enqueue(&["d@one.example", "root", "FAX:1"]);
    world.clock = Some(NOON + 16 * 60);
    let lines = world.json(&["report", "stats", "--json"]);
    let new = lines.iter().find(|line| line["state"] == "new").unwrap();
    assert_eq!((new["messages"].as_u64(), new["bytes"].as_u64()), (Some(2), Some(2 * MAIL.len() as u64)));
    let one = lines.iter().find(|line| line["domain"] == "one.example").unwrap();
    assert_eq!(
        (one["total"].as_u64(), one["ages"]["20m"].as_u64(), one["ages"]["5m"].as_u64()),
        (Some(3), Some(2), Some(1))
    );
    let text = world.mspool(&["report", "stats"]).run().ok();
    assert!(text.contains("(local)") && text.contains("(FAX)"), "{text}");
}

#[test]
fn check_finds_what_is_wrong() {
    let world = World::with_relay("cat >/dev/null");
    world.enqueue(&["bob@x"]);
    world.mspool(&["report", "check"]).run().ok();
    fs::write(world.spool().join("out/new/stray"), "x").unwrap();
    let ran = world.mspool(&["report", "check"]).run();
    assert_eq!(ran.code, 78);
    assert!(ran.out.contains("BAD messages") && ran.out.contains("out/new/stray"), "{}", ran.out);
    fs::remove_file(world.spool().join("out/new/stray")).unwrap();
    world.config(
        "[transport.a]\ncommand = [\"no-such-program\"]\npreprocess = [[\"no-such-filter\"]]\n\
         [inbound.b]\nfetch = [\"no-such-fetch\"]\nack = [\"no-such-ack\"]\n\
         [[hook.inbound]]\ncommand = [\"no-such-hook\"]\n[notify]\ncommand = [\"no-such-notice\"]\n",
    );
    let ran = world.mspool(&["report", "check"]).run();
    assert_eq!(ran.code, 78);
    for name in ["program", "filter", "fetch", "ack", "hook", "notice"] {
        assert!(ran.out.contains(&format!("no-such-{name}: is not in PATH")), "{name}: {}", ran.out);
    }
    let files = [world.path("store"), world.path("sent")];
    world.config(&format!("store = {:?}\n[queue]\nsent = {:?}\n", files[0], files[1]));
    for path in &files {
        fs::write(path, "x").unwrap();
    }
    let ran = world.mspool(&["report", "check"]).run();
    for check in ["store", "sent"] {
        assert!(ran.out.contains(&format!("BAD {check}")), "{check}: {}", ran.out);
    }
}

#[test]
fn the_next_attempt_is_not_before_the_transport_may_be_tried() {
    let world = World::with_relay("cat >/dev/null; exit 78");
    let id = world.enqueue(&["bob@x"]);
    let next = |row: usize| world.json(&["report", "status", "--json"])[row]["next_attempt"].clone();
    let shown = || {
        world
            .mspool(&["report"])
            .run()
            .ok()
            .lines()
            .nth(1)
            .unwrap()
            .split_whitespace()
            .skip(4)
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(shown(), "now");
    assert_eq!(world.mspool(&["flush"]).run().code, 0);
    let trial = world.json(&["report", "status", "--json"])[0]["breaker"]["until"].clone();
    assert!(trial.is_string());
    assert_eq!((next(0), next(1), world.report(&id)["next_attempt"].clone()), (trial.clone(), trial.clone(), trial));
    assert!(shown().starts_with("in "), "{}", shown());
    world.mspool(&["flush", "--pause", "relay"]).run().ok();
    assert_eq!((next(0), next(1), world.report(&id)["next_attempt"].clone()), (Value::Null, Value::Null, Value::Null));
    assert_eq!(shown(), "paused");
    world.mspool(&["flush", "--resume", "relay"]).run().ok();
    world.mspool(&["flush", "--pause", "relay", "--for", "2h"]).run().ok();
    assert_eq!((next(0), shown()), ("2026-05-01T14:00:00Z".into(), "paused".to_owned()));
}

#[test]
fn a_refused_login_is_what_mail_waits_for() {
    let world = World::with_relay("");
    world.relay("cat >/dev/null; exit 77", "exits = { 77 = \"auth\" }");
    let id = world.enqueue(&["bob@x"]);
    assert_eq!(world.mspool(&["flush"]).run().code, 0);
    let report = world.mspool(&["report"]).run().ok();
    assert!(report.lines().nth(1).unwrap().ends_with(" auth"), "{report}");
    assert!(world.mspool(&["report", &id]).run().ok().contains("(auth)"));
}

#[test]
fn a_store_with_folders_alone_is_fine() {
    let world = World::at_noon();
    world.config("[folders]\n\"mail\" = \".Mail\"\n");
    world.receive("Subject: x\n\nhi\n", &[]);
    let check = world.mspool(&["report", "check"]).run();
    assert!(!check.out.contains("BAD"), "{check:?}");
    fs::write(world.spool().join("inbox/notes"), "mine").unwrap();
    let check = world.mspool(&["report", "check"]).run();
    assert!(check.out.contains("BAD store"), "{check:?}");
}

/// Mounts that a test made, until it ends.
struct Mounted(std::path::PathBuf);

impl Mounted {
    /// Runs mount(8); `None` where that is not permitted.
    fn make(at: &std::path::Path, arguments: &[&str]) -> Option<Mounted> {
        let made = std::process::Command::new("mount").args(arguments).arg(at).output();
        if made.is_ok_and(|made| made.status.success()) {
            return Some(Mounted(at.to_owned()));
        }
        eprintln!("skipped: mount is not permitted here");
        None
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(&self.0).status();
    }
}

#[test]
fn a_read_only_spool_is_bad() {
    let world = World::at_noon();
    world.enqueue(&["bob@x"]);
    let spool = world.spool();
    let path = spool.to_str().unwrap();
    let Some(_mount) = Mounted::make(&spool, &["--bind", path]) else { return };
    if Mounted::make(&spool, &["-o", "remount,ro,bind"]).map(std::mem::forget).is_none() {
        return;
    }
    let check = world.mspool(&["report", "check"]).run();
    assert_eq!(check.code, 78, "{check:?}");
    assert!(check.out.contains("BAD spool") && check.out.contains("on a read-only filesystem"), "{check:?}");
    world.mspool(&["enqueue", "bob@x"]).input("x\n").run().fails(78, "Read-only file system");
}

#[test]
fn a_spool_on_two_filesystems_is_bad() {
    let world = World::at_noon();
    world.enqueue(&["bob@x"]);
    let Some(_mount) = Mounted::make(&world.spool().join("out/tmp"), &["-t", "tmpfs", "-o", "mode=0700", "tmpfs"])
    else {
        return;
    };
    let check = world.mspool(&["report", "check"]).run();
    assert_eq!(check.code, 78, "{check:?}");
    assert!(check.out.contains("BAD spool") && check.out.contains("another filesystem"), "{check:?}");
    world.mspool(&["enqueue", "bob@x"]).input("x\n").run().fails(78, "cross-device");
}
