//! Taking a message: the id, the bytes, the refusals.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Stdio;

use crate::world::{MAIL, NOON, World, binary, can_run, signal, wait_for};

#[test]
fn prints_an_id_and_keeps_every_byte() {
    let world = World::new();
    let bytes: &[u8] = b"Subject: x\r\n\r\n.\r\n\n.\r\r\0\xff\x1b[2J no final newline";
    let id = world.enqueue_bytes(bytes, &["-f", "joe@example.org", "bob@example.com"]);
    assert_eq!(world.state(&id), "new");
    assert_eq!(world.message(&id), bytes);
    let report = world.report(&id);
    assert_eq!(report["sender"], "joe@example.org");
    assert_eq!(report["size"], bytes.len());
    assert_eq!(report["recipients"][0]["address"], "bob@example.com");
    assert_eq!(report["recipients"][0]["state"], "owed");
}

#[test]
fn nothing_of_the_message_depends_on_its_size() {
    let world = World::new();
    for size in [1, 65_535, 65_536, 65_537, 131_071, 131_073, 262_144, 3_000_001] {
        let bytes: Vec<u8> = (0..size).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 11) as u8).collect();
        let id = world.enqueue_bytes(&bytes, &["bob@example.com"]);
        assert!(world.message(&id) == bytes, "{size}");
    }
}

#[test]
fn files_and_directories_are_private_whatever_the_umask() {
    for umask in ["000", "077", "022"] {
        let world = World::new();
        let script = world.script("run", &format!("umask {umask}; exec \"$@\""));
        let program = binary();
        let program = program.as_str();
        let ran = world.program(&script, &[program, "enqueue", "root"]).input(MAIL).run().ok();
        world.program(&script, &[program, "flush"]).run().silent();
        assert_eq!(world.state(ran.trim()), "sent");
        let mut stack = vec![world.spool()];
        while let Some(path) = stack.pop() {
            let facts = fs::symlink_metadata(&path).unwrap();
            let mode = facts.permissions().mode() & 0o777;
            assert_eq!(mode, if facts.is_dir() { 0o700 } else { 0o600 }, "{}", path.display());
            if facts.is_dir() {
                stack.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            }
        }
    }
}

#[test]
fn refuses_what_it_cannot_take_and_queues_nothing() {
    let world = World::new();
    let enqueue = |args: &[&str]| world.mspool(&[&["enqueue"], args].concat());
    enqueue(&["bob@x"]).run().fails(65, "empty");
    enqueue(&[]).input(MAIL).run().fails(65, "no recipient");
    enqueue(&["bob@x\n"]).input(MAIL).run().fails(65, "control character");
    enqueue(&["a\rb@x"]).input(MAIL).run().fails(65, "control character");
    enqueue(&["-f", "joe\n@x", "bob@x"]).input(MAIL).run().fails(65, "control character");
    enqueue(&["FAX:"]).input(MAIL).run().fails(65, "is empty");
    enqueue(&["a@x,b@x"]).input(MAIL).run().fails(65, "is a list of addresses");
    enqueue(&["Bob <bob@x>"]).input(MAIL).run().fails(65, "give only \"bob@x\"");
    enqueue(&["--wait", "5", "bob@x"]).input(MAIL).run().fails(64, "--wait=5");
    enqueue(&[&format!("{}@x", "a".repeat(100_000))]).input(MAIL).run().fails(65, "longer than");
    enqueue(&["--not-before", "someday", "bob@x"]).input(MAIL).run().fails(64, "not a time");
    enqueue(&["--delay", "-5m", "bob@x"]).input(MAIL).run().fails(64, "");
    enqueue(&["--notify", "sometimes", "bob@x"]).input(MAIL).run().fails(64, "never");
    enqueue(&["--envid", " a", "bob@x"]).input(MAIL).run().fails(64, "envelope id");
    enqueue(&["--keep", "--delete", "bob@x"]).input(MAIL).run().fails(64, "cannot be used with");
    enqueue(&["--sent", "/nonexistent", "bob@x"]).input(MAIL).run().fails(64, "not a Maildir");
    enqueue(&["--transport", "pigeon", "bob@x"]).input(MAIL).run().fails(64, "unknown transport \"pigeon\"");
    enqueue(&["--no-such-flag", "bob@x"]).input(MAIL).run().fails(64, "--no-such-flag");
    for state in ["tmp", "new", "hold"] {
        assert!(world.files(state).is_empty());
    }
}

