//! `enqueue -t`: recipients from the header, and what becomes of it.

use crate::world::World;

fn addresses(world: &World, id: &str) -> Vec<String> {
    let report = world.report(id);
    report["recipients"].as_array().unwrap().iter().map(|r| r["address"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn to_cc_and_bcc_are_recipients_and_bcc_goes() {
    let world = World::at_noon();
    let mail = b"From: joe@x\nTo: Ann <a@x>, \"B, B\" <b@x>\nBcc: secret@x,\n other@x\nCc: c@x\nDate: Fri, 1 May 2026 10:00:00 +0000\nMessage-ID: <1@x>\n\nbody Bcc: no\n";
    let id = world.enqueue_bytes(mail, &["-t", "d@x", "a@x"]);
    assert_eq!(addresses(&world, &id), ["d@x", "a@x", "b@x", "secret@x", "other@x", "c@x"]);
    let expected = b"From: joe@x\nTo: Ann <a@x>, \"B, B\" <b@x>\nCc: c@x\nDate: Fri, 1 May 2026 10:00:00 +0000\nMessage-ID: <1@x>\n\nbody Bcc: no\n";
    assert_eq!(world.message(&id), expected);
}

#[test]
fn without_header_reading_bcc_stays_and_nothing_is_added() {
    let world = World::new();
    let mail = b"To: a@x\nBcc: b@x\n\nx\n";
    let id = world.enqueue_bytes(mail, &["c@x"]);
    assert_eq!(addresses(&world, &id), ["c@x"]);
    assert_eq!(world.message(&id), mail);
}

#[test]
fn a_missing_date_and_message_id_are_put_in() {
    let world = World::at_noon();
    world.config("hostname = \"mail.example.org\"");
    let id = world.enqueue_bytes(b"To: a@x\r\nX: \xff\r\n\r\nx\r\n", &["-t"]);
    let text = String::from_utf8_lossy(&world.message(&id)).into_owned();
    assert!(text.starts_with("Date: Fri, 1 May 2026 12:00:00 +0000\r\nMessage-ID: <1wImXI-"), "{text}");
    assert!(text.contains("@mail.example.org>\r\nTo: a@x\r\nX: "), "{text}");
    assert!(text.ends_with("\r\n\r\nx\r\n"));
}

#[test]
fn resent_fields_name_the_recipients_where_they_stand() {
    let world = World::new();
    let id = world.enqueue_bytes(b"To: a@x\nResent-To: b@x\nResent-Bcc: c@x\n\nx\n", &["-t"]);
    assert_eq!(addresses(&world, &id), ["b@x", "c@x"]);
    assert!(!String::from_utf8_lossy(&world.message(&id)).contains("c@x"));
}

#[test]
fn groups_and_undisclosed_recipients() {
    let world = World::new();
    let id = world.enqueue_bytes(b"To: undisclosed-recipients:;\nBcc: Team: a@x, B <b@x>;, c@x\n\nx\n", &["-t"]);
    assert_eq!(addresses(&world, &id), ["a@x", "b@x", "c@x"]);
    world.mspool(&["enqueue", "-t"]).input("To: undisclosed-recipients:;\n\nx\n").run().fails(65, "no recipient");
}

#[test]
fn a_field_that_cannot_be_read_is_named_and_nothing_is_queued() {
    let world = World::new();
    world
        .mspool(&["enqueue", "-t"])
        .input("To: foo bar\n\nx\n")
        .run()
        .fails(65, "\"To\" has a name without an address");
    world.mspool(&["enqueue", "-t"]).input("To: a@x\nCc: \"open\n\nx\n").run().fails(65, "\"Cc\" has a quote");
    assert!(world.files("new").is_empty());
}

#[test]
fn a_body_without_a_header_gets_one() {
    let world = World::at_noon();
    let id = world.enqueue_bytes(b"hello there\n", &["-t", "a@x"]);
    let text = String::from_utf8(world.message(&id)).unwrap();
    assert!(text.starts_with("Date: ") && text.ends_with(">\n\nhello there\n"), "{text}");
}

#[test]
fn an_mbox_line_stays_first() {
    let world = World::at_noon();
    let id = world.enqueue_bytes(b"From joe Fri May  1\nTo: a@x\n\nx\n", &["-t"]);
    let text = String::from_utf8(world.message(&id)).unwrap();
    assert!(text.starts_with("From joe Fri May  1\nDate: "), "{text}");
}
