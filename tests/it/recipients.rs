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
    let id = world.enqueue_bytes(b"To: a@x\r\nX: \xff\r\n\r\nx\r\n", &["-t", "-f", "joe@x"]);
    let text = String::from_utf8_lossy(&world.message(&id)).into_owned();
    assert!(text.starts_with("From: joe@x\r\nDate: Fri, 1 May 2026 12:00:00 +0000\r\nMessage-ID: <1wImXI-"), "{text}");
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
    world.mspool(&["enqueue", "-t"]).input("Cc: \"open\n\nx\n").run().fails(65, "\"Cc\" has a quote");
    assert!(world.files("new").is_empty());
}

#[test]
fn a_body_without_a_header_gets_one() {
    let world = World::at_noon();
    let id = world.enqueue_bytes(b"hello there\n", &["-t", "a@x"]);
    let text = String::from_utf8(world.message(&id)).unwrap();
    assert!(text.starts_with("From: ") && text.ends_with(">\n\nhello there\n"), "{text}");
}

#[test]
fn an_mbox_line_stays_first() {
    let world = World::at_noon();
    let id = world.enqueue_bytes(b"From joe Fri May  1\nTo: a@x\n\nx\n", &["-t"]);
    let text = String::from_utf8(world.message(&id)).unwrap();
    assert!(text.starts_with("From joe Fri May  1\nFrom: "), "{text}");
}

/// The report on a message whose header names a bad recipient, and the good ones that got it.
#[track_caller]
fn delivers_to_the_good_ones(world: &World, id: &str, good: &[&str], bad: &str) {
    world.flush_quietly();
    assert_eq!(world.trace(), good);
    let report = world.report(id);
    let recipients = report["recipients"].as_array().unwrap();
    let failed: Vec<_> = recipients.iter().filter(|one| one["state"] == "failed").collect();
    assert_eq!(failed.len(), 1, "{report}");
    assert_eq!((&failed[0]["address"], &failed[0]["status"]), (&bad.into(), &"5.1.3".into()));
    let inbox = world.inbox();
    assert_eq!(inbox.len(), 1);
    assert!(inbox[0].contains(&format!("Final-Recipient: unknown; {bad}\n")), "{}", inbox[0]);
    assert!(inbox[0].contains("Status: 5.1.3"), "{}", inbox[0]);
    assert!(!good.iter().any(|good| inbox[0].contains(&format!("; {good}"))), "{}", inbox[0]);
}

const LISTS_RECIPIENTS: &str = "shift 2; for one in \"$@\"; do trace \"$one\"; done";

#[test]
fn a_bad_address_among_good_ones_is_reported_and_the_good_ones_get_the_mail() {
    let world = World::with_relay(LISTS_RECIPIENTS);
    let mail = "From: joe@x\nTo: bob at example.com, ok@ok\nCc: Ann <ann@y>\n\nx\n";
    let id = world.enqueue_bytes(mail.as_bytes(), &["-t", "-f", "joe@x"]);
    delivers_to_the_good_ones(&world, &id, &["ok@ok", "ann@y"], "bob at example.com");
}

#[test]
fn sendmail_reports_a_bad_address_and_an_impossible_domain() {
    let world = World::with_relay(LISTS_RECIPIENTS);
    world.mspool(&["sendmail", "-ti", "-f", "joe@x"]).input("To: a@b..c, ok@ok\n\nx\n").run().silent();
    let id = world.json(&["report", "--json"])[0]["id"].as_str().unwrap().to_owned();
    delivers_to_the_good_ones(&world, &id, &["ok@ok"], "a@b..c");
}

#[test]
fn no_transport_gets_a_text_that_is_no_address() {
    let world = World::at_noon();
    let take = world.script("take", "shift; trace \"$@\"");
    world.config(&format!(
        "[transport.all]\ntypes = [\"*\"]\nmatch = [\"INVALID:*\"]\ncommand = [{take:?}, \"--\", \"{{recipients}}\"]"
    ));
    let mail = "From: joe@x\nTo: bob at example.com, ok@ok\n\nx\n";
    let id = world.enqueue_bytes(mail.as_bytes(), &["-t", "-f", "joe@x"]);
    delivers_to_the_good_ones(&world, &id, &["ok@ok"], "bob at example.com");
}

#[test]
fn semicolons_separate_addresses_too() {
    let world = World::new();
    let id = world.enqueue_bytes(b"To: a@x; Bob <b@x>;\nCc: Team: c@x, d@x; e@x\n\nx\n", &["-t"]);
    assert_eq!(addresses(&world, &id), ["a@x", "b@x", "c@x", "d@x", "e@x"]);
}

#[test]
fn a_domain_that_cannot_exist_is_refused() {
    let world = World::new();
    for bad in ["a@b..c", "a@.b", &format!("a@{}.example", "x".repeat(64))] {
        world.mspool(&["enqueue", bad]).input("x\n").run().fails(65, "domain that cannot exist");
        world.mspool(&["sendmail", bad]).input("x\n").run().fails(65, "domain that cannot exist");
    }
    assert!(world.files("new").is_empty());
}

#[test]
fn a_missing_from_is_the_sender() {
    let world = World::at_noon();
    world.config("hostname = \"mail.example.org\"\n");
    let from = |arguments: &[&str], header: &str| {
        let id = world.enqueue_bytes(format!("{header}To: a@x\n\nx\n").as_bytes(), &[&["-t"], arguments].concat());
        let text = String::from_utf8(world.message(&id)).unwrap();
        let fields: Vec<String> = text.lines().filter(|line| line.starts_with("From:")).map(str::to_owned).collect();
        fields.join("|")
    };
    assert_eq!(from(&["-f", "joe@x"], ""), "From: joe@x");
    assert_eq!(from(&["-f", "joe@x"], "From: Ann <ann@x>\n"), "From: Ann <ann@x>");
    assert!(from(&["-f", ""], "").ends_with("@mail.example.org"), "for the null sender, the user at this host");
}
