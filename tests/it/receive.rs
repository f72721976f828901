//! `receive`: mail taken in from standard input, looked at by hooks, filed, told of.

use std::fs;
use std::os::unix::fs::symlink;

use mspool::mail::envelope::id::QueueId;

use crate::world::{World, signal, wait_for};

fn world() -> World {
    let world = World::at_noon();
    world.config("hostname = \"laptop\"\nidentities = [\"joe@example.org\"]\n[queue]\nreserve = \"0B\"\n");
    world
}

/// Configures an inbound hook with this script.
fn hook(world: &World, name: &str, script: &str, keys: &str) {
    let path = world.script(name, script);
    world.configure(&format!("[[hook.inbound]]\ncommand = [{path:?}]\n{keys}\n"));
}

const MAIL: &str = "From: Bob <bob@example.com>\nTo: joe@example.org\nSubject: =?utf-8?q?caf=C3=A9?=\n\nHello.\n";

#[test]
fn a_message_is_filed_with_a_trace_and_otherwise_unchanged() {
    let world = world();
    world.receive(MAIL, &["--to", "joe@laptop", "-f", "bob@example.com"]);
    let inbox = world.inbox();
    assert_eq!(inbox.len(), 1);
    let (trace, rest) = inbox[0].split_at(inbox[0].find("From: Bob").unwrap());
    assert_eq!(rest, MAIL);
    let lines: Vec<&str> = trace.lines().collect();
    assert_eq!(lines[..2], ["Return-Path: <bob@example.com>", "Delivered-To: joe@laptop"]);
    let id = lines[2].strip_prefix("Received: by laptop (mspool) id ").unwrap();
    assert_eq!(QueueId::parse(id).unwrap().seconds(), 1_777_636_800, "{trace}");
    assert_eq!(lines[3], "\tfor <joe@laptop>; Fri, 1 May 2026 12:00:00 +0000");
    assert!(fs::read_dir(world.spool().join("in/new")).unwrap().next().is_none());
    assert!(fs::read_dir(world.spool().join("in/tmp")).unwrap().next().is_none());
}

