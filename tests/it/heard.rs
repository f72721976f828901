//! Reports that come in: which count, what they change, and which are just mail.

use crate::world::{World, signal, wait_for};

const SENT: &str = "From: joe@example.org\nMessage-ID: <first@example.org>\nSubject: hi\n\nHello.\n";

/// A world whose relay notes the names for reports: the envelope id and the return path.
fn world_with_relay(recipients: &str) -> World {
    let world = World::at_noon();
    let relay = world.script("relay", "trace \"$MSPOOL_ENVID $MSPOOL_RETURN_PATH\"; cat >/dev/null");
    world.config(&format!("[transport.relay]\ncommand = [{relay:?}, {recipients:?}]\nrelays = true\n"));
    world
}

/// Envelope id and return path of each hand-off.
fn names(world: &World) -> Vec<(String, String)> {
    let pair = |line: &String| line.split_once(' ').map(|(envid, path)| (envid.to_owned(), path.to_owned())).unwrap();
    world.trace().iter().map(pair).collect()
}

/// A world with a message that was relayed to two recipients, its id, and the envelope id that the relay was given.
fn relayed() -> (World, String, String) {
    let world = world_with_relay("{recipients}");
    let id = world.enqueue_bytes(SENT.as_bytes(), &["-f", "joe@example.org", "bob@x", "eve@x"]);
    world.flush();
    assert_eq!(world.recipient(&id, 0).0, "relayed");
    let envid = names(&world)[0].0.clone();
    assert!(envid.starts_with(&format!("{id}/")), "{envid}");
    (world, id, envid)
}

fn dsn(envid: &str, message_id: &str, recipient: &str, action: &str, status: &str) -> String {
    let envid = if envid.is_empty() { String::new() } else { format!("Original-Envelope-Id: {envid}\n") };
    let returned = if message_id.is_empty() {
        String::new()
    } else {
        format!("--b\nContent-Type: text/rfc822-headers\n\nMessage-ID: <{message_id}>\nSubject: hi\n\n")
    };
    format!(
        "From: MAILER-DAEMON@x\nTo: joe@example.org\nSubject: report\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n\
         --b\n\nIt says here.\n--b\nContent-Type: message/delivery-status\n\n{envid}Reporting-MTA: dns; mx.x\n\n\
         Final-Recipient: rfc822; {recipient}\nAction: {action}\nStatus: {status}\n\
         Diagnostic-Code: smtp; 550 what they said\n\n{returned}--b--\n"
    )
}

#[test]
fn a_failure_elsewhere_fails_the_recipient_here() {
    let (world, id, envid) = relayed();
    world.receive(dsn(&envid, "", "BOB@X", "failed", "5.1.1"), &["-f", ""]);
    // A local part may care about case: that one is somebody else.
    assert_eq!(world.recipient(&id, 0).0, "relayed");
    world.receive(dsn(&envid, "first@example.org", "bob@X", "failed", "5.1.1"), &["-f", ""]);
    assert_eq!(world.recipient(&id, 0), ("failed".into(), "5.1.1".into(), "550 what they said".into()));
    assert_eq!(world.recipient(&id, 1).0, "relayed");
    assert_eq!(world.state(&id), "failed", "somebody does not have it after all");
    let text = world.mspool(&["report", &id]).run().ok();
    assert!(text.contains(": bob@x: 5.1.1 550 what they said"), "{text}");
    let log = world.mspool(&["report", "log", &id]).run().ok();
    assert!(log.contains("failed, reported by "), "{log}");
    world.flush();
    assert_eq!(world.inbox().len(), 2, "who has that report needs none of ours");
}

