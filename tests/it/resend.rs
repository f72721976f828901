//! `resend`: the same bytes again, to just those whom they did not reach.

use std::fs;

use crate::world::{NOON, World};

const MAIL: &str = "From: joe@example.org\nTo: list@x\nMessage-ID: <1@example.org>\nSubject: hi\n\nHello.\r\n\0\n";

/// A world with a message that failed for two of three recipients; its id, and the report on it.
fn failed() -> (World, String, String) {
    let world = World::at_noon();
    world.relay(
        "shift 2; for r in \"$@\"; do case $r in no*) echo \"rcpt $r 5.1.1 no\" >&3;; *) trace \"$r $(cksum)\";; esac; done",
        "results = \"lines\"",
    );
    let id = world.enqueue_bytes(MAIL.as_bytes(), &["-f", "joe@example.org", "no1@x", "no2@x", "yes@x"]);
    world.flush_quietly();
    let report = world.folder_files("")[0].to_str().unwrap().to_owned();
    (world, id, report)
}

fn again(world: &World, args: &[&str]) -> String {
    let out = world.mspool(&[&["resend"], args].concat()).run().ok();
    assert_eq!(out.lines().count(), 1, "{out}");
    out.trim().to_owned()
}

fn recipients(world: &World, id: &str) -> Vec<String> {
    let report = world.report(id);
    report["recipients"].as_array().unwrap().iter().map(|one| one["address"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_failed_message_goes_again_to_those_it_did_not_reach() {
    let (world, id, _) = failed();
    let new = again(&world, &[&id]);
    assert_eq!(recipients(&world, &new), ["no1@x", "no2@x"]);
    assert_eq!(world.message(&new), MAIL.as_bytes(), "the same bytes, the same Message-ID");
    let report = world.report(&new);
    assert_eq!((report["resend_of"].as_str(), report["sender"].as_str()), (Some(id.as_str()), Some("joe@example.org")));
    let old = world.mspool(&["report", &id]).run().ok();
    assert!(old.contains(&format!("sent again as {new}")), "{old}");
    world.mspool(&["resend", &id]).run().fails(65, "--again");
    let third = again(&world, &["--again", &id]);
    assert_ne!(third, new);
}

#[test]
fn who_gets_it_can_be_changed() {
    let (world, id, _) = failed();
    let dry = |args: &[&str]| world.mspool(&[&["resend", "--dry-run"], args].concat()).run().ok();
    assert_eq!(dry(&[&id]), "no1@x\nno2@x\n");
    assert_eq!(dry(&["--only", "no2@x", &id]), "no2@x\n");
    assert_eq!(dry(&["--replace", "no1@x=bob@y", "--add", "eve@z", &id]), "bob@y\nno2@x\neve@z\n");
    assert_eq!(dry(&["--replace", "no1@x=no2@x", &id]), "no2@x\n");
    world.mspool(&["resend", "--only", "yes@x", &id]).run().fails(65, "is not a recipient who did not get the message");
    world.mspool(&["resend", "--replace", "no1@x", &id]).run().fails(64, "OLD=NEW");
    let new = again(&world, &["--only", "no1@x", "--replace", "no1@x=yes1@x", "-f", "other@example.org", &id]);
    assert_eq!(world.report(&new)["sender"], "other@example.org");
    world.flush();
    assert_eq!(world.trace().len(), 2);
    let sums: Vec<String> = world.trace().iter().map(|line| line.split_once(' ').unwrap().1.to_owned()).collect();
    assert_eq!(sums[0], sums[1], "nobody can tell it from the first time");
}

#[test]
fn a_report_is_as_good_as_an_id() {
    let (world, id, report) = failed();
    let new = again(&world, &[&report]);
    assert_eq!(
        (recipients(&world, &new), world.report(&new)["resend_of"].as_str()),
        (vec!["no1@x".into(), "no2@x".into()], Some(id.as_str()))
    );
    world.mspool(&["resend", &id]).run().fails(65, "--again");
    let ran = world.mspool(&["resend", "-"]).input(fs::read(&report).unwrap()).run();
    ran.fails(65, "--again");
}

#[test]
fn a_report_alone_is_enough_when_it_has_the_message() {
    let (world, _, report) = failed();
    let elsewhere = World::at_noon();
    let new = again(&elsewhere, &[&report]);
    assert_eq!(recipients(&elsewhere, &new), ["no1@x", "no2@x"]);
    assert_eq!(elsewhere.message(&new), MAIL.as_bytes());
    assert_eq!(elsewhere.report(&new)["sender"], "joe@example.org", "it goes to whom the report went");
    elsewhere.mspool(&["resend", &report]).run().fails(65, "--again");
    let text = fs::read_to_string(&report).unwrap();
    let headers = text
        .replace("Content-Type: message/rfc822", "Content-Type: text/rfc822-headers")
        .replace("1@example.org", "2@example.org");
    elsewhere.mspool(&["resend", "-"]).input(headers).run().fails(65, "contains only the header of the message");
    drop(world);
}

#[test]
fn what_cannot_be_sent_again_is_refused_with_the_reason() {
    let (world, _, _) = failed();
    let sent = world.enqueue(&["yes@x"]);
    let queued = world.enqueue(&["--not-before", "2027-01-01T00:00:00Z", "yes@x"]);
    world.flush();
    world.mspool(&["resend", &sent]).run().fails(65, "reached every recipient");
    world.mspool(&["resend", &queued]).run().fails(65, "is queued");
    world.mspool(&["resend", "1777636800.M000000P1Q0R00000000.h"]).run().fails(66, "is not in the spool");
    world.mspool(&["resend", "/nonexistent"]).run().fails(66, "neither a queue id nor a file");
    world.mspool(&["resend", "-"]).input("Subject: hello\n\nhi\n").run().fails(65, "is not a bounce");
    let ran = world.mspool(&["resend", &sent, "/nonexistent"]).run();
    assert_eq!((ran.code, ran.out.as_str(), ran.err.lines().count()), (1, "", 2));
}

#[test]
fn a_rehearsal_and_a_refusal_count_for_nothing() {
    let (_world, _, report) = failed();
    let elsewhere = World::at_noon();
    elsewhere.mspool(&["resend", "--dry-run", &report]).run().ok();
    elsewhere
        .mspool(&["resend", "--only", "stranger@x", &report])
        .run()
        .fails(65, "is not a recipient who did not get the message");
    again(&elsewhere, &[&report]);
}

#[test]
fn several_at_once_send_it_once() {
    let (_world, _, report) = failed();
    let elsewhere = World::at_noon();
    elsewhere.enqueue(&["warm@x"]);
    let runs: Vec<_> = (0..6).map(|_| elsewhere.mspool(&["resend", &report]).start()).collect();
    let codes: Vec<i32> = runs.into_iter().map(|run| run.wait_with_output().unwrap().status.code().unwrap()).collect();
    assert_eq!(codes.iter().filter(|code| **code == 0).count(), 1, "{codes:?}");
    assert_eq!(elsewhere.files("new").len(), 2);
}

#[test]
fn what_the_sender_asked_for_holds_again() {
    let world = World::at_noon();
    let (secure, plain) = (world.script("secure", "exit 67"), world.script("plain", "cat >/dev/null; trace plain"));
    world.config(&format!(
        "[transport.plain]\ncommand = [{plain:?}, \"{{recipient}}\"]\n\
         [transport.secure]\ntypes = []\ncommand = [{secure:?}, \"{{recipient}}\"]\n"
    ));
    let id = world.enqueue(&["--transport", "secure", "--notify", "never", "bob@x"]);
    world.flush_quietly();
    let new = again(&world, &[&id]);
    world.flush_quietly();
    assert_eq!((world.trace().len(), world.inbox().len()), (0, 0), "neither by another way, nor with a report");
    assert_eq!(world.state(&new), "failed");
}

#[test]
fn nobody_gets_it_again_who_is_still_tried() {
    let world = World::at_noon();
    world.relay(
        "cat >/dev/null; for r in \"$@\"; do case $r in no*) echo \"rcpt $r 5.1.1 no\" >&3;; later*) echo \"rcpt $r 4.2.1 away\" >&3;; esac; done",
        "results = \"lines\"",
    );
    world.enqueue_bytes(MAIL.as_bytes(), &["-f", "joe@example.org", "no@x", "later@x"]);
    world.flush_quietly();
    let report = fs::read_to_string(&world.folder_files("")[0]).unwrap().replace("no@x", "later@x");
    world.mspool(&["resend", "-"]).input(&report).run().fails(65, "still owed");
}

#[test]
fn once_is_once_for_each_recipient() {
    let mut world = World::at_noon();
    world.relay(
        "cat >/dev/null; for r in \"$@\"; do case $r in no*) echo \"rcpt $r 5.1.1 no\" >&3;; late*) echo \"rcpt $r 4.2.1 away\" >&3;; esac; done",
        "results = \"lines\"",
    );
    let id = world.enqueue_bytes(MAIL.as_bytes(), &["-f", "joe@example.org", "no@x", "late@x"]);
    world.flush_quietly();
    let first = again(&world, &["--replace", "no@x=bert@x", &id]);
    assert_eq!(recipients(&world, &first), ["bert@x"]);
    world.run_machine_until(NOON + 6 * 86_400);
    world.flush_quietly();
    assert_eq!(world.recipient(&id, 1).0, "failed");
    world.mspool(&["resend", "--only", "no@x", &id]).run().fails(65, &format!("already sent again as {first}"));
    let dry = |args: &[&str]| world.mspool(&[&["resend", "--dry-run"], args].concat()).run().ok();
    assert_eq!(dry(&["--again", &id]), "no@x\nlate@x\n");
    let second = again(&world, &[&id]);
    assert_eq!(recipients(&world, &second), ["late@x"], "who was helped before is left alone");
    world.mspool(&["resend", &id]).run().fails(65, &format!("already sent again as {second}"));
    world.mspool(&["resend", "--add", "eve@x", &id]).run().fails(65, "already");
}

#[test]
fn each_of_several_bounces_of_one_message_counts() {
    let (_world, _, report) = failed();
    let elsewhere = World::at_noon();
    let first = fs::read_to_string(&report).unwrap();
    let second = first.replace("no1@x", "no3@x").replace("no2@x", "no4@x");
    again(&elsewhere, &[&report]);
    let ran = elsewhere.mspool(&["resend", "-"]).input(&second).run().ok();
    assert_eq!(recipients(&elsewhere, ran.trim()), ["no3@x", "no4@x"]);
    elsewhere.mspool(&["resend", "-"]).input(&second).run().fails(65, "was already sent again");
}

#[test]
fn a_report_that_does_not_fit_the_message_here_sends_nothing() {
    let (world, id, report) = failed();
    let forged = fs::read_to_string(report).unwrap().replace("no1@x", "eve@y").replace("no2@x", "mallory@y");
    world.mspool(&["resend", "-"]).input(&forged).run().fails(65, "does not match it");
    // Another system repeats the envelope id as it was given, with its tag.
    let tagged = forged.replacen(
        &format!("Original-Envelope-Id: {id}"),
        &format!("Original-Envelope-Id: {id}/00112233445566778899"),
        1,
    );
    assert_ne!(tagged, forged);
    world.mspool(&["resend", "-"]).input(tagged).run().fails(65, "does not match it");
}

#[test]
fn what_report_parse_calls_full_can_be_sent_again() {
    let (_world, _, report) = failed();
    let elsewhere = World::at_noon();
    let text = fs::read_to_string(&report).unwrap();
    let header_alone = text.replace(&MAIL[MAIL.find("\n\n").unwrap()..], "\n\n");
    let lone_cr = text.replace('\n', "\r");
    for (report, original) in [(text.as_str(), "full"), (header_alone.as_str(), "header"), (lone_cr.as_str(), "header")]
    {
        let parsed = elsewhere.mspool(&["report", "parse", "-"]).input(report).run().ok();
        assert!(parsed.contains(&format!("\"original\":\"{original}\"")), "{parsed}");
        let ran = elsewhere.mspool(&["resend", "--dry-run", "-"]).input(report).run();
        match original {
            "full" => assert_eq!(ran.ok(), "no1@x\nno2@x\n"),
            _ => ran.fails(65, "contains only the header of the message"),
        }
    }
}
