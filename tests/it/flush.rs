//! Order, selection, concurrency within a run, output, interruption.

use std::fs;

use mspool::mail::envelope::id::QueueId;

use crate::world::{World, signal, signal_until_it_ends, wait_for};

#[test]
fn mail_goes_in_the_order_of_submission() {
    let world = World::with_relay("trace \"$3\"; cat >/dev/null");
    let expected: Vec<String> = (0..50).map(|n| format!("r{n}@x")).collect();
    for address in &expected {
        world.enqueue(&[address]);
    }
    world.flush();
    assert_eq!(world.trace(), expected);
}

#[test]
fn urgent_mail_goes_first_and_nonurgent_last() {
    let world = World::with_relay("trace \"$3\"; cat >/dev/null");
    for (address, level) in [("n@x", "nonurgent"), ("a@x", "normal"), ("u@x", "urgent"), ("b@x", "normal")] {
        world.enqueue(&["--priority", level, address]);
    }
    world.flush();
    assert_eq!(world.trace(), ["u@x", "a@x", "b@x", "n@x"]);
}

#[test]
fn order_holds_with_many_threads_and_one_at_a_time() {
    let world = World::at_noon();
    let script = world.script("one", "trace \"$MSPOOL_TRANSPORT $1\"; cat >/dev/null");
    world.config(&format!(
        "[transport.a]\nmatch = [\"*@a\"]\ncommand = [{script:?}, \"{{recipient}}\"]\n\
         [transport.b]\nmatch = [\"*@b\"]\nparallel = 4\ncommand = [{script:?}, \"{{recipient}}\"]\n"
    ));
    for n in 0..40 {
        world.enqueue(&[&format!("{n}@a"), &format!("{n}@b")]);
    }
    world.flush();
    let a: Vec<String> = world.trace().into_iter().filter(|line| line.starts_with("a ")).collect();
    assert_eq!(a, (0..40).map(|n| format!("a {n}@a")).collect::<Vec<_>>());
    assert_eq!(world.trace().len(), 80);
}

/// A transport that notes how many of its like run at once, in a directory of marks.
const COUNTING: &str = "mkdir -p \"$HOME/at\"; touch \"$HOME/at/$$\"; ls \"$HOME/at\" | wc -l >>\"$TRACE\"; cat >/dev/null; sleep 0.05; rm \"$HOME/at/$$\"";

#[test]
fn no_more_hand_offs_at_once_than_configured() {
    for (parallel, jobs, most) in [(1, "8", 1), (3, "8", 3), (8, "2", 2)] {
        let world = World::with_relay("");
        world.relay(COUNTING, &format!("parallel = {parallel}"));
        for _ in 0..16 {
            world.enqueue(&["bob@x"]);
        }
        world.mspool(&["flush", "--jobs", jobs]).run().silent();
        let peak = world.trace().iter().map(|line| line.trim().parse::<u32>().unwrap()).max();
        assert!(peak <= Some(most), "{peak:?} with {parallel} and {jobs}");
        assert_eq!(world.files("sent").len(), 16);
        if most > 1 {
            assert!(peak > Some(1), "nothing ran side by side");
        }
    }
}

#[test]
fn a_hung_transport_holds_up_nobody_elses_mail() {
    let world = World::at_noon();
    let slow = world.script("slow", "trace slow; cat >/dev/null; while ! test -e \"$HOME/open\"; do sleep 0.02; done");
    let quick = world.script("quick", "trace quick; cat >/dev/null");
    world.config(&format!(
        "[transport.slow]\nmatch = [\"*@slow\"]\ncommand = [{slow:?}]\n[transport.quick]\ncommand = [{quick:?}]\n"
    ));
    for n in 0..300 {
        world.enqueue(if n % 3 == 0 { &["a@slow", "b@quick"] } else { &["b@quick"] });
    }
    let child = world.mspool(&["flush"]).start();
    wait_for("all quick mail", || world.trace().iter().filter(|name| *name == "quick").count() == 300);
    assert_eq!(world.trace().iter().filter(|name| *name == "slow").count(), 1);
    fs::write(world.path("home/open"), "").unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
    assert_eq!(world.files("sent").len(), 300);
    assert_eq!(world.trace().len(), 400);
}