#[test]
fn refuses_a_closed_standard_input() {
    let world = World::new();
    let program = binary();
    let program = program.as_str();
    let script = world.script("run", "exec \"$@\" <&-");
    world.program(&script, &[program, "enqueue", "bob@x"]).run().fails(65, "empty");
    assert!(world.files("new").is_empty());
}

#[test]
fn refuses_a_message_over_the_limit() {
    let world = World::new();
    world.config("[queue]\nmessage_limit = \"100KiB\"\nreserve = \"0B\"");
    let at_limit = vec![b'x'; 100 << 10];
    world.enqueue_bytes(&at_limit, &["bob@x"]);
    let over = vec![b'x'; (100 << 10) + 1];
    world.mspool(&["enqueue", "bob@x"]).input(over).run().fails(65, "message_limit");
    assert_eq!((world.files("new").len(), world.files("tmp").len()), (1, 0));
}

#[test]
fn refuses_mail_when_space_is_short() {
    let world = World::new();
    world.config("[queue]\nreserve = \"1000000TiB\"");
    world.mspool(&["enqueue", "bob@x"]).input(MAIL).run().fails(75, "too little space");
}

#[test]
fn duplicates_are_removed_and_the_first_spelling_stays() {
    let world = World::new();
    let id =
        world.enqueue(&["--to", "bob@Example.com", "bob@example.COM", "Bob@example.com", "FAX:1", "--to", "FAX:1"]);
    let report = world.report(&id);
    let shown: Vec<String> = report["recipients"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| format!("{}:{}", r["type"].as_str().unwrap(), r["address"].as_str().unwrap()))
        .collect();
    assert_eq!(shown, ["SMTP:bob@Example.com", "FAX:1", "SMTP:Bob@example.com"]);
}

#[test]
fn the_sender_comes_from_whoever_knows_it() {
    let world = World::new();
    let sender = |args: &[&str], mail: &str| {
        let id = world.enqueue_bytes(mail.as_bytes(), args);
        world.report(&id)["sender"].as_str().unwrap().to_owned()
    };
    let with_to = format!("To: bob@x\n{MAIL}");
    assert_eq!(sender(&["-f", "<>", "bob@x"], MAIL), "");
    assert_eq!(sender(&["-f", "", "bob@x"], MAIL), "");
    assert_eq!(sender(&["-f", "ann@x", "-t"], &with_to), "ann@x");
    assert_eq!(sender(&["-t"], &with_to), "joe@example.org");
    assert!(sender(&["bob@x"], MAIL).contains('@'));
    world.config("sender = \"config@example.org\"");
    assert_eq!(sender(&["bob@x"], MAIL), "config@example.org");
    assert_eq!(sender(&["-t"], &with_to), "joe@example.org");
    assert_eq!(sender(&["-f", "ann@x", "--report-to", "bounces@x", "bob@x"], MAIL), "bounces@x");
}

#[test]
fn json_tells_everything_about_what_was_accepted() {
    let world = World::at_noon();
    let ran = world.mspool(&["enqueue", "--json", "--delay", "1h", "-f", "joe@x", "bob@x", "FAX:1"]).input(MAIL).run();
    let line: serde_json::Value = serde_json::from_str(&ran.ok()).unwrap();
    assert_eq!(line["state"], "new");
    assert_eq!(line["not_before"], "2026-05-01T13:00:00Z");
    assert_eq!(line["recipients"][1]["type"], "FAX");
    assert_eq!(world.due(line["id"].as_str().unwrap()), Some(NOON + 3600));
}

