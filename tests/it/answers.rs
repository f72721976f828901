//! What a transport's command is given, and what its answer means.

use std::fs;

use crate::world::{NOON, World, binary, can_run, wait_for};

/// A relay whose exit status is the recipient's local part.
fn exits() -> World {
    World::with_relay("trace \"$MSPOOL_RECIPIENTS\"; cat >/dev/null; exit ${3%%@*}")
}

#[test]
fn exit_status_zero_delivers() {
    let world = exits();
    let id = world.enqueue(&["0@x"]);
    world.flush();
    assert_eq!(world.state(&id), "sent");
    assert_eq!(world.recipient(&id, 0), ("delivered".into(), "2.0.0".into(), String::new()));
}

#[test]
fn a_relay_takes_it_further() {
    let world = exits();
    world.relay("cat >/dev/null", "relays = true");
    let id = world.enqueue(&["0@x"]);
    world.flush();
    assert_eq!((world.state(&id), world.recipient(&id, 0).0), ("sent".into(), "relayed".into()));
}

#[test]
fn permanent_failures_fail_at_once_and_say_so() {
    for (code, status) in [(64, "5.5.4"), (65, "5.6.0"), (67, "5.1.1"), (77, "5.7.1")] {
        let world = exits();
        let id = world.enqueue(&[&format!("{code}@x")]);
        let ran = world.mspool(&["flush"]).run();
        assert_eq!((ran.code, ran.out.as_str()), (0, ""));
        ran.says(&format!("{id}: {code}@x: failed via relay: {status}"));
        assert_eq!(world.state(&id), "failed");
        assert_eq!(world.recipient(&id, 0).0, "failed");
        world.flush();
        assert_eq!(world.trace().len(), 1, "a failed recipient is never tried again");
    }
}

#[test]
fn everything_unknown_is_temporary() {
    for code in [1, 2, 68, 69, 75, 76, 79, 83, 99, 126, 127, 200, 255] {
        let world = exits();
        let id = world.enqueue(&[&format!("{code}@x")]);
        world.flush();
        assert_eq!((world.state(&id), world.recipient(&id, 0).0), ("cur".into(), "owed".into()), "{code}");
        assert_eq!(world.due(&id), Some(NOON + 300), "{code}");
    }
}

#[test]
fn a_signal_is_temporary() {
    let world = World::with_relay("cat >/dev/null; kill -9 $$");
    let id = world.enqueue(&["bob@x"]);
    world.flush();
    let (state, status, text) = world.recipient(&id, 0);
    assert_eq!((state.as_str(), status.as_str(), text.as_str()), ("owed", "4.3.0", "killed by signal 9"));
}

#[test]
fn a_broken_transport_is_not_charged_to_the_message() {
    for code in [70, 78] {
        let world = exits();
        let id = world.enqueue(&[&format!("{code}@x")]);
        let ran = world.mspool(&["flush"]).run();
        assert_eq!((ran.code, ran.out.as_str()), (0, ""));
        ran.says("transport relay is broken");
        assert_eq!((world.state(&id), world.due(&id)), ("cur".into(), None));
        assert_eq!(world.report(&id)["attempts"], 0);
    }
}

#[test]
fn a_program_that_cannot_be_started_is_broken_and_loud() {
    let world = World::at_noon();
    let plain = world.path("plain");
    fs::write(&plain, "no program").unwrap();
    for command in ["/nonexistent/relay", "no-such-program-anywhere", plain.to_str().unwrap(), "/"] {
        world.config(&format!("[transport.relay]\ntypes = [\"SMTP\"]\ncommand = [{command:?}]\n"));
        let id = world.enqueue(&["bob@x"]);
        let ran = world.mspool(&["flush", &id]).run();
        assert_eq!(ran.code, 0);
        ran.says("cannot be started");
        assert_eq!(world.recipient(&id, 0).0, "owed");
        world.mspool(&["flush", "--resume", "relay"]).run().silent();
    }
}

