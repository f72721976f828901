//! Many messages in one call.

use std::fs;

use crate::world::{MAIL, World};

#[test]
fn an_mbox_becomes_one_message_each() {
    let world = World::new();
    let mbox = "From a Mon\nSubject: 1\n\none\n>From here\n\nFrom b Tue\nSubject: 2\n\ntwo\n\n\nFrom c Wed\nSubject: 3\n\nthree";
    let out = world.mspool(&["enqueue", "--mbox", "bob@x"]).input(mbox).run().ok();
    let ids: Vec<&str> = out.lines().collect();
    let texts: Vec<String> = ids.iter().map(|id| String::from_utf8(world.message(id)).unwrap()).collect();
    assert_eq!(texts, ["Subject: 1\n\none\nFrom here\n", "Subject: 2\n\ntwo\n\n", "Subject: 3\n\nthree"]);
}

#[test]
fn many_messages_go_in_groups_and_in_order() {
    let world = World::new();
    let mbox: String =
        (0..1000).map(|n| format!("From x Mon\nTo: r{n}@x\nSubject: {n}\n\n{}\n\n", "x".repeat(n))).collect();
    let out = world.mspool(&["enqueue", "--mbox", "-t"]).input(mbox).run().ok();
    let ids: Vec<&str> = out.lines().collect();
    assert_eq!(ids.len(), 1000);
    assert!(ids.is_sorted());
    for n in [0, 127, 128, 999] {
        assert_eq!(world.report(ids[n])["recipients"][0]["address"], format!("r{n}@x"));
    }
}

#[test]
fn long_lines_and_large_messages_pass_through_an_mbox() {
    let world = World::new();
    let body = format!("{}\n{}From not\n", "y".repeat(200_000), "z".repeat(65_536));
    let mbox = format!("From x Mon\nA: b\n\n{body}\nFrom x Mon\nA: c\n\nend\n");
    let out = world.mspool(&["enqueue", "--mbox", "bob@x"]).input(mbox).run().ok();
    let ids: Vec<&str> = out.lines().collect();
    assert_eq!(ids.len(), 2);
    assert!(world.message(ids[0]) == format!("A: b\n\n{body}").as_bytes());
}

#[test]
fn what_was_whole_before_the_trouble_is_queued() {
    let world = World::new();
    let mbox = "From x\nTo: a@x\n\n1\n\nFrom x\nTo: b@x\n\n2\n\nFrom x\nSubject: nobody\n\n3\n";
    let ran = world.mspool(&["enqueue", "--mbox", "-t"]).input(mbox).run();
    assert_eq!((ran.code, ran.out.lines().count()), (65, 2));
    ran.says("2 messages queued before this error: the message has no recipient");
    assert_eq!((world.files("new").len(), world.files("tmp").len()), (2, 0));
}

#[test]
fn a_group_that_cannot_be_made_safe_is_never_told() {
    if !crate::world::can_run("strace", &["-f", "-e", "trace=none", "true"]) {
        return;
    }
    let world = World::new();
    world.mspool(&["report"]).run().ok();
    let mbox: String = (0..300).map(|n| format!("From x Mon\nSubject: {n}\n\nbody\n\n")).collect();
    for nth in [1, 60, 130, 250] {
        let fault = format!("inject=fsync:error=EIO:when={nth}");
        let program = crate::world::binary();
        let args = ["-f", "-qq", "-o", "/dev/null", "-e", &fault, &program, "enqueue", "--mbox", "bob@x"];
        let ran = world.program(std::path::Path::new("strace"), &args).input(&mbox).run();
        assert_eq!(ran.code, 74, "{ran:?}");
        let there: Vec<String> =
            world.files("new").iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
        let told: Vec<&str> = ran.out.lines().collect();
        assert_eq!(told, there, "{nth}");
        for path in world.files("new") {
            fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn something_else_than_an_mbox_is_refused() {
    let world = World::new();
    world.mspool(&["enqueue", "--mbox", "bob@x"]).input(MAIL).run().fails(65, "not an mbox");
    world.mspool(&["enqueue", "--mbox", "bob@x"]).run().fails(65, "contains no message");
    world.mspool(&["enqueue", "--maildir", "/nonexistent", "bob@x"]).run().fails(65, "not a Maildir");
}

#[test]
fn a_maildir_is_read_and_left_as_it_is() {
    let world = World::new();
    let maildir = world.path("in");
    for part in ["new", "cur", "tmp"] {
        fs::create_dir_all(maildir.join(part)).unwrap();
    }
    fs::write(maildir.join("new/2.x"), "Subject: 2\n\n").unwrap();
    fs::write(maildir.join("cur/1.x:2,S"), "Subject: 1\n\n").unwrap();
    fs::write(maildir.join("tmp/0.x"), "half").unwrap();
    let out = world.mspool(&["enqueue", "--maildir", maildir.to_str().unwrap(), "bob@x"]).run().ok();
    let subjects: Vec<String> =
        out.lines().map(|id| world.report(id)["subject"].as_str().unwrap().to_owned()).collect();
    assert_eq!(subjects, ["1", "2"]);
    assert!(maildir.join("new/2.x").exists() && maildir.join("cur/1.x:2,S").exists());
}
