//! A terminal or a log that shows what strangers wrote: nothing steers it, and one line stays one line.

use std::fs;
use std::path::Path;

use crate::world::{NOON, Ran, World, binary, can_run, signal, wait_for};

/// Text that moves a cursor, names a window, turns letters round, hides them, or ends a line.
const STEERING: &str =
    "a\x1b]0;owned\x07b\x1b[2J\u{9b}31mc\rd\u{8}e\u{7f}f\u{202e}g\u{2066}h\u{200b}i\u{feff}j\u{2028}k\u{85}l\0m";

fn is_steering(c: char) -> bool {
    (c.is_control() && c != '\n')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// A world with mail in every state, each with hostile text wherever a stranger can put some.
fn world() -> (World, Vec<String>) {
    let world = World::at_noon();
    let noise = world.path("noise");
    fs::write(&noise, STEERING).unwrap();
    let say = format!("cat {noise:?}");
    world.relay(
        &format!(
            "cat >/dev/null; {{ printf 'ref '; {say}; echo; printf 'progress 1/2 '; {say}; echo; }} >&3; {say} >&2\n\
             case $3 in no*) exit 67;; later*) exit 75;; async*) exit 81;; broken*) exit 78;; esac"
        ),
        "results = \"lines\"",
    );
    let hook = world.script("hook", &format!("cat >/dev/null; {say} >&2; {say}; exit 1"));
    let fetch = world.script("fetch", &format!("{say} >&2; exit 75"));
    let probe = world.script("probe", &format!("{say}; exit 75"));
    world.configure(&format!(
        "[[hook.inbound]]\ncommand = [{hook:?}]\n[inbound.pop]\nfetch = [{fetch:?}]\n\
         [transport.probed]\ntypes = [\"FAX\"]\ncommand = [\"cat\"]\nprobe = [{probe:?}]\n"
    ));
    let mail = format!("From: {STEERING} <joe@x>\nSubject: {STEERING}\nMessage-ID: <{STEERING}@x>\n\n{STEERING}\n");
    let tails = ["no", "later", "async", "ok", "hold"];
    let ids = tails.map(|tail| {
        let to = format!("{tail}\u{202e}\u{2066}\u{200b}@x");
        let hold: &[&str] = if tail == "hold" { &["--hold"] } else { &[] };
        let args = [&["-f", "j\u{202e}oe@x"], hold, &["--", &to]].concat();
        world.enqueue_bytes(mail.as_bytes(), &args)
    });
    let encoded = "Subject: =?utf-8?b?G1sySmV2aWwKCmxpbmUKDQk=?=\nFrom: =?utf-8?q?=1B=5B2J=0A=0Aevil?= <a@x>\n\nx\n";
    let mut ids: Vec<String> = ids.into();
    ids.push(world.enqueue_bytes(encoded.as_bytes(), &["later@x"]));
    world.enqueue(&["FAX:\u{202e}1"]);
    fs::write(world.spool().join("out/new/odd\u{1b}[2J\n\u{202e}name"), "x").unwrap();
    let damaged = world.enqueue(&["bob@x"]);
    fs::write(world.find(&damaged).unwrap().1, format!("{{\"{STEERING}\n")).unwrap();
    (world, ids)
}

#[track_caller]
fn is_harmless(ran: &Ran, what: &str) {
    assert!(ran.code >= 0 && ran.code != 70, "{what}: {ran:?}");
    for text in [&ran.out, &ran.err] {
        assert!(!text.chars().any(is_steering), "{what}: {text:?}");
    }
}

#[test]
fn no_command_prints_what_steers_a_terminal() {
    let (world, ids) = world();
    let bounce = format!(
        "From: a@x\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nx\n--b\n\
         Content-Type: message/delivery-status\n\nReporting-MTA: dns; {STEERING}\n\nFinal-Recipient: rfc822; {STEERING}@x\n\
         Action: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; {STEERING}\n\n--b--\n"
    );
    let hostile = STEERING.replace('\0', "");
    let mut lines: Vec<Vec<&str>> = vec![
        vec!["-v", "flush", "--dry-run"],
        vec!["-v", "flush", "--force"],
        vec!["flush", "--json"],
        vec!["receive"],
        vec!["receive", "--json"],
        vec!["receive", "--poll"],
        vec!["report"],
        vec!["report", "--json"],
        vec!["report", "log"],
        vec!["report", "log", "--json"],
        vec!["report", "stats"],
        vec!["report", "status"],
        vec!["report", "status", "--json"],
        vec!["report", "types"],
        vec!["report", "check", "--probe"],
        vec!["report", "parse", "-"],
        vec!["report", "rewrite", "b\u{202e}ob@x"],
        vec!["mailq"],
        vec!["enqueue", "--dry-run", "b\u{202e}ob@x"],
        vec!["sendmail", "-bv", "b\u{202e}ob@x"],
        vec!["cancel", &ids[2]],
        vec!["resend", "--dry-run", &ids[0]],
    ];
    for format in ["postfix", "exim", "nullmailer", "qmail", "mailq", "qmail-qread", "qmail-qstat"] {
        lines.push(vec!["report", "--format", format]);
    }
    for id in &ids {
        lines.extend([vec!["report", id], vec!["report", "--json", id], vec!["report", "log", id], vec!["hold", id]]);
    }
    for option in ["--to", "--from", "--envid", "--transport", "--notify", "--delay", "--no-such"] {
        lines.push(vec!["enqueue", option, &hostile, "bob@x"]);
    }
    for verb in ["enqueue", "cancel", "report", "flush", "resend", "receive", "sendmail", "no-such"] {
        lines.push(vec![verb, &hostile]);
    }
    for args in lines {
        let ran = world.mspool(&args).input(&bounce).run();
        is_harmless(&ran, &format!("{args:?}"));
        if args.contains(&"--json") {
            assert!(ran.out.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{args:?}");
        }
    }
}

#[test]
fn a_terminal_is_told_nothing_else_than_a_file() {
    if !can_run("script", &["-qec", "true", "/dev/null"]) {
        return;
    }
    let (world, ids) = world();
    is_harmless(&world.mspool(&["flush"]).run(), "flush");
    let program = binary();
    for args in ["report", "report log", "report stats", "report status", "mailq", &format!("report {}", ids[0])] {
        let command = format!("{program} {args}");
        let ran = world.program(Path::new("script"), &["-qec", &command, "/dev/null"]).run();
        let plain = Ran { out: ran.out.replace("\r\n", "\n"), ..ran };
        assert!(plain.out.lines().count() > 1, "{args}: {plain:?}");
        is_harmless(&plain, args);
    }
}

#[test]
fn a_watch_prints_one_line_for_each_event() {
    for json in [false, true] {
        let (mut world, _) = world();
        let log = world.path("log");
        world.clock = Some(NOON + 3600);
        let args: &[&str] = if json { &["-v", "watch", "--json"] } else { &["-v", "watch"] };
        let child = world.mspool(args).start_into(&log);
        let mail = format!("From: {STEERING}\nSubject: {STEERING}\n\n\n");
        assert_eq!(world.mspool(&["-q", "receive"]).input(mail).run().code, 0);
        // A strange file stays, and the fax, whose probe fails.
        wait_for("all mail", || world.files("new").len() == 2 && world.files("sent").len() == 1);
        wait_for("what was received", || !world.inbox().is_empty());
        wait_for("all events", || fs::read_to_string(&log).unwrap().lines().count() >= 8);
        signal(&child, "TERM");
        let ran = Ran { out: fs::read_to_string(&log).unwrap(), ..Ran::from(child.wait_with_output().unwrap()) };
        is_harmless(&ran, "watch");
        assert!(ran.out.lines().count() >= 8, "{}", ran.out);
        if json {
            let events = ran.out.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
            assert!(events.into_iter().all(|event| event["event"].is_string()), "{}", ran.out);
        } else {
            for line in ran.out.lines() {
                let stamped = line.split_whitespace().next().is_some_and(|word| word.starts_with("2026-05-01"));
                assert!(stamped, "a line that no event began: {line:?}\n{}", ran.out);
            }
        }
    }
}

#[test]
fn no_program_can_ask_a_question_on_the_terminal() {
    if !can_run("script", &["-qec", "true", "/dev/null"]) {
        eprintln!("skipped: script(1) does not work here");
        return;
    }
    let world =
        World::with_relay("if (: </dev/tty) 2>/dev/null; then trace asked; else trace alone; fi; cat >/dev/null");
    let id = world.enqueue(&["bob@x"]);
    let command = format!("{} flush", crate::world::binary());
    let ran = world.program(Path::new("script"), &["-qec", &command, "/dev/null"]).run();
    assert_eq!((ran.code, world.state(&id).as_str()), (0, "sent"), "{ran:?}");
    assert_eq!(world.trace(), ["alone"]);
}
