//! What is done when a message has been sent: outbound hooks, and the copy.

use std::fs;
use std::path::PathBuf;

use mspool::mail::envelope::id::QueueId;

use crate::world::{MAIL, World};

/// A world with a Maildir for sent copies by configuration, and an outbound hook with this script.
fn world(script: &str) -> (World, PathBuf) {
    let world = World::at_noon();
    world.relay(
        "cat >/dev/null; for r in \"$@\"; do case $r in no*) echo \"rcpt $r 5.1.1 no\" >&3;; \
         later*) echo \"rcpt $r 4.2.1 away\" >&3;; esac; done",
        "results = \"lines\"",
    );
    let (hook, sent) = (world.script("hook", script), world.path("Sent"));
    let text = fs::read_to_string(world.path("config.toml")).unwrap();
    let text = text.replace("[queue]\n", &format!("[queue]\nsent = {sent:?}\n"));
    world.config(&format!("{text}[[hook.outbound]]\ncommand = [{hook:?}]\ntimeout = \"1s\"\n"));
    (world, sent)
}

fn files(path: PathBuf) -> usize {
    fs::read_dir(path).map_or(0, Iterator::count)
}

#[test]
fn the_hook_sees_the_message_when_nobody_is_owed_any_more() {
    let (world, sent) = world("trace \"$MSPOOL_ID $MSPOOL_SENDER $MSPOOL_RECIPIENTS $(tail -1) $MSPOOL_SENT\"");
    let id = world.enqueue(&["-f", "joe@example.org", "yes@x"]);
    let owed = world.enqueue(&["-f", "joe@example.org", "yes@x", "later@x"]);
    let failed = world.enqueue(&["-f", "", "no@x"]);
    world.flush_quietly();
    assert_eq!(world.trace(), [format!("{id} joe@example.org yes@x Hello. {}", sent.display())]);
    assert_eq!(
        (world.state(&id).as_str(), world.state(&owed).as_str(), world.state(&failed).as_str()),
        ("sent", "cur", "failed")
    );
    let copies = fs::read_dir(sent.join("cur")).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    assert_eq!(copies.len(), 1);
    assert_eq!(fs::read(&copies[0]).unwrap(), MAIL.as_bytes());
    let name = QueueId::parse(&id).unwrap().maildir_name("");
    assert_eq!(copies[0], sent.join(format!("cur/{name}:2,S")), "a copy of a message that the user wrote is read");
    assert_eq!(files(sent.join("new")), 0);
}

#[test]
fn a_copy_is_filed_when_somebody_has_it_and_nobody_is_owed() {
    let (world, sent) = world("exit 0");
    world.enqueue(&["-f", "", "yes@x"]);
    world.enqueue(&["-f", "joe@example.org", "--notify", "never", "yes@x", "no@x"]);
    world.enqueue(&["-f", "joe@example.org", "--delete", "yes@x"]);
    world.enqueue(&["-f", "joe@example.org", "--notify", "never", "no@x"]);
    world.flush_quietly();
    assert_eq!(files(sent.join("cur")), 1, "not of reports, not where the sender wants none, not of what nobody got");
}

#[test]
fn the_hook_can_choose_the_folder_or_want_no_copy() {
    let (world, sent) = world("case $(head -2 | tail -1) in *test) echo folder=Archive;; *) exit 100;; esac");
    world.enqueue(&["yes@x"]);
    world.enqueue_bytes(b"From: a@b\nSubject: other\n\nx\n", &["yes@x"]);
    world.flush();
    assert_eq!((files(sent.join(".Archive/cur")), files(sent.join("cur"))), (1, 0));
    assert_eq!(world.files("sent").len(), 2);
}

#[test]
fn a_broken_hook_changes_nothing() {
    for script in ["exit 1", "kill -9 $$", "exec sleep 1000", "head -c 2000000 /dev/zero", "echo folder=../x"] {
        let (world, sent) = world(script);
        let id = world.enqueue(&["yes@x"]);
        let ran = world.mspool(&["flush"]).run();
        assert_eq!(ran.code, 0, "{script}: {ran:?}");
        assert_eq!((world.state(&id).as_str(), files(sent.join("cur"))), ("sent", 1), "{script}");
    }
}