#[test]
fn who_was_told_by_another_system_is_not_told_again() {
    let world = World::at_noon();
    let relay =
        world.script("relay", "cat >/dev/null; case $1 in later*) exit 75;; esac; echo \"$MSPOOL_ENVID\" >>\"$TRACE\"");
    world.config(&format!("[transport.relay]\ncommand = [{relay:?}, \"{{recipient}}\"]\nrelays = true\n"));
    let id = world.enqueue_bytes(SENT.as_bytes(), &["-f", "joe@example.org", "bob@x", "later@x"]);
    world.mspool(&["flush"]).run().ok();
    assert_eq!((world.state(&id).as_str(), world.recipient(&id, 0).0.as_str()), ("cur", "relayed"));
    // A message on hold has recipients that were handed over, too.
    world.mspool(&["hold", &id]).run().ok();
    world.receive(dsn(&world.trace()[0], "", "bob@x", "failed", "5.1.1"), &["-f", ""]);
    assert_eq!((world.state(&id).as_str(), world.recipient(&id, 0).0.as_str()), ("hold", "failed"));
    world.mspool(&["release", &id]).run().ok();
    world.mspool(&["flush", "--force"]).run().ok();
    world.mspool(&["cancel", &id]).run().ok();
    assert_eq!((world.state(&id).as_str(), world.inbox().len()), ("failed", 1), "no bounce of ours about bob");
}

#[test]
fn delivery_and_reading_move_a_recipient_on() {
    let (world, id, envid) = relayed();
    world.receive(dsn(&envid, "", "bob@x", "delivered", "2.1.5"), &["-f", ""]);
    assert_eq!(world.recipient(&id, 0).0, "delivered");
    let mdn = |recipient: &str, message_id: &str, disposition: &str| {
        format!(
            "From: bob@x\nContent-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n\
             --b\n\nread\n--b\nContent-Type: message/disposition-notification\n\nFinal-Recipient: rfc822; {recipient}\n\
             Original-Message-ID: <{message_id}>\nDisposition: manual-action/MDN-sent-manually; {disposition}\n\n--b--\n"
        )
    };
    world.receive(mdn("eve@x", "other@example.org", "displayed"), &[]);
    world.receive(mdn("mallory@x", "first@example.org", "displayed"), &[]);
    world.receive(mdn("eve@x", "first@example.org", "deleted"), &[]);
    assert_eq!(world.recipient(&id, 1).0, "relayed");
    world.receive(mdn("eve@x", "first@example.org", "displayed"), &["-f", "eve@x"]);
    assert_eq!(world.recipient(&id, 1).0, "relayed", "a receipt names no envelope id, and proves nothing");
    world.receive(mdn("eve@x", "first@example.org", "displayed"), &["-f", "eve@x", "--trusted"]);
    assert_eq!(world.recipient(&id, 1).0, "read");
    assert_eq!(world.state(&id), "sent");
}

#[test]
fn in_doubt_no_state_changes() {
    let (world, id, envid) = relayed();
    for (action, status) in [("deliverable", "2.1.5"), ("probed", "5.1.1"), ("failed", "2.0.0"), ("delivered", "5.0.0")]
    {
        world.receive(dsn(&envid, "", "bob@x", action, status), &["-f", ""]);
        assert_eq!(world.recipient(&id, 0).0, "relayed", "{action} {status}");
    }
    let without_action = dsn(&envid, "", "bob@x", "x", "2.1.5").replace("Action: x\n", "");
    world.receive(without_action, &["-f", ""]);
    assert_eq!(world.recipient(&id, 0).0, "relayed");
    world.receive(dsn(&envid, "", "bob@x>", "expired", "x").replace("Status: x\n", ""), &["-f", ""]);
    let typed = dsn(&envid, "", "eve@x", "failed", "4.4.7").replace("rfc822; eve@x", "rfc/822;eve@x");
    world.receive(typed, &["-f", ""]);
    assert_eq!([0, 1].map(|place| world.recipient(&id, place).0), ["failed", "failed"]);
}