#[test]
fn not_mine_asks_the_next_and_none_left_fails() {
    let world = World::at_noon();
    let first = world.script("first", "trace \"first $*\"; cat >/dev/null; exit 80");
    let second = world.script("second", "trace \"second $*\"; cat >/dev/null; case \"$1\" in no*) exit 80; esac");
    world.config(&format!(
        "[transport.first]\ncommand = [{first:?}, \"--\", \"{{recipients}}\"]\n[transport.second]\ncommand = [{second:?}, \"{{recipient}}\"]\n"
    ));
    let id = world.enqueue(&["yes@x", "no@x"]);
    let ran = world.mspool(&["flush"]).run();
    ran.says("no@x: failed: 5.4.4 every transport declined");
    assert_eq!(world.trace(), ["first -- yes@x no@x", "second yes@x", "second no@x"]);
    assert_eq!(world.state(&id), "failed");
    assert_eq!(world.recipient(&id, 0).0, "delivered");
    assert_eq!(world.report(&id)["recipients"][0]["transport"], "second");
}

#[test]
fn busy_costs_nothing_and_comes_again_with_the_next_flush() {
    let world = World::with_relay("trace go; cat >/dev/null; test -e \"$HOME/open\" || exit 82");
    let id = world.enqueue(&["bob@x"]);
    world.flush();
    world.flush();
    assert_eq!((world.trace().len(), world.due(&id)), (2, None));
    assert_eq!(world.report(&id)["attempts"], 0);
    fs::write(world.path("home/open"), "").unwrap();
    world.flush();
    assert_eq!(world.state(&id), "sent");
}

#[test]
fn a_result_that_comes_later_is_waited_for() {
    let mut world = World::with_relay("trace go; cat >/dev/null; exit 81");
    world.relay("trace go; cat >/dev/null; exit 81", "async_timeout = \"1h\"");
    let id = world.enqueue(&["bob@x"]);
    world.flush();
    world.flush();
    assert_eq!((world.trace().len(), world.recipient(&id, 0).0), (1, "async".into()));
    assert_eq!(world.due(&id), Some(NOON + 3600));
    world.clock = Some(NOON + 3601);
    world.flush();
    assert_eq!(world.trace().len(), 2, "nobody reported: it is handed over again");
    let complete =
        |status: &str| world.mspool(&["report", "complete", &id, "--rcpt", "bob@x", "--status", status]).run();
    assert_eq!(complete("2.0.0").ok(), format!("{id}: bob@x is delivered\n"));
    assert_eq!((world.state(&id), world.recipient(&id, 0).0), ("sent".into(), "delivered".into()));
    complete("2.0.0").fails(66, "already sent");
}

#[test]
fn a_later_result_can_be_a_failure_or_none() {
    for (status, state, recipient) in [("5.1.1", "failed", "failed"), ("4.2.2", "cur", "owed")] {
        let world = World::with_relay("cat >/dev/null; exit 81");
        let id = world.enqueue(&["bob@x"]);
        world.flush();
        let ran = world.mspool(&["report", "complete", &id, "--rcpt", "bob@x", "--status", status, "--json"]).run();
        let expected = serde_json::json!({
            "id": id, "address": "bob@x", "type": "SMTP", "state": recipient, "status": status
        });
        assert_eq!(serde_json::from_str::<serde_json::Value>(&ran.ok()).unwrap(), expected);
        assert_eq!((world.state(&id).as_str(), world.recipient(&id, 0).0.as_str()), (state, recipient));
    }
    let world = World::with_relay("cat >/dev/null; exit 75");
    let id = world.enqueue(&["bob@x"]);
    world.flush();
    let complete =
        |rcpt: &str, status: &str| world.mspool(&["report", "complete", &id, "--rcpt", rcpt, "--status", status]).run();
    complete("bob@x", "2.0.0").fails(65, "no result is expected");
    complete("ann@x", "2.0.0").fails(65, "not one of its recipients");
    complete("bob@x", "fine").fails(64, "RFC 3463");
}