#[test]
fn slow_hooks_keep_no_result_from_the_disk() {
    let (world, _) = world("while ! test -e \"$(dirname \"$TRACE\")/go\"; do :; done");
    let text = fs::read_to_string(world.path("config.toml")).unwrap();
    world.config(&text.replace("timeout = \"1s\"", "timeout = \"1h\""));
    let ids: Vec<String> = (0..5).map(|n| world.enqueue(&[&format!("yes{n}@x")])).collect();
    let child = world.mspool(&["flush"]).start();
    crate::world::wait_for("all results", || ids.iter().all(|id| world.recipient(id, 0).0 == "delivered"));
    assert_eq!(world.files("sent").len(), 0);
    fs::write(world.path("go"), "").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), world.files("sent").len()), (Some(0), 5));
}

#[test]
fn what_a_kill_left_unfinished_the_next_run_finishes() {
    let (world, sent) = world("test -e \"$(dirname \"$TRACE\")/go\" || { kill -9 $PPID; exit; }; trace finished");
    let id = world.enqueue(&["yes@x"]);
    assert_eq!(world.mspool(&["flush"]).run().code, -9);
    assert_eq!(world.recipient(&id, 0).0, "delivered");
    assert_eq!(files(sent.join("cur")), 0);
    fs::write(world.path("go"), "").unwrap();
    world.flush();
    assert_eq!((world.state(&id).as_str(), files(sent.join("cur")), world.trace().len()), ("sent", 1, 1));
    assert_eq!(world.report(&id)["attempts"], 1, "not delivered again");
}

#[test]
fn hooks_are_asked_once_however_often_the_copy_is_tried() {
    let (world, sent) = world("trace asked; echo folder=Kept");
    fs::write(&sent, "in the way").unwrap();
    let id = world.enqueue(&["yes@x"]);
    for _ in 0..3 {
        let ran = world.mspool(&["flush", "--force"]).run();
        assert!(ran.code == 74 && ran.err.contains(&id), "{ran:?}");
    }
    fs::remove_file(&sent).unwrap();
    world.flush();
    assert_eq!((world.trace().len(), files(sent.join(".Kept/cur")), world.state(&id).as_str()), (1, 1, "sent"));
}

const TRACED: &[u8] = b"From: joe@x\nreturn-path: <forged@x>,\n more\nTo: bob@x\nDate: now\nMessage-ID: <1@x>\nReturn-Path: <b@x>\n\nReturn-Path: text\n";
const UNTRACED: &str = "From: joe@x\nTo: bob@x\nDate: now\nMessage-ID: <1@x>\n\nReturn-Path: text\n";

#[test]
fn what_is_read_from_a_header_loses_its_return_path() {
    let world = World::at_noon();
    let id = world.enqueue_bytes(TRACED, &["-t"]);
    assert_eq!(String::from_utf8_lossy(&world.message(&id)), UNTRACED);
    world.mspool(&["sendmail", "-i", "bob@x"]).input(TRACED).run().silent();
    let id = world.json(&["report", "--json"])[1]["id"].as_str().unwrap().to_owned();
    let text = String::from_utf8(world.message(&id)).unwrap();
    assert!(text.starts_with("Received: ") && text.ends_with(UNTRACED), "{text}");
}

#[test]
fn a_transport_that_relays_gets_no_return_path() {
    for (keys, expected) in [("relays = true", UNTRACED.as_bytes()), ("", TRACED)] {
        let world = World::with_relay("");
        world.relay("cat >\"$TRACE\"; cat /dev/stdin >>\"$TRACE\"", keys);
        let id = world.enqueue_bytes(TRACED, &["bob@x"]);
        assert_eq!(world.message(&id), TRACED, "queued as it was submitted");
        world.flush();
        let seen = fs::read(world.path("trace")).unwrap();
        assert_eq!(String::from_utf8_lossy(&seen), String::from_utf8_lossy(&[expected, expected].concat()), "{keys}");
    }
}

#[test]
fn a_large_message_loses_its_return_path_too() {
    let world = World::with_relay("");
    world.relay("cat >\"$TRACE\"", "relays = true");
    let body = "0123456789abcde\n".repeat(100_000);
    world.enqueue_bytes(format!("From: joe@x\nReturn-Path: <b@x>\n\n{body}").as_bytes(), &["bob@x"]);
    world.flush();
    assert!(fs::read_to_string(world.path("trace")).unwrap() == format!("From: joe@x\n\n{body}"));
}