#[test]
fn a_text_of_unknown_wording_changes_a_state_only_with_a_status_code() {
    let (world, id, _) = relayed();
    let bounce = |recipient: &str, reason: &str| {
        format!(
            "From: Mailer Daemon <mailer-daemon@mx.example>\nTo: joe@example.org\nSubject: Undeliverable\n\n\
             Alas, nothing could be done for\n\n    {recipient}\n    {reason}\n\n\
             --- Original message ---\nFrom: joe@example.org\nMessage-ID: <first@example.org>\n\nHello.\n"
        )
    };
    world.receive(bounce("bob@x.example", "550 5.1.1 no such user"), &["-f", "", "--trusted"]);
    assert_eq!([0, 1].map(|place| world.recipient(&id, place).0), ["relayed", "relayed"], "another address");
    let id = world.enqueue_bytes(
        SENT.replace("first@", "third@").as_bytes(),
        &["-f", "joe@example.org", "bob@x.example", "eve@x.example"],
    );
    world.flush();
    let receive = |recipient: &str, reason: &str, trust: &[&str]| {
        let report = bounce(recipient, reason).replace("first@", "third@");
        world.receive(report, &[&["-f", ""], trust].concat());
    };
    receive("bob@x.example", "The mailbox is full, we give up.", &["--trusted"]);
    assert_eq!(world.recipient(&id, 0).0, "relayed", "words alone are recorded only");
    let log = world.mspool(&["report", "log", &id]).run().ok();
    assert!(log.contains("The mailbox is full"), "{log}");
    receive("eve@x.example", "Remote host said: 550 5.1.1 no such user", &[]);
    assert_eq!(world.recipient(&id, 1).0, "relayed", "a code is no proof");
    receive("eve@x.example", "Remote host said: 550 5.1.1 no such user", &["--trusted"]);
    assert_eq!((world.recipient(&id, 1).0.as_str(), world.recipient(&id, 1).1.as_str()), ("failed", "5.1.1"));
}

#[test]
fn a_report_that_a_gateway_wrapped_counts_by_its_own_tag() {
    let (world, id, envid) = relayed();
    let wrapped = |sender: &str, envid: &str| {
        format!(
            "From: {sender}\nTo: joe@example.org\nContent-Type: multipart/mixed; boundary=g\n\n--g\n\nScanned.\n\
             --g\nContent-Type: message/rfc822\n\n{}\n--g--\n",
            dsn(envid, "", "bob@x", "failed", "5.1.1")
        )
    };
    world.receive(wrapped("joe@friend.example", &envid), &["-f", ""]);
    world.receive(wrapped("MAILER-DAEMON@gate.example", &id), &["-f", ""]);
    assert_eq!(world.recipient(&id, 0).0, "relayed");
    world.receive(wrapped("MAILER-DAEMON@gate.example", &envid), &["-f", ""]);
    assert_eq!(world.recipient(&id, 0).0, "failed");
}

#[test]
fn the_message_is_found_by_the_senders_own_name_and_by_its_message_id() {
    let world = World::at_noon();
    world.relay("cat >/dev/null", "relays = true");
    let named = world.enqueue_bytes(SENT.as_bytes(), &["-f", "joe@example.org", "--envid", "QQ314159", "bob@x"]);
    let other = SENT.replace("first@", "second@");
    let plain = world.enqueue_bytes(other.as_bytes(), &["-f", "joe@example.org", "bob@x"]);
    world.flush();
    world.receive(dsn("QQ314159", "", "bob@x", "delivered", "2.0.0"), &["-f", "", "--trusted"]);
    assert_eq!(
        (world.recipient(&named, 0).0.as_str(), world.recipient(&plain, 0).0.as_str()),
        ("delivered", "relayed")
    );
    world.receive(dsn("", "second@example.org", "bob@x", "failed", "5.0.0"), &["-f", "", "--trusted"]);
    assert_eq!(world.recipient(&plain, 0).0, "failed");
}

