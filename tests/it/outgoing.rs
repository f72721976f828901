//! What is done when a message has been sent: outbound hooks, and the copy.

use std::fs;
use std::path::PathBuf;

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
    let copies = fs::read_dir(sent.join("new")).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
    assert_eq!(copies.len(), 1);
    assert_eq!(fs::read(&copies[0]).unwrap(), MAIL.as_bytes());
}

#[test]
fn a_copy_is_filed_when_somebody_has_it_and_nobody_is_owed() {
    let (world, sent) = world("exit 0");
    world.enqueue(&["-f", "", "yes@x"]);
    world.enqueue(&["-f", "joe@example.org", "--notify", "never", "yes@x", "no@x"]);
    world.enqueue(&["-f", "joe@example.org", "--delete", "yes@x"]);
    world.enqueue(&["-f", "joe@example.org", "--notify", "never", "no@x"]);
    world.flush_quietly();
    assert_eq!(files(sent.join("new")), 1, "not of reports, not where the sender wants none, not of what nobody got");
}

#[test]
fn the_hook_can_choose_the_folder_or_want_no_copy() {
    let (world, sent) = world("case $(head -2 | tail -1) in *test) echo folder=Archive;; *) exit 100;; esac");
    world.enqueue(&["yes@x"]);
    world.enqueue_bytes(b"From: a@b\nSubject: other\n\nx\n", &["yes@x"]);
    world.flush();
    assert_eq!((files(sent.join(".Archive/new")), files(sent.join("new"))), (1, 0));
    assert_eq!(world.files("sent").len(), 2);
}

#[test]
fn a_broken_hook_changes_nothing() {
    for script in ["exit 1", "kill -9 $$", "exec sleep 1000", "head -c 2000000 /dev/zero", "echo folder=../x"] {
        let (world, sent) = world(script);
        let id = world.enqueue(&["yes@x"]);
        let ran = world.mspool(&["flush"]).run();
        assert_eq!(ran.code, 0, "{script}: {ran:?}");
        assert_eq!((world.state(&id).as_str(), files(sent.join("new"))), ("sent", 1), "{script}");
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
    assert_eq!(files(sent.join("new")), 0);
    fs::write(world.path("go"), "").unwrap();
    world.flush();
    assert_eq!((world.state(&id).as_str(), files(sent.join("new")), world.trace().len()), ("sent", 1, 1));
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
    assert_eq!((world.trace().len(), files(sent.join(".Kept/new")), world.state(&id).as_str()), (1, 1, "sent"));
}