#[test]
fn one_poisoned_message_stops_no_other() {
    let world = World::with_relay("case $3 in crash*) kill -9 $$;; gone*) exit 67;; esac; cat >/dev/null");
    for n in 0..30 {
        world.enqueue(&[match n {
            3 => "crash@x",
            7 => "gone@x",
            _ => "fine@x",
        }]);
    }
    world.mspool(&["flush"]).run().says("gone@x");
    assert_eq!((world.files("sent").len(), world.files("cur").len(), world.files("failed").len()), (28, 1, 1));
}

#[test]
fn a_flush_can_be_narrowed() {
    let world = World::at_noon();
    let script = world.script("stub", "trace \"$MSPOOL_TRANSPORT $MSPOOL_RECIPIENTS\"; cat >/dev/null");
    world.config(&format!("[transport.a]\nmatch = [\"*@a\"]\ncommand = [{script:?}]\n[transport.b]\ncommand = [{script:?}, \"{{recipient}}\"]\n"));
    let id = world.enqueue(&["1@a", "1@b", "2@b"]);
    world.mspool(&["flush", "--transport", "a"]).run().silent();
    assert_eq!(world.trace(), ["a 1@a"]);
    world.mspool(&["flush", "--to", "2@*"]).run().silent();
    assert_eq!(world.trace(), ["a 1@a", "b 2@b"]);
    assert_eq!(world.recipient(&id, 1).0, "owed");
    world.flush();
    assert_eq!(world.state(&id), "sent");
    let ids: Vec<String> = (0..5).map(|_| world.enqueue(&["x@a"])).collect();
    world.mspool(&["flush", "--limit", "2"]).run().silent();
    let states: Vec<String> = ids.iter().map(|id| world.state(id)).collect();
    assert_eq!(states, ["sent", "sent", "new", "new", "new"]);
    world.mspool(&["flush", &ids[4]]).run().silent();
    assert_eq!((world.state(&ids[4]).as_str(), world.state(&ids[2]).as_str()), ("sent", "new"));
}

#[test]
fn ids_that_cannot_be_flushed_say_why() {
    let world = World::with_relay("cat >/dev/null");
    let sent = world.enqueue(&["bob@x"]);
    world.flush();
    let held = world.enqueue(&["--hold", "bob@x"]);
    let waiting = world.enqueue(&["bob@x"]);
    world.mspool(&["flush", &sent]).run().fails(66, "not queued: its state is sent");
    world.mspool(&["flush", &held]).run().fails(75, "on hold");
    world.mspool(&["flush", "1.M000000P1Q0R00000000.x"]).run().fails(66, "not in the spool");
    for hostile in ["../../x", "", "x", &"9".repeat(10_000), "1.M1P1Q1R00000000.a/b"] {
        world.mspool(&["flush", hostile]).run().fails(65, "not a queue id");
    }
    let ran = world.mspool(&["flush", &sent, &waiting]).run();
    assert_eq!((ran.code, world.state(&waiting).as_str()), (1, "sent"));
}

#[test]
fn a_message_in_progress_says_so() {
    let world = World::with_relay("trace go; cat >/dev/null; while ! test -e \"$HOME/open\"; do sleep 0.02; done");
    let id = world.enqueue(&["bob@x"]);
    let child = world.mspool(&["flush"]).start();
    wait_for("the attempt", || !world.trace().is_empty());
    world.mspool(&["flush", &id]).run().fails(75, "in progress");
    fs::write(world.path("home/open"), "").unwrap();
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
}

#[test]
fn json_gives_every_recipient_and_a_summary() {
    let world = World::with_relay("cat >/dev/null; case $3 in later*) exit 75;; no*) exit 67;; esac");
    let id = world.enqueue(&["yes@x"]);
    world.enqueue(&["later@x"]);
    world.enqueue(&["no@x"]);
    world.enqueue(&["--delay", "1h", "soon@x"]);
    let lines = world.json(&["flush", "--json"]);
    assert_eq!(lines.len(), 4);
    assert_eq!(
        lines[0],
        serde_json::json!({
            "id": id, "address": "yes@x", "type": "SMTP", "transport": "relay", "state": "delivered", "status": "2.0.0", "text": ""
        })
    );
    assert_eq!((lines[1]["state"].as_str(), lines[2]["state"].as_str()), (Some("owed"), Some("failed")));
    assert_eq!(
        lines[3]["summary"],
        serde_json::json!({
            "delivered": 1, "relayed": 0, "deferred": 1, "failed": 1, "skipped": 0, "owed": 2, "next_attempt": "2026-05-01T12:05:00Z"
        })
    );
}