#[test]
fn what_is_forged_or_unmatched_is_just_mail() {
    let (world, id, envid) = relayed();
    let strangers = [
        (dsn(&envid, "other@example.org", "bob@x", "failed", "5.1.1"), ""),
        (dsn(&envid, "", "mallory@x", "failed", "5.1.1"), ""),
        (dsn("1777636800.M000000P1Q0R00000000.elsewhere", "", "bob@x", "failed", "5.1.1"), ""),
        (dsn("1777636800.M000000P1Q0R00000000.elsewhere", "first@example.org", "bob@x", "failed", "5.1.1"), ""),
        (dsn("../../../etc/passwd", "", "bob@x", "failed", "5.1.1"), ""),
        (dsn("", "", "bob@x", "failed", "5.1.1"), ""),
        (dsn(&envid, "", "bob@x", "failed", "5.1.1"), "mallory@x"),
    ];
    for (report, sender) in &strangers {
        world.receive(report, &["-f", sender, "--trusted"]);
    }
    assert_eq!(world.inbox().len(), strangers.len());
    assert_eq!((world.recipient(&id, 0).0.as_str(), world.state(&id).as_str()), ("relayed", "sent"));
}

#[test]
fn only_who_was_handed_over_can_be_reported_on() {
    let world = World::at_noon();
    world.relay("cat >/dev/null; case $3 in no*) exit 67;; later*) exit 75;; esac", "");
    let id = world.enqueue(&["-f", "joe@example.org", "--notify", "never", "no@x"]);
    let owed = world.enqueue(&["-f", "joe@example.org", "--notify", "never", "later@x"]);
    world.flush_quietly();
    world.receive(dsn(&id, "", "no@x", "delivered", "2.0.0"), &["-f", "", "--trusted"]);
    world.receive(dsn(&owed, "", "later@x", "failed", "5.0.0"), &["-f", "", "--trusted"]);
    assert_eq!((world.recipient(&id, 0).0.as_str(), world.recipient(&owed, 0).0.as_str()), ("failed", "owed"));
}

#[test]
fn our_own_report_says_nothing_new() {
    let world = World::at_noon();
    world.relay("cat >/dev/null", "relays = true");
    let id = world.enqueue(&["-f", "joe@example.org", "--notify", "success", "bob@x"]);
    world.flush();
    assert_eq!(world.inbox().len(), 1);
    let log = world.mspool(&["report", "log", &id]).run().ok();
    assert!(!log.contains("reported by"), "{log}");
}

#[test]
fn a_watch_tells_of_it() {
    let (world, id, envid) = relayed();
    let child = world.mspool(&["watch", "--json", "--events", "status"]).start();
    wait_for("the watch", || world.spool().join("state/runner.watch").exists());
    world.receive(dsn(&envid, "", "bob@x", "delivered", "2.1.5"), &["-f", ""]);
    wait_for("the news", || world.recipient(&id, 0).0 == "delivered");
    wait_for("an empty in/new", || std::fs::read_dir(world.spool().join("in/new")).unwrap().next().is_none());
    signal(&child, "TERM");
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let event: serde_json::Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(
        (event["event"].as_str(), event["id"].as_str(), event["address"].as_str(), event["state"].as_str()),
        (Some("status"), Some(id.as_str()), Some("bob@x"), Some("delivered"))
    );
}

#[test]
fn a_text_bounce_counts_when_it_names_the_message() {
    let (world, id, _) = relayed();
    world.receive(
        "From: MAILER-DAEMON@mx.x\nSubject: failure notice\n\nHi. This is the qmail-send program at mx.x.\n\
         I'm afraid I wasn't able to deliver your message to the following addresses.\n\
         This is a permanent error; I've given up. Sorry it didn't work out.\n\n<bob@x>:\n\
         Sorry, no mailbox here by that name. (#5.1.1)\n\n--- Below this line is a copy of the message.\n\n\
         Return-Path: <joe@example.org>\nFrom: joe@example.org\nMessage-ID: <first@example.org>\nSubject: hi\n\nHello.\n",
        &["-f", "", "--to", &names(&world)[0].1],
    );
    assert_eq!(world.recipient(&id, 0).0, "failed");
    let ran = world.mspool(&["report", "parse", "-"]).input("Subject: hello\n\nNo report at all.\n").run().ok();
    assert!(ran.contains("\"kind\":\"none\"") && ran.contains("\"recipients\":[]"), "{ran}");
    world.mspool(&["report", "parse", "/nonexistent"]).run().fails(66, "/nonexistent");
}