#[test]
fn what_is_not_due_says_so_in_its_name() {
    let world = World::at_noon();
    let due = |args: &[&str]| world.due(&world.enqueue(&[args, &["bob@x"]].concat()));
    assert_eq!(due(&[]), None);
    assert_eq!(due(&["--delay", "90s"]), Some(NOON + 90));
    assert_eq!(due(&["--not-before", "2026-05-01T12:10:00Z"]), Some(NOON + 600));
    assert_eq!(due(&["--not-before", "Fri, 1 May 2026 15:00:00 +0200"]), Some(NOON + 3600));
    assert_eq!(due(&["--not-before", "2020-01-01T00:00:00Z"]), None);
    assert_eq!(due(&["--not-before", "1h", "--delay", "2h"]), Some(NOON + 7200));
    assert_eq!(due(&["--not-before", "2h", "--deliver-by", "1h"]), Some(NOON + 3600));
}

#[test]
fn a_held_message_waits_for_the_operator() {
    let world = World::with_relay("trace sent; cat >/dev/null");
    let id = world.enqueue(&["--hold", "bob@x"]);
    assert_eq!(world.state(&id), "hold");
    world.flush();
    world.mspool(&["flush", "--force"]).run().silent();
    assert!(world.trace().is_empty());
}

#[test]
fn a_rehearsal_says_who_would_take_it_and_queues_nothing() {
    let world = World::at_noon();
    world.config(
        "[transport.a]\ntypes = [\"SMTP\"]\ncommand = [\"true\"]\n[transport.b]\nmatch = [\"*@b.example\"]\ncommand = [\"true\"]\n",
    );
    let out = world.mspool(&["enqueue", "--dry-run", "x@b.example", "x@c.example", "FAX:1"]).run().ok();
    assert_eq!(out, "x@b.example: b, then a\nx@c.example: a\nFAX:1: no transport takes it\n");
    let ran = world.mspool(&["enqueue", "--dry-run", "--json", "-t"]).input("To: x@b.example\n\n").run().ok();
    assert_eq!(ran, "{\"address\":\"x@b.example\",\"type\":\"SMTP\",\"transports\":[\"b\",\"a\"]}\n");
    assert!(!world.spool().exists());
}

#[test]
fn now_attempts_at_once_and_keeps_what_remains() {
    let world = World::with_relay("trace \"$MSPOOL_RECIPIENTS\"; cat >/dev/null; case $3 in busy*) exit 75; esac");
    let id = world.enqueue(&["--now", "bob@x"]);
    assert_eq!((world.trace(), world.state(&id)), (vec!["bob@x".to_owned()], "sent".to_owned()));
    let id = world.enqueue(&["--now", "busy@x"]);
    assert_eq!((world.state(&id), world.due(&id)), ("cur".to_owned(), Some(NOON + 300)));
}

#[test]
fn wait_makes_the_outcome_the_exit_status() {
    let world = World::with_relay("cat >/dev/null; case $3 in ok*) exit 0;; no*) exit 67;; *) exit 75; esac");
    let wait = |address: &str| world.mspool(&["enqueue", "--wait=0", address]).input(MAIL).run();
    let ran = wait("ok@x");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let ran = wait("no@x");
    assert_eq!(ran.code, 69);
    assert!(ran.err.contains("no@x: failed via relay: 5.1.1"), "{ran:?}");
    assert_eq!(world.state(ran.out.trim()), "failed");
    let ran = wait("later@x");
    assert_eq!(ran.code, 75);
    assert!(ran.err.contains("still owed to later@x"), "{ran:?}");
    assert_eq!(world.state(ran.out.trim()), "cur");
}