#[test]
fn verbose_says_what_was_done_and_quiet_says_nothing() {
    let world = World::with_relay("cat >/dev/null; case $3 in no*) exit 67;; esac");
    let id = world.enqueue(&["yes@x"]);
    assert_eq!(world.mspool(&["-v", "flush"]).run().ok(), format!("{id}: yes@x: delivered via relay: 2.0.0\n"));
    world.enqueue(&["no@x"]);
    world.mspool(&["-q", "flush"]).run().silent();
}

#[test]
fn strict_says_when_mail_is_still_owed() {
    let world = World::with_relay("cat >/dev/null; exit 75");
    world.mspool(&["flush", "--strict"]).run().silent();
    world.enqueue(&["bob@x"]);
    let ran = world.mspool(&["flush", "--strict"]).run();
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (75, "", ""));
}

#[test]
fn a_rehearsal_explains_every_decision_and_does_nothing() {
    let world = World::with_relay("trace go; cat >/dev/null; exit 75");
    let tried = world.enqueue(&["tried@x"]);
    world.flush();
    let fresh = world.enqueue(&["fresh@x", "FAX:1"]);
    let held = world.enqueue(&["--hold", "held@x"]);
    let early = world.enqueue(&["--delay", "1h", "early@x"]);
    let late = world.enqueue(&["--deliver-by", "2020-01-01T00:00:00Z", "late@x"]);
    let out = world.mspool(&["flush", "--dry-run"]).run().ok();
    let expected = [
        format!("{fresh}: fresh@x: attempt via relay: attempt 1"),
        format!("{fresh}: FAX:1: fail: no transport takes addresses of type FAX"),
        format!("{early}: early@x: keep: not before 2026-05-01T13:00:00Z"),
        format!("{late}: late@x: fail: not delivered by 2020-01-01T00:00:00Z"),
        format!("{tried}: tried@x: keep: attempt 1 failed; next attempt 2026-05-01T12:05:00Z"),
        format!("{held}: held@x: keep: on hold"),
    ];
    assert_eq!(out.lines().collect::<Vec<_>>(), expected);
    assert_eq!(world.trace().len(), 1);
    world.mspool(&["flush", "--pause", "relay"]).run().silent();
    let line = &world.json(&["flush", "--dry-run", "--json", &fresh])[0];
    assert_eq!((line["action"].as_str(), line["reason"].as_str()), (Some("keep"), Some("the transport is paused")));
}

#[test]
fn a_request_to_stop_finishes_what_is_under_way() {
    let world = World::with_relay(
        "trace begin; cat >/dev/null; while ! test -e \"$HOME/open\"; do sleep 0.02; done; trace end",
    );
    let ids: Vec<String> = (0..3).map(|_| world.enqueue(&["bob@x"])).collect();
    let child = world.mspool(&["flush"]).start();
    wait_for("the first attempt", || !world.trace().is_empty());
    signal(&child, "TERM");
    fs::write(world.path("home/open"), "").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(143));
    assert_eq!(world.trace(), ["begin", "end"]);
    let states: Vec<String> = ids.iter().map(|id| world.state(id)).collect();
    assert_eq!(states, ["sent", "new", "new"]);
}

#[test]
fn a_second_request_stops_the_transport_too() {
    let world = World::with_relay("trace begin; cat >/dev/null; exec sleep 1000");
    let id = world.enqueue(&["bob@x"]);
    let mut child = world.mspool(&["flush"]).start();
    wait_for("the attempt", || !world.trace().is_empty());
    signal_until_it_ends(&mut child, "INT");
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(130));
    assert_eq!(world.recipient(&id, 0), ("owed".into(), "4.3.2".into(), "interrupted, outcome unknown".into()));
    assert_eq!(world.due(&id), None);
}