#[test]
fn a_receipt_fails_nobody_and_repeats_change_nothing() {
    let (world, id, envid) = relayed();
    let mdn = "From: evil@x\nContent-Type: multipart/report; report-type=disposition-notification; boundary=b\n\n\
               --b\n\nno\n--b\nContent-Type: message/disposition-notification\n\nFinal-Recipient: rfc822; bob@x\n\
               Original-Message-ID: <first@example.org>\nDisposition: manual-action/MDN-sent-manually; failed\n\n--b--\n";
    world.receive(mdn, &["-f", "evil@x", "--trusted"]);
    assert_eq!((world.recipient(&id, 0).0.as_str(), world.state(&id).as_str()), ("relayed", "sent"));
    let before = world.recipient(&id, 0);
    for _ in 0..5 {
        world.receive(dsn(&envid, "", "bob@x", "delayed", "4.0.0"), &["-f", ""]);
    }
    assert_eq!(world.recipient(&id, 0), before, "what changes nothing overwrites nothing");
    let log = world.mspool(&["report", "log", &id]).run().ok();
    assert_eq!(log.matches("delayed, reported by ").count(), 1, "{log}");
}

#[test]
fn of_two_messages_with_one_message_id_the_one_for_that_recipient_is_meant() {
    let world = World::at_noon();
    world.relay("cat >/dev/null", "relays = true");
    let first = world.enqueue_bytes(SENT.as_bytes(), &["-f", "joe@example.org", "bob@x"]);
    let second = world.enqueue_bytes(SENT.as_bytes(), &["-f", "joe@example.org", "eve@x"]);
    world.flush();
    world.receive(dsn("", "first@example.org", "bob@x", "failed", "5.1.1"), &["-f", "", "--trusted"]);
    assert_eq!((world.recipient(&first, 0).0.as_str(), world.recipient(&second, 0).0.as_str()), ("failed", "relayed"));
}

#[test]
fn a_name_that_several_came_from_is_nobodys() {
    let world = world_with_relay("{recipients}");
    let orcpt = ["--orcpt", "a@x=rfc822;list@y", "--orcpt", "b@x=rfc822;list@y", "--orcpt", "c@x=rfc822;c@y"];
    let id = world.enqueue(&[&["-f", "joe@example.org"], &orcpt[..], &["a@x", "b@x", "c@x"]].concat());
    world.flush();
    let envid = names(&world)[0].0.clone();
    let states = || [0, 1, 2].map(|place| world.recipient(&id, place).0);
    let report = |original: &str, last: &str| {
        let was = format!("Original-Recipient: rfc822; {original}\nFinal-Recipient: rfc822; {last}\n");
        dsn(&envid, "", "who", "failed", "5.1.1").replace("Final-Recipient: rfc822; who\n", &was)
    };
    world.receive(report("list@y", "elsewhere@z"), &["-f", ""]);
    assert_eq!(states(), ["relayed", "relayed", "relayed"], "it may be any of them");
    world.receive(report("list@y", "b@x"), &["-f", ""]);
    world.receive(report("c@y", "elsewhere@z"), &["-f", ""]);
    assert_eq!(states(), ["relayed", "failed", "failed"]);
}