#[test]
fn every_byte_of_it_stays() {
    let world = world();
    let mails: [&[u8]; 6] = [
        b"Subject: crlf\r\nX: y\r\n\r\nbody\r\n.\r\n",
        b"Subject: \xe9\xff\n\n\0\x1b[2J\r\n\rno end",
        b"\nno header\n",
        b"Subject: header only\n",
        b"not a header line\nbody\n",
        &[b'a'; 200_000],
    ];
    for mail in mails {
        world.receive(mail, &["--to", "joe@laptop", "-f", "b@x"]);
        let path = world.folder_files("").pop().unwrap();
        let filed = fs::read(&path).unwrap();
        assert!(filed.ends_with(mail), "{mail:?}");
        let end: &[u8] = if mail.starts_with(b"Subject: crlf") { b"\r\n" } else { b"\n" };
        assert!(filed.starts_with(&[b"Return-Path: <b@x>", end].concat()));
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn the_senders_name_is_taken_from_where_it_stands() {
    let world = world();
    for (mail, sender, kept) in [
        ("From bob@x Fri May  1 12:00:00 2026\nFrom: other@x\n\nhi\n", "<bob@x>", "From: other@x\n\nhi\n"),
        ("From MAILER-DAEMON Fri May  1\nFrom: other@x\n\nhi\n", "<>", "From: other@x\n\nhi\n"),
        ("From: other@x\n\nhi\n", "<other@x>", "From: other@x\n\nhi\n"),
        ("no from\n", "<>", "no from\n"),
    ] {
        world.receive(mail, &[]);
        let path = world.folder_files("").pop().unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with(&format!("Return-Path: {sender}\n")) && text.ends_with(kept), "{text}");
        assert!(!text.contains("\nFrom bob@x"), "the line of an mbox is no part of the message");
        fs::remove_file(path).unwrap();
    }
    world.receive("Return-Path: <first@x>\nFrom: other@x\n\nhi\n", &[]);
    let text = world.inbox().remove(0);
    assert!(text.starts_with("Return-Path: <first@x>\n") && text.ends_with("+0000\nFrom: other@x\n\nhi\n"), "{text}");
}

#[test]
fn a_return_path_that_the_sender_wrote_is_replaced() {
    let world = world();
    let forged = "From bob@x Fri May  1\nReturn-Path: <forged@x>\nFrom: other@x\nreturn-path:\n <other@x>\nTo: me\n\nReturn-Path: text\n";
    world.receive(forged, &["-f", "real@x"]);
    let text = world.inbox().remove(0);
    assert!(text.starts_with("Return-Path: <real@x>\nDelivered-To: "), "{text}");
    assert!(text.ends_with("\nFrom: other@x\nTo: me\n\nReturn-Path: text\n"), "{text}");
    assert!(!text.contains("forged") && !text.contains("<other@x>"), "{text}");
}

#[test]
fn a_message_that_was_here_is_not_taken_again() {
    let world = world();
    let mail = "Delivered-To: JOE@laptop\nDelivered-To: joe@LAPTOP\nSubject: x\n\n\n";
    world.mspool(&["receive", "--to", "joe@laptop"]).input(mail).run().fails(65, "mail loop");
    world.receive(mail, &["--to", "bob@laptop"]);
    let many: String = (0..100).map(|n| format!("Received: by h{n}; now\n")).collect();
    world.mspool(&["receive"]).input(format!("{many}\nx\n")).run().fails(65, "mail loop");
    world.mspool(&["receive"]).input("").run().fails(65, "empty");
    assert_eq!(world.inbox().len(), 1);
    assert_eq!(fs::read_dir(world.spool().join("in/new")).unwrap().count(), 0);
}

#[test]
fn the_class_decides_the_folder() {
    let world = world();
    world.configure("[folders]\n\"report.\" = \"Reports\"\n\"report.mail.dsn.delayed\" = \".Reports.Late\"\n");
    let dsn = |action: &str| {
        format!(
            "From: MAILER-DAEMON@x\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\n\n\
             --b\n\nhi\n--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\n\
             Final-Recipient: rfc822; a@x\nAction: {action}\nStatus: 4.0.0\n\n--b--\n"
        )
    };
    world.receive(dsn("failed"), &["-f", ""]);
    world.receive(dsn("delayed"), &["-f", ""]);
    world.receive(MAIL, &[]);
    let mdn = "From: a@x\nContent-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n\
               --b\n\nread\n--b\nContent-Type: message/disposition-notification\n\nFinal-Recipient: rfc822; a@x\n\
               Original-Message-ID: <1@x>\nDisposition: manual-action/MDN-sent-manually; displayed\n\n--b--\n";
    let json = world.mspool(&["receive", "--json"]).input(mdn).run().ok();
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((json["class"].as_str(), json["folder"].as_str()), (Some("report.mail.mdn.read"), Some(".Reports")));
    assert!(json["path"].as_str().unwrap().contains("/inbox/.Reports/new/"), "{json}");
    assert_eq!((world.inbox().len(), world.folder(".Reports").len(), world.folder(".Reports.Late").len()), (1, 2, 1));
    assert!(world.spool().join("inbox/.Reports/maildirfolder").exists());
}

#[test]
fn hooks_are_asked_in_order_with_the_message_and_what_is_known_of_it() {
    let world = world();
    hook(
        &world,
        "first",
        "cat >/dev/null; trace \"$MSPOOL_CLASS|$MSPOOL_FOLDER|$MSPOOL_SENDER|$MSPOOL_RECIPIENTS|\
         $MSPOOL_TO_ME$MSPOOL_CC_ME$MSPOOL_RECIP_ME$MSPOOL_FROM_ME$MSPOOL_AUTO_SUBMITTED$MSPOOL_NULL_SENDER\"; \
         echo folder=Lists.rust",
        "",
    );
    hook(&world, "second", "trace \"$MSPOOL_FOLDER $(cat | tail -1) $MSPOOL_FLAGS\"; exit 99", "");
    hook(&world, "third", "trace never", "");
    world.receive(MAIL, &["--to", "joe@laptop"]);
    world.receive(
        "From: joe@example.org\nCc: joe@LAPTOP\nAuto-Submitted: auto-replied\n\nlast\n",
        &["--to", "joe@laptop", "-f", ""],
    );
    assert_eq!(
        world.trace(),
        [
            "mail||bob@example.com|joe@laptop|101000",
            ".Lists.rust Hello. to_me recip_me",
            "mail|||joe@laptop|011111",
            ".Lists.rust last cc_me recip_me from_me auto_submitted null_sender",
        ]
    );
    assert_eq!(world.folder(".Lists.rust").len(), 2);
}

#[test]
fn a_hook_can_drop_a_message_and_says_so() {
    let world = world();
    let path = world.script("drop", "exit 100");
    world.configure(&format!("[[hook.inbound]]\ncommand = [{path:?}]\n[notify]\ncommand = [\"/bin/false\"]\n"));
    let out = world.mspool(&["receive"]).input(MAIL).run().ok();
    assert!(out.starts_with("deleted ") && out.trim_end().ends_with(&format!("hook={}", path.display())), "{out}");
    assert_eq!(world.inbox().len(), 0);
    let log = world.mspool(&["report", "log"]).run().ok();
    assert!(log.contains("dropped by the hook"), "{log}");
}

#[test]
fn a_broken_hook_loses_nothing() {
    for (script, keys) in [
        ("exit 1", ""),
        ("kill -9 $$", ""),
        ("exec sleep 1000", "timeout = \"1s\""),
        ("head -c 2000000 /dev/zero; exit 75", ""),
        ("echo folder=../../../tmp/x", ""),
        ("echo folder=/etc; exit 0", ""),
        ("exit 70", ""),
    ] {
        let world = world();
        hook(&world, "hook", script, keys);
        let ran = world.mspool(&["receive"]).input(MAIL).run();
        assert_eq!((ran.code, ran.out.as_str(), ran.err.lines().count()), (0, "", 1), "{script}: {ran:?}");
        assert!(ran.err.contains("; ignored"), "{ran:?}");
        assert_eq!(world.inbox().len(), 1, "{script}");
    }
    let world = world();
    world.configure("[[hook.inbound]]\ncommand = [\"/nonexistent/hook\"]\n");
    assert_eq!(world.mspool(&["receive"]).input(MAIL).run().code, 0);
    assert_eq!(world.inbox().len(), 1);
}

#[test]
fn mail_never_leaves_the_store() {
    let world = world();
    let out = world.path("outside");
    fs::create_dir_all(out.join("new")).unwrap();
    fs::create_dir_all(world.spool().join("inbox")).unwrap();
    symlink(&out, world.spool().join("inbox/.Out")).unwrap();
    hook(&world, "hook", "echo folder=Out", "");
    let ran = world.mspool(&["receive"]).input(MAIL).run();
    assert!(ran.code == 0 && ran.err.contains("filed in the inbox instead"), "{ran:?}");
    assert_eq!((world.inbox().len(), fs::read_dir(out.join("new")).unwrap().count()), (1, 0));
}

#[test]
fn a_store_that_cannot_be_written_keeps_the_message_for_later() {
    let world = world();
    world.configure("");
    let text = fs::read_to_string(world.path("config.toml")).unwrap();
    let store = world.path("store");
    fs::write(&store, "in the way").unwrap();
    world.config(&format!("store = {store:?}\n{text}"));
    let ran = world.mspool(&["receive"]).input(MAIL).run();
    assert!(ran.code == 0 && ran.err.contains("the message is in the spool"), "{ran:?}");
    assert_eq!(fs::read_dir(world.spool().join("in/new")).unwrap().count(), 1);
    fs::remove_file(&store).unwrap();
    world.flush();
    assert_eq!(fs::read_dir(world.spool().join("in/new")).unwrap().count(), 0);
    assert_eq!(fs::read_dir(store.join("new")).unwrap().count(), 1);
}

#[test]
fn the_user_is_told_in_words_that_are_safe() {
    let world = world();
    let path = world.script(
        "notice",
        "trace \"$# $1 $2 [$MSPOOL_SUBJECT] $MSPOOL_CLASS $MSPOOL_FOLDER\"; test -f \"$MSPOOL_PATH\"",
    );
    world.configure(&format!("[notify]\ncommand = [{path:?}, \"{{subject}}\", \"{{from}}\"]\n"));
    world.receive(MAIL, &[]);
    world.receive("From: -x@y\nSubject: --help\x1b]0;x\x07 $(touch canary) `touch canary`\n\n\n", &[]);
    assert_eq!(
        world.trace(),
        [
            "2 caf\u{e9} Bob <bob@example.com> [caf\u{e9}] mail ",
            "2  --help?]0;x? $(touch canary) `touch canary`  -x@y [--help?]0;x? $(touch canary) `touch canary`] mail ",
        ]
    );
    assert!(!world.path("canary").exists());
}

#[test]
fn a_watch_files_what_is_received_and_tells_of_it() {
    let world = world();
    world.configure("[folders]\n\"mail\" = \"New\"\n");
    let child = world.mspool(&["watch", "--json", "--events", "newmail,shutdown"]).start();
    wait_for("the watch", || world.spool().join("state/runner.watch").exists());
    world.receive(MAIL, &["--to", "joe@laptop"]);
    wait_for("the mail", || world.folder(".New").len() == 1);
    wait_for("an empty in/new", || fs::read_dir(world.spool().join("in/new")).unwrap().next().is_none());
    signal(&child, "TERM");
    let output = child.wait_with_output().unwrap();
    let lines: Vec<serde_json::Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    let news = &lines[0];
    assert_eq!(
        (news["event"].as_str(), news["folder"].as_str(), news["class"].as_str(), news["subject"].as_str()),
        (Some("newmail"), Some(".New"), Some("mail"), Some("caf\u{e9}"))
    );
    assert_eq!(news["from"], "Bob <bob@example.com>");
    assert_eq!(news["flags"], serde_json::json!(["to_me", "recip_me"]));
    let id = QueueId::parse(news["id"].as_str().unwrap()).unwrap();
    assert_eq!(id.seconds(), 1_777_636_800);
    assert!(fs::metadata(news["path"].as_str().unwrap()).is_ok());
}

#[test]
fn an_answering_hook_ends() {
    // The hook answers everything, to the address of this very mailbox, whose mail comes back through receive.
    let mut world = World::new();
    world.clock = None;
    let program = format!("{} --config {}", crate::world::binary(), world.path("config.toml").display());
    let deliver =
        world.script("deliver", &format!("exec {program} receive --to \"$1-$(date +%N)@laptop\" 2>/dev/null"));
    let answer = world.script(
        "answer",
        &format!("cat >/dev/null; trace answered; printf 'Subject: away\\n\\nAway.\\n' | {program} enqueue -f me@laptop me@laptop >/dev/null 2>&1"),
    );
    world.config(&format!(
        "[queue]\nreserve = \"0B\"\n[transport.own]\ncommand = [{deliver:?}, \"{{recipient}}\"]\n\
         [[hook.inbound]]\ncommand = [{answer:?}]\n"
    ));
    world.receive(MAIL, &["--to", "first@laptop"]);
    for _ in 0..60 {
        assert!(world.mspool(&["-q", "flush"]).run().code == 0);
        if world.files("new").is_empty() && world.files("cur").is_empty() {
            break;
        }
    }
    assert!(world.files("new").is_empty() && world.files("cur").is_empty(), "it ends");
    let answers = world.trace().len();
    assert!((2..=40).contains(&answers), "{answers}");
}

#[test]
fn what_another_program_filed_is_looked_at_once() {
    let world = world();
    hook(&world, "hook", "trace \"$(tail -1)\"; case $MSPOOL_CLASS in mail) echo folder=Seen;; esac", "");
    let maildir = world.path("Maildir");
    for dir in ["tmp", "new", "cur"] {
        fs::create_dir_all(maildir.join(dir)).unwrap();
    }
    fs::write(maildir.join("new/1.a"), "Subject: a\n\none\n").unwrap();
    fs::write(maildir.join("new/2.b"), "Subject: b\n\ntwo\n").unwrap();
    let run = || world.mspool(&["receive", "--in-place", maildir.to_str().unwrap()]).run().silent();
    run();
    run();
    assert_eq!(world.trace(), ["one", "two"]);
    assert_eq!(fs::read_to_string(maildir.join(".Seen/new/1.a")).unwrap(), "Subject: a\n\none\n", "unchanged");
    assert_eq!(fs::read_dir(maildir.join("new")).unwrap().count(), 0);
    world.mspool(&["receive", "--in-place", "/nonexistent"]).run().fails(64, "is not a Maildir");
}

#[test]
fn a_mail_system_is_told_to_try_again_whatever_is_wrong_here() {
    let world = world();
    world.mspool(&["receive"]).env("MSPOOL_SPOOL", "/dev/null/x").input(MAIL).run().fails(75, "/dev/null");
    world.config("nonsense = 1\n");
    world.mspool(&["receive"]).input(MAIL).run().fails(75, "unknown key");
    world.mspool(&["receive", "--poll"]).run().fails(78, "unknown key");
}

#[test]
fn another_programs_trace_is_no_loop_unless_the_mailbox_is_named() {
    let world = world();
    let own = world.receive_own_mailbox();
    world.receive(format!("Delivered-To: {own}\nSubject: x\n\nhi\n"), &[]);
    let filed = world.inbox().remove(0);
    world.mspool(&["receive"]).input(filed).run().fails(65, "mail loop");
}

#[test]
fn what_an_earlier_run_left_is_filed_too() {
    let world = world();
    let store = world.path("store");
    fs::write(&store, "in the way").unwrap();
    let text = fs::read_to_string(world.path("config.toml")).unwrap();
    world.config(&format!("store = {store:?}\n{text}"));
    assert_eq!(world.mspool(&["receive"]).input(MAIL).run().code, 0);
    let status = world.mspool(&["report", "status"]).run().ok();
    assert!(status.contains("1 received message not filed yet"), "{status}");
    assert!(world.mspool(&["report"]).run().ok().contains("\n1 received message not filed yet\n"));
    fs::remove_file(&store).unwrap();
    world.receive(MAIL, &[]);
    assert_eq!(fs::read_dir(store.join("new")).unwrap().count(), 2);
}