#[test]
fn a_message_stays_claimed_while_its_transport_lives() {
    stays_claimed("");
}

/// As ssh(1) and sudo(8) do, which close every descriptor that they do not know.
#[test]
fn a_message_stays_claimed_though_its_transport_closes_the_lock() {
    stays_claimed("exec 4<&-; ");
}

fn stays_claimed(first: &str) {
    let world = World::with_relay(&format!(
        "{first}trace begin; cat >/dev/null; while ! test -e \"$HOME/open\"; do sleep 0.02; done; trace end"
    ));
    let id = world.enqueue(&["bob@x"]);
    let mut child = world.mspool(&["flush"]).start();
    wait_for("the attempt", || !world.trace().is_empty());
    child.kill().unwrap();
    child.wait().unwrap();
    // The runner is dead, its transport is not: no twin may start.
    world.flush();
    assert_eq!(world.trace(), ["begin"]);
    assert_eq!(world.report(&id)["active"], true);
    assert_eq!(world.report(&id)["recipients"][0]["maybe_delivered"], false, "it has not ended yet");
    world.mspool(&["cancel", &id]).run().fails(75, "in progress");
    assert!(world.mspool(&["flush", "--dry-run"]).run().ok().contains("another run is working on it"));
    assert_eq!(world.json(&["report", "status", "--json"])[0]["active"], 1);
    fs::write(world.path("home/open"), "").unwrap();
    wait_for("the end of the transport", || world.trace().len() == 2 && world.report(&id)["active"] == false);
    assert_eq!(world.report(&id)["recipients"][0]["maybe_delivered"], true);
    world.flush();
    assert_eq!(world.state(&id), "sent");
    assert_eq!(world.report(&id)["attempts"], 2);
}

#[test]
fn sent_mail_goes_where_its_sender_said() {
    let world = World::with_relay("cat >/dev/null");
    let default = world.enqueue(&["bob@x"]);
    let keep = world.enqueue(&["--keep", "bob@x"]);
    let delete = world.enqueue(&["--delete", "bob@x"]);
    world.flush();
    for part in ["new", "cur", "tmp"] {
        fs::create_dir_all(world.path("Sent").join(part)).unwrap();
    }
    let folder = world.path("Sent");
    let copied = world.enqueue(&["--sent", folder.to_str().unwrap(), "bob@x"]);
    world.flush();
    let name = QueueId::parse(&copied).unwrap().maildir_name("");
    let copy = folder.join("cur").join(format!("{name}:2,S"));
    assert_eq!(fs::read(copy).unwrap(), crate::world::MAIL.as_bytes());
    // As if the run had died between the copy and the move.
    world.put_back(&copied, "cur", "AR");
    world.flush();
    assert_eq!((world.state(&copied).as_str(), fs::read_dir(folder.join("cur")).unwrap().count()), ("sent", 1));
    assert_eq!(world.due(&default), Some(7 * 86_400), "in running time");
    assert_eq!(world.due(&keep), None);
    assert_eq!(world.find(&delete), None);
    world.mspool(&["report", &delete]).run().fails(66, "not in the spool");
}

#[test]
fn ten_thousand_messages_take_no_more_memory_than_ten() {
    let world = World::at_noon();
    world.config("[queue]\nreserve = \"0B\"\n[transport.a]\nparallel = 4\ncommand = [\"true\"]\n");
    let peak = |count: usize, limit: &str| {
        let mbox: String = (0..count).map(|n| format!("From x Mon\nSubject: {n}\n\nbody\n\n")).collect();
        world.mspool(&["enqueue", "--mbox", "bob@x"]).input(mbox).run().ok();
        let child = world.mspool(&["flush", "--limit", limit]).start();
        let pid = child.id();
        let mut most = 0;
        let handle = std::thread::spawn(move || child.wait_with_output().unwrap());
        while !handle.is_finished() {
            let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let kib = line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse::<u64>().ok());
            most = most.max(kib.unwrap_or(0));
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        assert_eq!(handle.join().unwrap().status.code(), Some(0));
        most
    };
    let few = peak(10, "10");
    let many = peak(10_000, "200");
    assert!(few > 0 && many < few + 2048 + 1000, "{few} KiB with 10 messages, {many} KiB with 10,000");
}