#[test]
fn wait_sees_what_another_run_does() {
    let world = World::with_relay("trace go; cat >/dev/null; test -e \"$HOME/open\" || exit 82");
    let child = world.mspool(&["enqueue", "--wait=30", "bob@x"]).input(MAIL).start();
    wait_for("a first attempt", || !world.trace().is_empty());
    fs::write(world.path("home/open"), "").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_request_to_stop_while_reading_leaves_nothing() {
    for (name, code) in [("TERM", 143), ("INT", 130), ("HUP", 129)] {
        let world = World::new();
        let mut command = world.mspool(&["enqueue", "bob@x"]).command();
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(&vec![b'x'; 300_000]).unwrap();
        wait_for("a draft", || !world.files("tmp").is_empty());
        signal(&child, name);
        let status = child.wait().unwrap();
        let mut text = String::new();
        child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(status.code(), Some(code), "{name}");
        assert!(text.contains("nothing was queued"), "{text}");
        assert!(world.files("tmp").is_empty() && world.files("new").is_empty());
    }
}

#[test]
fn an_id_that_cannot_be_printed_does_not_undo_the_message() {
    let world = World::new();
    let mut command = world.mspool(&["enqueue", "bob@x"]).command();
    command.stdin(fs::File::open(world.path("config.toml")).unwrap());
    world.config("# a comment");
    let mut command = world.mspool(&["enqueue", "bob@x"]).command();
    command.stdin(fs::File::open(world.path("config.toml")).unwrap());
    let output = command.stdout(fs::File::create("/dev/full").unwrap()).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stderr).contains("is queued"));
    assert_eq!(world.files("new").len(), 1);
}

#[test]
fn memory_does_not_grow_with_the_message() {
    if !can_run("python3", &["--version"]) {
        return;
    }
    let world = World::new();
    world.config("[queue]\nmessage_limit = \"1GiB\"\nreserve = \"0B\"");
    let measure = "import resource,subprocess,sys\n\
        subprocess.run(sys.argv[2:],stdin=open(sys.argv[1]),check=True)\n\
        print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)";
    let big = world.path("big");
    let file = fs::File::create(&big).unwrap();
    file.set_len(200 << 20).unwrap();
    let python = std::path::Path::new("python3");
    let program = binary();
    let program = program.as_str();
    let args = ["-c", measure, big.to_str().unwrap(), program, "enqueue", "bob@x"];
    let out = world.program(python, &args).run().ok();
    let kib: u64 = out.lines().last().unwrap().parse().unwrap();
    assert_eq!(fs::metadata(&world.files("new")[0]).unwrap().size() >> 20, 200);
    assert!(kib < 32 << 10, "{kib} KiB");
}

#[test]
fn thirty_thousand_recipients_are_taken_and_a_header_without_end_is_not() {
    let world = World::new();
    let mut header = String::from("To: first@x");
    for n in 0..30_000 {
        header.push_str(&format!(",\n r{n}@example.com"));
    }
    let id = world.enqueue_bytes(format!("{header}\n\nx\n").as_bytes(), &["-t"]);
    assert_eq!(world.report(&id)["recipients"].as_array().unwrap().len(), 30_001);
    let header = format!("To: first@x{}", ",\n r@example.com".repeat(100_000));
    world.mspool(&["enqueue", "-t"]).input(format!("{header}\n\nx\n")).run().fails(65, "header does not end");
}

#[test]
fn a_message_that_goes_round_in_circles_is_refused() {
    let world = World::new();
    let mail = |hops: usize| format!("{}{MAIL}", "Received: from a by b\n".repeat(hops));
    world.enqueue_bytes(mail(99).as_bytes(), &["bob@x"]);
    world.mspool(&["enqueue", "bob@x"]).input(mail(100)).run().fails(65, "mail loop");
}

#[test]
fn a_transport_that_calls_us_again_is_stopped() {
    let world = World::with_relay("");
    let program = binary();
    let program = program.as_str();
    world.relay(
        &format!(
            "trace hop; exec {program} --config {} --spool \"$MSPOOL_SPOOL\" enqueue -f '' bob@x",
            world.path("config.toml").display()
        ),
        "",
    );
    world.enqueue(&["bob@x"]);
    let mut last = String::new();
    for _ in 0..40 {
        last = world.mspool(&["flush"]).run().err;
    }
    assert!(last.is_empty() || last.contains("mail loop"), "{last}");
    assert!(world.trace().len() <= 32, "{}", world.trace().len());
    assert!(world.files("new").is_empty() && world.files("cur").is_empty());
    assert_eq!(world.files("failed").len(), 1);
}
