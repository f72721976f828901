//! The built-in Maildir.

use std::fs;
use std::path::Path;

use crate::world::{MAIL, World, can_run};

fn world() -> World {
    let world = World::at_noon();
    world.config("[queue]\nreserve = \"0B\"\n[transport.local]\nmaildir = \"~/Maildir\"\n");
    world
}

fn files(world: &World, part: &str) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(world.path("home/Maildir").join(part));
    let mut files: Vec<_> = entries.into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn one_copy_a_recipient_with_trace_fields_and_all_bytes() {
    let world = world();
    let body = b"Subject: x\n\nFrom here\n.\n\0\xff no end";
    world.enqueue_bytes(body, &["-f", "joe@example.org", "bob@x", "ann@x"]);
    world.flush();
    let texts: Vec<Vec<u8>> = files(&world, "new").iter().map(|path| fs::read(path).unwrap()).collect();
    let expected =
        |to: &str| [format!("Return-Path: <joe@example.org>\nDelivered-To: {to}\n").as_bytes(), body].concat();
    assert_eq!(texts, [expected("bob@x"), expected("ann@x")]);
    assert!(files(&world, "tmp").is_empty() && world.path("home/Maildir/cur").is_dir());
}

#[test]
fn a_return_path_that_the_sender_wrote_is_replaced() {
    let world = world();
    world.enqueue_bytes(
        b"Return-Path: <forged@x>\r\nSubject: x\r\nRETURN-PATH: <>\r\n\r\nbody\r\n",
        &["-f", "joe@x", "bob@x"],
    );
    world.flush();
    let text = fs::read_to_string(&files(&world, "new")[0]).unwrap();
    assert_eq!(text, "Return-Path: <joe@x>\r\nDelivered-To: bob@x\r\nSubject: x\r\n\r\nbody\r\n");
}

#[test]
fn trace_fields_end_their_lines_as_the_message_does() {
    let world = world();
    world.enqueue_bytes(b"Subject: x\r\n\r\nbody\r\n", &["-f", "", "bob@x"]);
    world.flush();
    let text = fs::read_to_string(&files(&world, "new")[0]).unwrap();
    assert_eq!(text, "Return-Path: <>\r\nDelivered-To: bob@x\r\nSubject: x\r\n\r\nbody\r\n");
}

#[test]
fn a_delivery_that_ended_unseen_is_found_again() {
    for read_meanwhile in [false, true] {
        let world = world();
        let id = world.enqueue(&["bob@x"]);
        world.flush();
        // As if the runner had died between the delivery and its result.
        world.put_back(&id, "cur", "A");
        if read_meanwhile {
            let file = &files(&world, "new")[0];
            let name = format!("{}:2,S", file.file_name().unwrap().to_str().unwrap());
            fs::rename(file, world.path("home/Maildir/cur").join(name)).unwrap();
        }
        assert_eq!(world.report(&id)["recipients"][0]["maybe_delivered"], true);
        world.flush();
        assert_eq!(world.state(&id), "sent");
        assert_eq!(files(&world, "new").len() + files(&world, "cur").len(), 1);
    }
}

#[test]
fn a_torn_copy_that_a_mail_program_moved_is_no_delivery() {
    for kept in [0, 10] {
        let world = world();
        let id = world.enqueue(&["bob@x"]);
        world.flush();
        world.put_back(&id, "cur", "A");
        // As if power had failed before the copy was synced, and a mail program had moved what was left of it.
        let file = &files(&world, "new")[0];
        let bytes = fs::read(file).unwrap();
        let name = format!("{}:2,", file.file_name().unwrap().to_str().unwrap());
        fs::write(world.path("home/Maildir/cur").join(name), &bytes[..kept]).unwrap();
        fs::remove_file(file).unwrap();
        world.flush();
        assert_eq!(world.state(&id), "sent");
        assert_eq!(fs::read(&files(&world, "new")[0]).unwrap(), bytes, "{kept}");
    }
}

#[test]
fn a_delivery_whose_trace_a_power_cut_took_is_no_failure() {
    let world = world();
    let id = world.enqueue(&["bob@x"]);
    world.flush();
    world.put_back(&id, "new", "");
    world.flush();
    assert_eq!((world.state(&id).as_str(), files(&world, "new").len()), ("sent", 1));
}

#[test]
fn mail_that_has_been_here_fails_as_a_loop() {
    let world = world();
    let id = world.enqueue_bytes(b"Delivered-To: bob@X\nSubject: x\n\nx\n", &["bob@x", "ann@x"]);
    world.mspool(&["flush"]).run().says("bob@x: failed via local: 5.4.6 mail loop");
    assert_eq!((world.recipient(&id, 0).0, world.recipient(&id, 1).0), ("failed".into(), "delivered".into()));
}

#[test]
fn a_maildir_that_cannot_be_used_breaks_the_transport_and_loses_nothing() {
    let world = world();
    fs::write(world.path("home/Maildir"), "a file").unwrap();
    let id = world.enqueue(&["bob@x"]);
    world.mspool(&["flush"]).run().says("transport local is broken");
    assert_eq!(world.recipient(&id, 0).0, "owed");
}

#[test]
fn a_link_in_the_maildir_is_not_followed() {
    let world = world();
    let canary = world.path("canary");
    fs::create_dir_all(&canary).unwrap();
    fs::create_dir_all(world.path("home/Maildir")).unwrap();
    std::os::unix::fs::symlink(&canary, world.path("home/Maildir/new")).unwrap();
    let id = world.enqueue(&["bob@x"]);
    world.mspool(&["flush"]).run().says("broken");
    assert_eq!(fs::read_dir(&canary).unwrap().count(), 0);
    assert_eq!(world.recipient(&id, 0).0, "owed");
}

#[test]
fn other_programs_read_it() {
    if !can_run("python3", &["-c", "import mailbox"]) {
        return;
    }
    let world = world();
    for _ in 0..3 {
        world.enqueue(&["bob@x"]);
    }
    world.flush();
    let script = "import mailbox,sys\nbox=mailbox.Maildir(sys.argv[1],create=False)\nprint(sorted((m['Subject'],m['Delivered-To'],m.get_payload()) for m in box))";
    let out =
        world.program(Path::new("python3"), &["-c", script, world.path("home/Maildir").to_str().unwrap()]).run().ok();
    assert_eq!(out.matches("('test', 'bob@x', 'Hello.\\n')").count(), 3, "{out}");
    assert!(MAIL.ends_with("Hello.\n"));
}