#[test]
fn a_report_without_a_proof_is_filed_and_shown_and_changes_nothing() {
    let (world, id, envid) = relayed();
    let forged = [
        dsn(&id, "first@example.org", "eve@x", "failed", "5.1.1"),
        dsn("", "first@example.org", "eve@x", "failed", "5.1.1"),
        dsn(&format!("{id}/00112233445566778899"), "", "eve@x", "failed", "5.1.1"),
    ];
    for report in &forged {
        world.receive(report, &["-f", ""]);
        world.receive(report, &["-f", "", "--to", "joe+mspool-00112233445566778899@example.org"]);
    }
    assert_eq!(world.inbox().len(), 2 * forged.len());
    assert_eq!((world.recipient(&id, 1).0.as_str(), world.state(&id).as_str()), ("relayed", "sent"));
    let unproven = world.report(&id)["recipients"][1]["unproven_reports"].clone();
    assert_eq!(unproven.as_array().map(Vec::len), Some(1), "a flood of forged reports is one note: {unproven}");
    assert_eq!((unproven[0]["action"].as_str(), unproven[0]["status"].as_str()), (Some("failed"), Some("5.1.1")));
    assert_eq!(unproven[0]["text"].as_str(), Some("550 what they said"));
    let text = world.mspool(&["report", &id]).run().ok();
    assert!(text.contains("    unproven report, which changed nothing: failed 5.1.1 550 what they said"), "{text}");
    let log = world.mspool(&["report", "log", &id]).run().ok();
    assert_eq!(log.matches("failed, reported without proof by ").count(), 1, "{log}");
    // The true report counts all the same.
    world.receive(dsn(&envid, "", "eve@x", "failed", "5.1.1"), &["-f", ""]);
    assert_eq!((world.recipient(&id, 1).0.as_str(), world.state(&id).as_str()), ("failed", "failed"));
}

#[test]
fn who_got_a_message_alone_can_report_on_nobody_else() {
    let world = world_with_relay("{recipient}");
    let id = world.enqueue_bytes(SENT.as_bytes(), &["-f", "joe@example.org", "bob@x", "eve@x"]);
    world.flush();
    let names = names(&world);
    for (envid, to) in &names {
        assert!(to.starts_with("joe+mspool-") && to.ends_with("@example.org"), "{to}");
        assert!(envid.starts_with(&id), "{envid}");
    }
    let states = || [0, 1].map(|place| world.recipient(&id, place).0);
    world.receive(dsn(&names[0].0, "", "eve@x", "failed", "5.1.1"), &["-f", "", "--to", &names[0].1]);
    assert_eq!(states(), ["relayed", "relayed"]);
    world.receive(dsn(&names[1].0, "", "eve@x", "failed", "5.1.1"), &["-f", ""]);
    assert_eq!(states(), ["relayed", "failed"]);
    // The mail system wrote the address of the bounce into the header.
    let bounce = format!("Delivered-To: {}\n{}", names[0].1, dsn("", "first@example.org", "bob@x", "failed", "5.1.1"));
    world.receive(bounce, &["-f", ""]);
    assert_eq!(states(), ["failed", "failed"]);
}

#[test]
fn the_return_path_is_used_where_the_command_asks_for_it() {
    let world = World::at_noon();
    let relay = world.script("relay", "trace \"$1\"; cat >/dev/null");
    world.config(&format!("[transport.relay]\ncommand = [{relay:?}, \"{{return_path}}\", \"{{recipients}}\"]\n"));
    world.enqueue(&["-f", "joe@example.org", "bob@x"]);
    world.enqueue(&["-f", "", "bob@x"]);
    world.flush();
    let trace = world.trace();
    assert!(trace[0].starts_with("joe+mspool-") && trace[0].ends_with("@example.org"), "{trace:?}");
    assert_eq!(trace[1], "", "the null sender stays null");
}

#[test]
fn an_envelope_id_of_the_sender_goes_out_unchanged_and_proves_nothing() {
    let world = world_with_relay("{recipients}");
    let id = world.enqueue_bytes(SENT.as_bytes(), &["-f", "joe@example.org", "--envid", "QQ314159", "bob@x"]);
    world.flush();
    let (envid, to) = names(&world)[0].clone();
    assert_eq!(envid, "QQ314159");
    let report = dsn("QQ314159", "", "bob@x", "delivered", "2.0.0");
    world.receive(&report, &["-f", ""]);
    assert_eq!(world.recipient(&id, 0).0, "relayed");
    world.receive(&report, &["-f", "", "--to", &to]);
    assert_eq!(world.recipient(&id, 0).0, "delivered");
}

