//! Reports to senders: who gets one, when, and what it says.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::world::{NOON, World};

/// A relay that answers by name: `no…` fails, `later…` does not answer now, everybody else has it.
const BY_NAME: &str = "cat >/dev/null; for r in \"$@\"; do case $r in\n\
     no*) echo \"rcpt $r 5.1.1 no such user\" >&3;; later*) echo \"rcpt $r 4.2.1 away\" >&3;; \
     *@*) echo \"rcpt $r 2.0.0 ok\" >&3;; esac; done";

fn world() -> World {
    let world = World::at_noon();
    world.relay(BY_NAME, "results = \"lines\"");
    world
}

/// What `report parse` understands of a report.
fn parsed(world: &World, report: &str) -> Value {
    let ran = world.mspool(&["report", "parse", "-"]).input(report).run().ok();
    serde_json::from_str(&ran).unwrap()
}

fn actions(report: &Value) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
    let of = |one: &Value| (text(&one["address"]), text(&one["action"]), text(&one["status"]));
    report["recipients"].as_array().unwrap().iter().map(of).collect()
}

#[test]
fn a_failure_is_reported_once_with_the_message_in_it() {
    let world = world();
    let mail = "From: joe@example.org\nTo: no@x\nMessage-ID: <first@example.org>\nSubject: minutes\n\nHello.\n";
    let id = world.enqueue_bytes(mail.as_bytes(), &["-f", "joe@example.org", "no1@x", "no2@x", "yes@x"]);
    world.flush_quietly();
    assert_eq!(world.state(&id), "failed");
    let inbox = world.inbox();
    assert_eq!(inbox.len(), 1, "one report, however many recipients");
    let text = &inbox[0];
    for line in [
        "Return-Path: <>",
        "To: <joe@example.org>",
        "Subject: Undelivered mail: minutes",
        "In-Reply-To: <first@example.org>",
        "References: <first@example.org>",
        "Auto-Submitted: auto-replied",
        &format!("Original-Envelope-Id: {id}"),
        "Arrival-Date: Fri, 1 May 2026 12:00:00 +0000",
        "Original-Recipient: rfc822; no1@x",
        "Final-Recipient: rfc822; no1@x",
        "Action: failed",
        "Status: 5.1.1",
        "Remote-MTA: x-transport; relay",
        "Diagnostic-Code: x-unix; no such user",
        "Last-Attempt-Date: Fri, 1 May 2026 12:00:00 +0000",
        &format!("    mspool resend {id}"),
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(text.contains("Content-Type: multipart/report; report-type=delivery-status;\n boundary="), "{text}");
    assert!(text.contains(&format!("\n\n{mail}\n--")), "the message as it was submitted\n{text}");
    let failed = |address: &str| (address.to_owned(), "failed".to_owned(), "5.1.1".to_owned());
    assert_eq!(actions(&parsed(&world, text)), [failed("no1@x"), failed("no2@x")]);
    world.flush_quietly();
    assert_eq!(world.inbox().len(), 1, "reported once");
    let report = world.mspool(&["report", &id]).run().ok();
    assert!(report.contains("reported failure to the sender: no1@x, no2@x"), "{report}");
}

/// Prints the addresses that flufl.bounce, the reader of Mailman, calls failed in the message on standard input.
const FLUFL: &str = "import email, sys\nfrom flufl.bounce import scan_message\n\
    found = scan_message(email.message_from_binary_file(sys.stdin.buffer))\n\
    print(*sorted(address.decode() for address in found))";

#[test]
fn other_programs_recognize_a_bounce() {
    let world = world();
    world.enqueue(&["-f", "joe@example.org", "no1@x", "no2@x"]);
    world.flush_quietly();
    let ran = world.program(Path::new("/usr/bin/python3"), &["-c", FLUFL]).input(&world.inbox()[0]).run();
    if ran.code != 0 {
        eprintln!("skipped: no flufl.bounce in python3");
        return;
    }
    assert_eq!(ran.out, "no1@x no2@x\n");
}

#[test]
fn success_is_reported_on_request_with_the_header_alone() {
    let world = world();
    world.enqueue(&["-f", "joe@example.org", "--notify", "success", "yes@x"]);
    world.enqueue(&["-f", "joe@example.org", "yes@x"]);
    world.flush_quietly();
    let inbox = world.inbox();
    assert_eq!(inbox.len(), 1);
    assert!(
        inbox[0].contains("Subject: Delivered: test\n") && inbox[0].contains("text/rfc822-headers"),
        "{}",
        inbox[0]
    );
    assert!(!inbox[0].contains("Hello."), "a report of success does not carry the text");
    assert_eq!(actions(&parsed(&world, &inbox[0])), [("yes@x".into(), "delivered".into(), "2.0.0".into())]);
}

#[test]
fn what_another_system_takes_further_is_reported_as_relayed() {
    let world = World::at_noon();
    world.relay("cat >/dev/null", "relays = true");
    world.enqueue(&["-f", "joe@example.org", "--notify", "success,failure", "yes@x"]);
    world.flush_quietly();
    assert_eq!(actions(&parsed(&world, &world.inbox()[0])), [("yes@x".into(), "relayed".into(), "2.0.0".into())]);
}

#[test]
fn failures_of_several_transports_are_one_report() {
    let world = World::at_noon();
    let (a, b) = (world.script("a", "exit 67"), world.script("b", "cat >/dev/null; echo '5.2.2 full'; exit 1"));
    world.config(&format!(
        "[transport.a]\nmatch = [\"*@a\"]\ncommand = [{a:?}, \"{{recipient}}\"]\n\
         [transport.b]\nmatch = [\"*@b\"]\ncommand = [{b:?}, \"{{recipient}}\"]\n"
    ));
    world.enqueue(&["-f", "joe@a.example", "1@a", "2@a", "3@b", "4@nowhere"]);
    world.flush_quietly();
    let inbox = world.inbox();
    assert_eq!(inbox.len(), 1, "{inbox:?}");
    let statuses: Vec<String> = actions(&parsed(&world, &inbox[0])).into_iter().map(|(_, _, status)| status).collect();
    assert_eq!(statuses, ["5.1.1", "5.1.1", "5.2.2", "5.4.4"]);
}

#[test]
fn nobody_is_told_who_does_not_want_to_be() {
    let world = world();
    world.enqueue(&["-f", "joe@example.org", "--notify", "never", "no@x"]);
    world.enqueue(&["-f", "joe@example.org", "--notify", "success", "no@x"]);
    world.enqueue(&["-f", "", "no@x"]);
    world.enqueue(&["-f", "joe@example.org", "--rcpt-notify", "no1@x=never", "--", "no1@x", "no2@x"]);
    world.flush_quietly();
    let inbox = world.inbox();
    assert_eq!(inbox.len(), 1);
    assert_eq!(actions(&parsed(&world, &inbox[0])), [("no2@x".into(), "failed".into(), "5.1.1".into())]);
    assert_eq!(world.files("failed").len(), 4, "what failed stays visible all the same");
}

#[test]
fn the_address_as_the_sender_wrote_it_is_repeated() {
    let world = world();
    world.enqueue(&["-f", "joe@example.org", "--orcpt", "no@x=rfc822;Nobody+list@example.com", "--", "no@x"]);
    world.flush_quietly();
    let report = parsed(&world, &world.inbox()[0]);
    assert_eq!(report["recipients"][0]["original_recipient"], "Nobody+list@example.com");
    assert_eq!(report["recipients"][0]["address"], "no@x");
    world.mspool(&["enqueue", "--orcpt", "you@x=rfc822;a@b", "me@x"]).input("hi\n").run().fails(65, "you@x");
    world.mspool(&["enqueue", "--rcpt-notify", "me@x", "me@x"]).input("hi\n").run().fails(64, "ADDR=WHEN");
    world.mspool(&["enqueue", "--rcpt-notify", "me@x=always", "me@x"]).input("hi\n").run().fails(64, "never");
}

#[test]
fn a_large_message_and_one_that_asks_for_it_come_back_as_their_header() {
    let world = world();
    world.configure("return_limit = \"1KiB\"\n");
    let large = format!("Subject: large\n\n{}\n", "x".repeat(2000));
    world.enqueue_bytes(large.as_bytes(), &["-f", "joe@example.org", "no@x"]);
    world.enqueue(&["-f", "joe@example.org", "--ret", "hdrs", "no@x"]);
    world.enqueue(&["-f", "joe@example.org", "--ret", "full", "no@x"]);
    world.flush_quietly();
    let kinds: Vec<String> =
        world.inbox().iter().map(|text| parsed(&world, text)["original"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds, ["header", "header", "full"]);
}

#[test]
fn any_bytes_come_back_as_they_were() {
    let world = world();
    let mails: [&[u8]; 5] = [
        b"Subject: crlf\r\n\r\nline\r\n.\r\n",
        b"Subject: 8bit \xe9\n\n\xff\xfe no end of line",
        b"Subject: binary\n\n\0\r\r\nx\n",
        b"no header at all\n",
        b"Subject: boundaries\nContent-Type: multipart/mixed; boundary=report-1\n\n--report-1\n\nx\n--report-1--\n",
    ];
    for (n, mail) in mails.iter().enumerate() {
        world.enqueue_bytes(mail, &["-f", "joe@example.org", "no@x"]);
        world.flush_quietly();
        let path = world.folder_files("").last().unwrap().clone();
        assert_eq!(world.folder_files("").len(), n + 1);
        let report = std::fs::read(&path).unwrap();
        assert!(report.windows(mail.len()).any(|part| part == *mail), "{mail:?}");
        let dry = world.mspool(&["resend", "--dry-run", path.to_str().unwrap()]).run().ok();
        assert_eq!(dry, "no@x\n");
    }
}

#[test]
fn whatever_a_transport_prints_the_report_stays_in_shape() {
    let world = World::at_noon();
    world.relay(
        "cat >/dev/null; printf '5.1.1 \\033]0;x\\007\\n.\\nFrom: forged\\nAction: delivered\\n\\n--report\\n'; \
         head -c 100000 /dev/zero | tr '\\0' 'x'; printf '\\377\\200\\n'; exit 67",
        "",
    );
    world.enqueue(&["-f", "joe@example.org", "no@x"]);
    world.flush_quietly();
    let text = &world.inbox()[0];
    assert!(text.lines().all(|line| line.len() <= 998), "no line over 998 bytes");
    assert!(!text.contains('\u{1b}') && !text.contains("\nFrom: forged"));
    assert_eq!(actions(&parsed(&world, text)), [("no@x".into(), "failed".into(), "5.1.1".into())]);
}

#[test]
fn a_report_that_a_power_failure_cut_short_is_made_again() {
    let world = world();
    let id = world.enqueue(&["-f", "joe@example.org", "no@x"]);
    world.flush_quietly();
    // As if power had failed between the rename and the sync of the report.
    let path = world.spool().join("log").join(&id);
    let log = fs::read_to_string(&path).unwrap();
    let kept: Vec<&str> = log.lines().take_while(|line| !line.contains("\"event\":\"reported\"")).collect();
    let begun: Value = serde_json::from_str(kept.last().unwrap()).unwrap();
    let report = begun["report"].as_str().unwrap();
    fs::write(&path, kept.join("\n") + "\n").unwrap();
    world.put_back(&id, "cur", "");
    fs::write(world.spool().join("in/new").join(report), "").unwrap();
    fs::remove_file(world.spool().join("log").join(report)).unwrap();
    for file in world.folder_files("") {
        fs::remove_file(file).unwrap();
    }
    world.mspool(&["receive"]).input("Subject: other\n\nx\n").run().says("perhaps by a power failure");
    world.flush_quietly();
    let reports: Vec<String> = world.inbox().into_iter().filter(|text| text.contains("Undelivered mail")).collect();
    assert_eq!((world.state(&id).as_str(), reports.len()), ("failed", 1), "{log}");
    assert_eq!(parsed(&world, &reports[0])["recipients"][0]["address"], "no@x");
}

#[test]
fn a_delay_is_reported_once_to_those_who_ask() {
    let mut world = world();
    let asked = world.enqueue(&["-f", "joe@example.org", "--notify", "delay", "later@x"]);
    let unasked = world.enqueue(&["-f", "joe@example.org", "later@x"]);
    world.flush_quietly();
    assert_eq!(world.inbox().len(), 0, "not late yet");
    for hour in [3, 4, 5] {
        world.run_machine_until(NOON + hour * 3600);
        world.flush_quietly();
    }
    let inbox = world.inbox();
    assert_eq!(inbox.len(), 1, "{inbox:?}");
    let report = parsed(&world, &inbox[0]);
    assert_eq!(report["envelope_id"], asked.as_str());
    assert_eq!(actions(&report), [("later@x".into(), "delayed".into(), "4.2.1".into())]);
    assert!(inbox[0].contains("Will-Retry-Until: Wed, 6 May 2026 12:00:00 +0000"), "{}", inbox[0]);
    assert!(inbox[0].contains("\nSubject: Delayed mail: test\n"), "{}", inbox[0]);
    world.run_machine_until(NOON + 5 * 86_400);
    world.flush_quietly();
    let kinds: Vec<String> =
        world.inbox()[1..].iter().map(|text| parsed(&world, text)["envelope_id"].to_string()).collect();
    assert_eq!(kinds, [format!("{unasked:?}")], "who asked for delays only is not told of failures");
}

#[test]
fn a_warning_comes_on_time_between_two_attempts() {
    let mut world = world();
    let text = std::fs::read_to_string(world.path("config.toml")).unwrap();
    world.config(&text.replace("[queue]\n", "[queue]\ndelay_warning = \"2m\"\n"));
    let id = world.enqueue(&["-f", "joe@example.org", "later@x"]);
    world.flush_quietly();
    assert_eq!(world.due(&id), Some(NOON + 120), "the warning is due before the next attempt");
    world.clock = Some(NOON + 120);
    world.flush_quietly();
    assert_eq!(world.inbox().len(), 1);
    assert_eq!(world.due(&id), Some(NOON + 300));
    assert_eq!(world.report(&id)["attempts"], 1);
}

#[test]
fn automatic_mail_gets_no_warnings() {
    let mut world = world();
    let text = std::fs::read_to_string(world.path("config.toml")).unwrap();
    world.config(&text.replace("[queue]\n", "[queue]\ndelay_warning = \"1h\"\n"));
    for field in ["Auto-Submitted: auto-generated", "Precedence: bulk", "List-Id: <l.x>"] {
        world.enqueue_bytes(format!("{field}\n\nhi\n").as_bytes(), &["-f", "joe@example.org", "later@x"]);
    }
    world.enqueue_bytes(b"Auto-Submitted: no\n\nhi\n", &["-f", "joe@example.org", "later@x"]);
    world.flush_quietly();
    world.clock = Some(NOON + 7200);
    world.flush_quietly();
    assert_eq!(world.inbox().len(), 1);
}

#[test]
fn a_report_can_be_queued_and_goes_where_mail_to_its_reader_goes() {
    let world = World::at_noon();
    let path = world.script("relay", "cat >>\"$TRACE\"; case $2 in no*) exit 67;; esac; echo \"<$1> $2\" >>\"$TRACE\"");
    world.config(&format!(
        "[transport.relay]\ncommand = [{path:?}, \"{{sender}}\", \"{{recipient}}\"]\n[reports]\nvia = \"queue\"\n"
    ));
    let id = world.enqueue(&["-f", "joe@example.org", "--priority", "urgent", "no@x"]);
    world.flush_quietly();
    let queued = world.files("new");
    assert_eq!(queued.len(), 1, "queued, durable, not yet due in that run");
    assert!(queued[0].to_str().unwrap().ends_with(",P=u"), "as urgent as what it is about");
    world.flush_quietly();
    assert_eq!(world.trace().last().unwrap(), "<> joe@example.org", "from the null sender");
    assert_eq!(world.state(&id), "failed");
    assert_eq!(world.inbox().len(), 0);
}

#[test]
fn nobody_reports_on_a_report() {
    let world = World::at_noon();
    let path = world.script("relay", "cat >/dev/null; trace \"<$1>\"; exit 67");
    world.config(&format!(
        "[transport.relay]\ncommand = [{path:?}, \"{{sender}}\", \"{{recipient}}\"]\n[reports]\nvia = \"queue\"\n"
    ));
    world.enqueue(&["-f", "joe@example.org", "no@x"]);
    for _ in 0..4 {
        world.flush_quietly();
    }
    assert_eq!(world.trace(), ["<joe@example.org>", "<>"]);
    assert_eq!(world.files("failed").len(), 2, "a report that cannot go anywhere stays visible");
    assert!(world.files("new").is_empty() && world.files("cur").is_empty());
}

#[test]
fn a_failure_is_told_while_others_are_still_tried() {
    let world = world();
    let id = world.enqueue(&["-f", "joe@example.org", "no@x", "later@x"]);
    world.flush_quietly();
    assert_eq!((world.state(&id).as_str(), world.inbox().len()), ("cur", 1));
    world.mspool(&["cancel", &id]).run().ok();
    assert_eq!(world.inbox().len(), 1, "who cancels knows");
}

#[test]
fn a_result_that_comes_later_is_reported_too() {
    let world = World::at_noon();
    world.relay("cat >/dev/null; exit 81", "");
    let id = world.enqueue(&["-f", "joe@example.org", "fax@x"]);
    world.flush_quietly();
    assert_eq!(world.inbox().len(), 0);
    world.mspool(&["report", "complete", &id, "--rcpt", "fax@x", "--status", "5.1.1"]).run().ok();
    world.flush_quietly();
    assert_eq!((world.state(&id).as_str(), world.inbox().len()), ("failed", 1));
}

#[test]
fn what_an_attempt_now_fails_is_reported_as_ever() {
    let world = world();
    let ran = world.mspool(&["-q", "enqueue", "--now", "-f", "joe@example.org", "no@x"]).input("hi\n").run();
    assert_eq!((ran.code, world.inbox().len()), (0, 1));
    let ran = world.mspool(&["-q", "enqueue", "--wait", "-f", "joe@example.org", "no@x"]).input("hi\n").run();
    assert_eq!((ran.code, world.inbox().len()), (69, 2));
}

#[test]
fn a_transport_that_queues_here_again_gets_one_report_at_its_end() {
    // The inner runs have the machine's clock.
    let mut world = World::new();
    world.clock = None;
    let (program, config) = (crate::world::binary(), world.path("config.toml").display().to_string());
    let again =
        world.script("again", &format!("exec {program} --config {config} enqueue -f \"$1\" \"$2\" >/dev/null 2>&1"));
    world.config(&format!(
        "[queue]\nreserve = \"0B\"\n[transport.again]\ncommand = [{again:?}, \"{{sender}}\", \"{{recipient}}\"]\n"
    ));
    world.enqueue(&["-f", "joe@example.org", "bob@x"]);
    for _ in 0..40 {
        world.flush_quietly();
    }
    assert!(world.files("new").is_empty() && world.files("cur").is_empty(), "it ends");
    assert_eq!(world.inbox().len(), 1, "and is reported once");
}

#[test]
fn mail_behind_a_transport_that_cannot_be_prepared_is_late_too() {
    let mut world = World::at_noon();
    world.relay("cat >/dev/null", "probe = [\"/bin/false\"]");
    world.enqueue(&["-f", "joe@example.org", "--notify", "delay", "bob@x"]);
    world.flush_quietly();
    world.clock = Some(NOON + 5 * 3600);
    world.flush_quietly();
    assert_eq!(world.inbox().len(), 1);
}

/// A world that mails its reports, whose relay refuses these recipients.
fn mailing(refused: &str, keys: &str) -> World {
    let world = World::with_relay("");
    world.relay(
        &format!("cat >\"$HOME/$MSPOOL_ID\"; trace \"$1 $3\"; case $3 in {refused}) exit 67;; esac"),
        &format!("[reports]\nvia = \"queue\"\n{keys}"),
    );
    world
}

#[test]
fn a_bounce_that_fails_is_told_to_the_double_bounce_address() {
    let world = mailing("bob@x|joe@x", "double_bounce_to = \"post@x\"");
    let id = world.enqueue(&["-f", "joe@x", "bob@x"]);
    (0..4).for_each(|_| world.flush_quietly());
    assert_eq!(world.trace(), ["joe@x bob@x", " joe@x", " post@x"]);
    let texts: Vec<String> = std::fs::read_dir(world.path("home"))
        .unwrap()
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
        .filter(|text| text.contains("\nTo: <post@x>\n"))
        .collect();
    assert_eq!(texts.len(), 1);
    let text = texts[0].replace("\n", " ");
    assert!(text.contains("with the null sender, such as a bounce, could not be delivered"), "{text}");
    assert!(text.contains("Final-Recipient: rfc822; joe@x") && text.contains(&id), "{text}");
}

#[test]
fn a_double_bounce_that_fails_is_told_to_no_one() {
    for keys in [
        "double_bounce_to = \"post@x\"",
        "double_bounce_to = \"postmaster\"\n[rewrite.recipient]\n\"postmaster\" = \"post@x\"",
    ] {
        let world = mailing("*", keys);
        world.enqueue(&["-f", "joe@x", "bob@x"]);
        (0..6).for_each(|_| world.flush_quietly());
        assert_eq!(world.trace(), ["joe@x bob@x", " joe@x", " post@x"], "{keys}");
        assert_eq!(world.files("failed").len(), 3, "{keys}");
        assert!(world.files("new").is_empty() && world.files("cur").is_empty(), "{keys}");
    }
}

#[test]
fn only_failures_of_the_null_sender_are_told_and_only_where_it_is_configured() {
    let world = mailing("bob@x", "");
    world.enqueue(&["-f", "", "bob@x"]);
    (0..3).for_each(|_| world.flush_quietly());
    assert_eq!(world.trace(), [" bob@x"]);
    let world = mailing("no@x", "double_bounce_to = \"post@x\"");
    world.enqueue(&["-f", "", "--notify", "success,delay", "bob@x", "no@x"]);
    (0..3).for_each(|_| world.flush_quietly());
    assert!(!world.trace().contains(&" post@x".to_owned()), "neither a success nor what nobody asked for");
    world.config("[reports]\ndouble_bounce_to = \"FAX:1\"\n");
    world.mspool(&["report"]).run().fails(78, "double_bounce_to \"FAX:1\" is not a mail address");
}