#[test]
fn a_leading_status_decides_over_the_exit_status() {
    let world = World::with_relay(
        "cat >/dev/null; case $3 in full*) echo '5.2.2 mailbox full'; exit 75;; ok*) echo '2.0.0 queued as 4F'; exit 1;; later*) echo '4.2.1 away' >&2; exit 67;; esac",
    );
    let id = world.enqueue(&["full@x"]);
    world.mspool(&["flush"]).run().says("5.2.2 mailbox full");
    assert_eq!(world.recipient(&id, 0), ("failed".into(), "5.2.2".into(), "mailbox full".into()));
    let id = world.enqueue(&["ok@x"]);
    world.flush();
    assert_eq!(world.recipient(&id, 0), ("delivered".into(), "2.0.0".into(), "queued as 4F".into()));
    let id = world.enqueue(&["later@x"]);
    world.flush();
    assert_eq!(world.recipient(&id, 0), ("owed".into(), "4.2.1".into(), "away".into()));
}

#[test]
fn result_lines_speak_for_each_recipient() {
    let mut world = World::with_relay("");
    let script = "trace \"$*\"; cat >/dev/null\nprintf 'rcpt a@x 2.1.5 fine\\nrcpt b@x 5.1.1 who\\nrcpt c@x 4.2.2 full\\nref 4F2A\\nretry-after 90\\n' >&3; exit 0";
    world.relay(script, "results = \"lines\"");
    let id = world.enqueue(&["a@x", "b@x", "c@x", "d@x"]);
    world.mspool(&["flush"]).run().says("b@x: failed via relay: 5.1.1 who");
    let states: Vec<String> = (0..4).map(|place| world.recipient(&id, place).0).collect();
    assert_eq!(states, ["delivered", "failed", "owed", "delivered"]);
    assert_eq!(world.due(&id), Some(NOON + 90));
    assert_eq!(world.report(&id)["recipients"][0]["remote_id"], "4F2A");
    world.clock = Some(NOON + 91);
    world.flush();
    assert_eq!(world.trace().len(), 2);
    assert!(world.trace()[1].ends_with("-- c@x"), "only who is owed is handed over again");
}

#[test]
fn any_number_of_progress_lines_hides_no_result() {
    let world = World::with_relay("");
    let script = "cat >/dev/null; i=0; while [ $i -lt 3000 ]; do printf 'progress 1/9 %0500d\\n' $i; i=$((i+1)); done >&3; echo 'rcpt bob@x 5.1.1 who' >&3";
    world.relay(script, "results = \"lines\"");
    world.enqueue(&["bob@X"]);
    world.mspool(&["flush"]).run().says("5.1.1 who");
}

#[test]
fn long_addresses_go_in_smaller_batches() {
    let world = World::with_relay("trace $#; cat >/dev/null");
    let recipients: Vec<String> = (0..300).map(|n| format!("{}{n}@example.com", "x".repeat(900))).collect();
    let args: Vec<&str> = recipients.iter().map(String::as_str).collect();
    let id = world.enqueue(&args);
    world.flush();
    assert_eq!(world.state(&id), "sent", "{:?}", world.trace());
    assert!(world.trace().len() > 2);
}

#[test]
fn descriptor_three_is_only_there_where_it_is_configured() {
    let world =
        World::with_relay("cat >/dev/null; ls /proc/$$/fd >\"$TRACE.fds\"; tr '\\n' ' ' <\"$TRACE.fds\" >>\"$TRACE\"");
    world.enqueue(&["bob@x"]);
    world.flush();
    // The shell itself holds its script open, on 10 or above.
    let open: Vec<u32> =
        world.trace()[0].split_whitespace().map(|fd| fd.parse().unwrap()).filter(|fd| *fd < 10).collect();
    assert_eq!(open, [0, 1, 2, 4], "4 holds the lock of the message");
}