#[test]
fn a_trusted_source_needs_no_proof() {
    let (world, id, _) = relayed();
    let report = dsn("", "first@example.org", "bob@x", "failed", "5.1.1");
    std::fs::write(world.path("home/report"), format!("Return-Path: <>\n{report}")).unwrap();
    let fetch = world.script("fetch", "test -e \"$HOME/report\" || exit 1; cat \"$HOME/report\"; rm \"$HOME/report\"");
    let source = |trusted: &str| {
        let relay = world.path("relay");
        let relay = relay.to_str().unwrap();
        world.config(&format!(
            "[transport.relay]\ncommand = [{relay:?}, \"{{recipients}}\"]\nrelays = true\n\
             [inbound.mx]\nfetch = [{fetch:?}]\n{trusted}\n"
        ));
    };
    source("");
    world.mspool(&["receive", "--poll"]).run().ok();
    assert_eq!((world.inbox().len(), world.recipient(&id, 0).0.as_str()), (1, "relayed"));
    std::fs::write(world.path("home/report"), format!("Return-Path: <>\n{report}")).unwrap();
    source("trusted = true");
    world.mspool(&["receive", "--poll"]).run().ok();
    assert_eq!((world.inbox().len(), world.recipient(&id, 0).0.as_str()), (2, "failed"));
    world.mspool(&["receive", "--poll", "--trusted"]).run().fails(64, "--trusted");
}

#[test]
fn the_key_is_made_once_and_is_ours_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (world, id, envid) = relayed();
    let key = world.spool().join("state/report-key");
    let before = std::fs::read(&key).unwrap();
    assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
    world.enqueue(&["carol@x"]);
    world.flush();
    assert_eq!(std::fs::read(&key).unwrap(), before);
    std::fs::remove_file(&key).unwrap();
    world.receive(dsn(&envid, "", "bob@x", "failed", "5.1.1"), &["-f", ""]);
    assert_eq!(world.recipient(&id, 0).0, "relayed", "another key proves nothing");
    // A key that cannot be read keeps no mail back.
    std::fs::write(&key, "torn").unwrap();
    let last = world.enqueue(&["dave@x"]);
    let ran = world.mspool(&["flush"]).run();
    assert!(ran.err.contains("report-key") && ran.err.contains("will prove nothing"), "{ran:?}");
    assert_eq!((ran.code, world.state(&last).as_str()), (0, "sent"));
}

#[test]
fn of_two_messages_with_one_message_id_a_tag_says_which_is_meant() {
    let world = world_with_relay("{recipients}");
    let ids = [0, 1].map(|_| world.enqueue_bytes(SENT.as_bytes(), &["-f", "joe@example.org", "bob@x"]));
    world.flush();
    let paths = names(&world);
    world.receive(dsn("", "first@example.org", "bob@x", "failed", "5.1.1"), &["-f", "", "--to", &paths[0].1]);
    assert_eq!(ids.map(|id| world.recipient(&id, 0).0), ["failed", "relayed"]);
}

#[test]
fn a_long_report_full_of_tags_is_one_note() {
    let (world, id, _) = relayed();
    let tags: String = (0..2000).map(|n| format!("joe+mspool-{n:020x}@example.org, ")).collect();
    let blocks = "Final-Recipient: rfc822; bob@x\nAction: failed\nStatus: 5.1.1\n\n".repeat(9000);
    let report = dsn("", "first@example.org", "bob@x", "failed", "5.1.1")
        .replacen("To: joe@example.org", &format!("To: {tags}joe@example.org"), 1)
        .replacen("Final-Recipient:", &format!("{blocks}Final-Recipient:"), 1);
    world.receive(report, &["-f", ""]);
    assert_eq!(world.recipient(&id, 0).0, "relayed");
    let unproven = world.report(&id)["recipients"][0]["unproven_reports"].clone();
    assert_eq!(unproven.as_array().map(Vec::len), Some(1));
}