#[test]
fn what_a_careless_parent_left_open_does_not_get_through() {
    let world =
        World::with_relay("cat >/dev/null; ls /proc/$$/fd >\"$TRACE.fds\"; tr '\\n' ' ' <\"$TRACE.fds\" >>\"$TRACE\"");
    world.enqueue(&["bob@x"]);
    let careless = world.script("careless", "exec 7</dev/null 9>>\"$TRACE\"; exec \"$@\"");
    let program = binary();
    world.program(&careless, &[program.as_str(), "flush"]).run().silent();
    let open: Vec<u32> =
        world.trace()[0].split_whitespace().map(|fd| fd.parse().unwrap()).filter(|fd| *fd < 10).collect();
    assert_eq!(open, [0, 1, 2, 4], "4 holds the lock of the message");
}

#[test]
fn the_environment_is_what_the_manual_says_and_nothing_else() {
    let world = World::with_relay("");
    world.relay("cat >/dev/null; env >>\"$TRACE\"", "env = { TLS = \"1\" }");
    let id = world.enqueue(&["-f", "joe@x", "--envid", "E1", "bob@x", "ann@x"]);
    let ran = world.mspool(&["flush"]);
    ran.env("LD_PRELOAD", "")
        .env("BASH_ENV", "/x")
        .env("IFS", "x")
        .env("FOO", "() { :;}; x")
        .env("LANG", "C")
        .run()
        .silent();
    let names: std::collections::BTreeSet<String> =
        world.trace().iter().filter_map(|line| Some(line.split_once('=')?.0.to_owned())).collect();
    let shells_own = ["PWD", "OLDPWD", "SHLVL", "_"];
    let names: Vec<&str> = names.iter().map(String::as_str).filter(|name| !shells_own.contains(name)).collect();
    assert_eq!(
        names,
        [
            "HOME",
            "LANG",
            "MSPOOL_ALL_RECIPIENTS",
            "MSPOOL_ATTEMPT",
            "MSPOOL_ENVID",
            "MSPOOL_ID",
            "MSPOOL_PRIORITY",
            "MSPOOL_PROTOCOL",
            "MSPOOL_RECIPIENTS",
            "MSPOOL_RETURN_PATH",
            "MSPOOL_SENDER",
            "MSPOOL_SPOOL",
            "MSPOOL_TRANSPORT",
            "PATH",
            "TLS",
            "TZ",
            "USER"
        ]
    );
    let has = |line: &str| assert!(world.trace().contains(&line.to_owned()), "{line}");
    has(&format!("MSPOOL_ID={id}"));
    has("MSPOOL_SENDER=joe@x");
    has("MSPOOL_RECIPIENTS=bob@x");
    has("ann@x");
    has("MSPOOL_ENVID=E1");
    has("MSPOOL_TRANSPORT=relay");
    has("MSPOOL_ATTEMPT=1");
    has("MSPOOL_PRIORITY=normal");
    has("MSPOOL_PROTOCOL=1");
    has(&format!("MSPOOL_SPOOL={}", world.spool().display()));
}

#[test]
fn the_message_is_the_commands_standard_input_byte_for_byte() {
    let world = World::with_relay("cat >>\"$TRACE\"");
    let bytes = b"Subject: x\r\n\r\n.\r\n\n.\nFrom me\n\0\xff tail without end".to_vec();
    world.enqueue_bytes(&bytes, &["bob@x"]);
    world.flush();
    assert_eq!(fs::read(world.path("trace")).unwrap(), bytes);
}

#[test]
fn a_command_that_does_not_read_its_input_is_judged_by_its_status() {
    let world = World::with_relay("exec <&-; exit 0");
    let id = world.enqueue_bytes(&vec![b'x'; 1 << 20], &["bob@x"]);
    world.flush();
    assert_eq!(world.state(&id), "sent");
}

#[test]
fn ten_megabytes_of_output_block_nothing_and_little_is_kept() {
    let world = World::with_relay(
        "cat >/dev/null; head -c 10000000 /dev/zero | tr '\\0' 'x'; head -c 1000000 /dev/zero >&2; exit 75",
    );
    let id = world.enqueue(&["bob@x"]);
    world.flush();
    let text = world.recipient(&id, 0).2;
    assert!(text.starts_with("xxx") && text.chars().count() <= 1000, "{}", text.len());
    let log = fs::metadata(world.spool().join("log").join(&id)).unwrap().len();
    assert!(log < 8192, "{log}");
}

#[test]
fn hostile_output_becomes_one_printable_line() {
    let world =
        World::with_relay("cat >/dev/null; printf 'a\\033]0;x\\007b\\nc\\0d\\n.\\nFrom: x\\377\\n' >&2; exit 75");
    let id = world.enqueue(&["bob@x"]);
    world.flush();
    let text = world.recipient(&id, 0).2;
    assert_eq!(text, "a?]0;x?b / c?d / . / From: x\u{fffd}");
    let log = fs::read_to_string(world.spool().join("log").join(&id)).unwrap();
    assert!(log.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
}

#[test]
fn a_hung_transport_is_killed_with_everything_it_started() {
    let world = World::with_relay("");
    world.relay(
        "trap '' TERM; (trap '' TERM; trace child $$; exec sleep 1000) & trace pid $$; cat >/dev/null; while :; do sleep 1; done",
        "timeout = \"1s\"",
    );
    let id = world.enqueue(&["bob@x"]);
    world.flush();
    let (state, status, text) = world.recipient(&id, 0);
    assert_eq!((state.as_str(), status.as_str()), ("owed", "4.3.0"));
    assert!(text.contains("killed after 1s"), "{text}");
    assert_eq!(world.due(&id), Some(NOON + 300));
    wait_for("the end of the process group", || {
        let listing = std::process::Command::new("ps").args(["-eo", "args"]).output();
        listing.is_ok_and(|listing| {
            !String::from_utf8_lossy(&listing.stdout).contains(world.path("relay").to_str().unwrap())
        })
    });
}

#[test]
fn a_transport_that_leaves_a_child_behind_holds_nothing_up() {
    let world = World::with_relay("cat >/dev/null; sleep 1000 & trace $!; exit 0");
    let id = world.enqueue(&["bob@x"]);
    world.flush();
    assert_eq!(world.state(&id), "sent");
    // Neither the pipes nor the message's lock wait for it.
    let held = world.enqueue(&["ann@x"]);
    world.flush();
    assert_eq!(world.state(&held), "sent");
    for pid in world.trace() {
        let _ = std::process::Command::new("kill").arg(pid).status();
    }
}

#[test]
fn each_recipient_has_a_run_of_its_own_where_the_command_wants_that() {
    let world = World::at_noon();
    let script = world.script("one", "trace \"$*\"; cat >/dev/null; case $1 in b*) exit 67; esac");
    world.config(&format!("[transport.one]\ncommand = [{script:?}, \"{{recipient}}\"]\n"));
    let id = world.enqueue(&["a@x", "b@x", "c@x"]);
    world.mspool(&["flush"]).run().says("b@x: failed");
    assert_eq!(world.trace(), ["a@x", "b@x", "c@x"]);
    let states: Vec<String> = (0..3).map(|place| world.recipient(&id, place).0).collect();
    assert_eq!(states, ["delivered", "failed", "delivered"]);
}

#[test]
fn an_empty_sender_stays_an_argument() {
    let world = World::with_relay("trace \"$#|$1|$2|$3\"; cat >/dev/null");
    world.enqueue(&["-f", "", "bob@x"]);
    world.flush();
    assert_eq!(world.trace(), ["3||--|bob@x"]);
}

#[test]
fn a_thousand_recipients_go_in_batches() {
    let world = World::with_relay("trace $#; cat >/dev/null");
    let recipients: Vec<String> = (0..1100).map(|n| format!("r{n}@example.com")).collect();
    let args: Vec<&str> = recipients.iter().map(String::as_str).collect();
    let id = world.enqueue(&args);
    world.flush();
    assert_eq!(world.trace(), ["502", "502", "102"]);
    assert_eq!(world.state(&id), "sent");
}

#[test]
fn many_deliveries_leave_no_zombies() {
    if !can_run("ps", &["-e"]) {
        return;
    }
    let world = World::with_relay("cat >/dev/null");
    for _ in 0..30 {
        world.enqueue(&["bob@x"]);
    }
    let child = world.mspool(&["watch"]).start();
    wait_for("all mail to be sent", || world.files("sent").len() == 30);
    let listing =
        std::process::Command::new("ps").args(["-o", "stat=", "--ppid", &child.id().to_string()]).output().unwrap();
    assert!(!String::from_utf8_lossy(&listing.stdout).contains('Z'));
    crate::world::signal(&child, "TERM");
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
}

#[test]
fn a_command_can_read_the_list_of_all_recipients() {
    let world = World::with_relay(
        "cat >/dev/null; trace \"$3 of $(tr '\\n' ' ' <\"$MSPOOL_ALL_RECIPIENTS\")\"; (echo x >>\"$MSPOOL_ALL_RECIPIENTS\") 2>/dev/null && trace changed; exit 0",
    );
    world.configure("[transport.fax]\ntypes = [\"FAX\"]\nmaildir = \"~/fax\"\n");
    world.enqueue_bytes(b"To: ann@x, bob at x\n\nhi\n", &["-t", "-f", "joe@x", "bob@x", "FAX:+49 30"]);
    world.flush_quietly();
    assert_eq!(world.trace(), ["bob@x of bob@x FAX:+49 30 ann@x "]);
}

#[test]
fn the_priority_comes_from_the_header_unless_it_is_given() {
    let priority = |header: &str, arguments: &[&str]| {
        let world = World::with_relay("cat >/dev/null; trace \"$MSPOOL_PRIORITY\"");
        let mail = format!("{header}\nTo: bob@x\n\nhi\n");
        world.enqueue_bytes(mail.as_bytes(), &[&["-f", "joe@x"], arguments].concat());
        world.flush();
        world.trace().remove(0)
    };
    assert_eq!(priority("Priority: Urgent", &["-t"]), "urgent");
    assert_eq!(priority("priority: non-urgent", &["-t"]), "nonurgent");
    assert_eq!(priority("MT-Priority: 3 (high)\nPriority: non-urgent", &["-t"]), "urgent");
    assert_eq!(priority("MT-Priority: -9", &["-t"]), "nonurgent");
    assert_eq!(priority("MT-Priority: 99", &["-t"]), "normal");
    assert_eq!(priority("Priority: urgent", &["-t", "--priority", "nonurgent"]), "nonurgent");
    assert_eq!(priority("Priority: urgent", &["bob@x"]), "normal");
}

#[test]
fn the_id_in_a_reply_is_kept() {
    for (reply, id) in [
        ("2.0.0 Ok: queued as 4Q3x9T1zyz", Some("4Q3x9T1zyz")),
        ("250 OK id=1tABcd-000000012Qr-3xYz", Some("1tABcd-000000012Qr-3xYz")),
        ("2.0.0 fine", None),
        ("4.2.0 not queued as 4Q3x9T1zyz", None),
    ] {
        let world = World::with_relay(&format!("cat >/dev/null; echo '{reply}'"));
        let sent = world.enqueue(&["bob@x"]);
        world.flush();
        assert_eq!(world.report(&sent)["recipients"][0]["remote_id"].as_str(), id, "{reply}");
    }
    let world = World::with_relay("");
    world.relay("cat >/dev/null; echo 'ref own-1' >&3; echo 'queued as 4F2A'", "results = \"lines\"");
    let sent = world.enqueue(&["bob@x"]);
    world.flush();
    assert_eq!(world.report(&sent)["recipients"][0]["remote_id"], "own-1", "a result line decides");
}
