//! Ages, deadlines and retention on machines that are off, asleep or wrong about the time.

use crate::world::{NOON, Seeded, World, signal, wait_for};

const DAY: u64 = 86_400;
const YEARS: u64 = 25 * 365 * DAY;

/// A world whose relay is there while the file `up` exists, and records each attempt.
fn world() -> World {
    World::with_relay("cat >/dev/null; trace \"$MSPOOL_ID\"; test -e \"$HOME/up\" || exit 75")
}

fn set_relay(world: &World, is_up: RelayState) {
    match is_up {
        RelayState::Up => std::fs::write(world.path("home/up"), "").unwrap(),
        RelayState::Dead => drop(std::fs::remove_file(world.path("home/up"))),
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum RelayState {
    Up,
    Dead,
}

#[test]
fn a_machine_that_was_off_ages_no_mail() {
    let mut world = world();
    let tried = world.enqueue(&["bob@x"]);
    world.flush();
    let fresh = world.enqueue(&["ann@x"]);
    world.clock = Some(NOON + 30 * DAY);
    world.flush();
    assert_eq!((world.state(&tried), world.state(&fresh)), ("cur".into(), "cur".into()));
    assert_eq!(world.trace().len(), 3, "both were tried, and neither was given up");
    assert_eq!(world.inbox().len(), 0, "nor is either late");
}

#[test]
fn nothing_ends_while_its_transport_is_paused() {
    let mut world = world();
    let id = world.enqueue(&["bob@x"]);
    world.mspool(&["flush", "--pause", "relay"]).run().silent();
    world.run_machine_until(NOON + 6 * DAY);
    world.flush_quietly();
    assert_eq!((world.state(&id), world.trace().len()), ("new".into(), 0));
    world.mspool(&["flush", "--resume", "relay"]).run().silent();
    set_relay(&world, RelayState::Up);
    world.flush();
    assert_eq!((world.state(&id), world.trace().len()), ("sent".into(), 1), "it has its attempt");
}

#[test]
fn a_failed_probe_ends_the_mail_whose_lifetime_is_over() {
    let mut world = World::at_noon();
    let relay = world.script("relay", "cat >/dev/null; trace \"$MSPOOL_ID\"; exit 75");
    let probe = world.script("probe", "trace probe; exit 75");
    world.config(&format!("[transport.relay]\ncommand = [{relay:?}]\nprobe = [{probe:?}]\n"));
    let old = world.enqueue(&["bob@x"]);
    world.flush_quietly();
    world.run_machine_until(NOON + 3 * DAY);
    let young = world.enqueue(&["ann@x"]);
    world.run_machine_until(NOON + 6 * DAY);
    world.flush_quietly();
    // The probe has failed after the lifetime: the next pass ends the message.
    world.mspool(&["flush"]).run().says("4.4.7 not delivered within 5d");
    assert_eq!((world.state(&old).as_str(), world.state(&young).as_str()), ("failed", "new"));
    assert!(world.trace().iter().all(|line| line == "probe"), "neither was handed off to a relay that is away");
}

/// Runs a flush after each named deadline, for a message that the transport answers with this exit status.
#[track_caller]
fn ends_at_its_deadline(exit: u8, arguments: &[&str], header: &str, status: &str) {
    let mut world = World::with_relay(&format!("cat >/dev/null; exit {exit}"));
    let mail = format!("From: joe@x\nTo: bob@x\n{header}\n\nhi\n");
    let id = world.enqueue_bytes(mail.as_bytes(), &[&["-f", "joe@x"], arguments].concat());
    world.flush();
    assert_eq!(world.recipient(&id, 0).0, if exit == 81 { "async" } else { "owed" });
    assert_eq!(world.report(&id)["expires"], "2026-05-01T13:00:00Z");
    world.clock = Some(NOON + 3599);
    world.flush();
    assert_eq!(world.state(&id), "cur", "{arguments:?} {header}");
    world.clock = Some(NOON + 3600);
    world.mspool(&["flush"]).run().says(status);
    assert_eq!((world.state(&id), world.recipient(&id, 0).1), ("failed".into(), status.into()));
    let report = world.inbox().remove(0);
    assert!(report.contains(&format!("Status: {status}\n")), "{report}");
}

#[test]
fn named_deadlines_hold_for_asynchronous_recipients_too() {
    for exit in [75, 81] {
        ends_at_its_deadline(exit, &["--deliver-by", "1h", "bob@x"], "", "5.4.7");
        ends_at_its_deadline(exit, &["--expires", "1h", "bob@x"], "", "4.4.7");
    }
}

#[test]
fn a_message_expires_by_its_header_where_that_is_read() {
    const ONE: &str = "Fri, 01 May 2026 13:00:00 +0000";
    ends_at_its_deadline(75, &["-t"], &format!("Expires: {ONE}"), "4.4.7");
    ends_at_its_deadline(75, &["-t"], &format!("Expiry-Date: {ONE}"), "4.4.7");
    ends_at_its_deadline(75, &["-t", "--expires", "1h"], "Expires: Sat, 02 May 2026 13:00:00 +0000", "4.4.7");
    ends_at_its_deadline(75, &["-t", "--expires", "1h", "--deliver-by", "2h"], "Expires: soon", "4.4.7");
    let world = World::at_noon();
    let expires = |arguments: &[&str], header: &str| {
        let ran = world.mspool(&[&["enqueue", "--json"], arguments].concat());
        let out = ran.input(format!("To: bob@x\n{header}\n\nhi\n")).run().ok();
        serde_json::from_str::<serde_json::Value>(&out).unwrap()["expires"].clone()
    };
    assert_eq!(expires(&["-t"], &format!("Expires: {ONE}")), "2026-05-01T13:00:00Z");
    assert_eq!(expires(&["bob@x"], &format!("Expires: {ONE}")), serde_json::Value::Null, "the header is not read");
    assert_eq!(expires(&["-t"], "Expires: 0"), serde_json::Value::Null);
}

#[test]
fn an_expired_message_is_not_attempted_and_tells_no_one_who_declined() {
    let mut world = World::with_relay("trace tried; cat >/dev/null");
    let id = world.enqueue(&["-f", "joe@x", "--notify", "never", "--expires", "1h", "bob@x"]);
    world.mspool(&["flush", "--pause", "relay"]).run().ok();
    world.clock = Some(NOON + 7200);
    world.mspool(&["flush"]).run().says("4.4.7");
    assert_eq!((world.state(&id).as_str(), world.trace().len(), world.inbox().len()), ("failed", 0, 0));
}

#[test]
fn an_implausible_clock_judges_no_deadline() {
    let mut world = world();
    let id = world.enqueue(&["--deliver-by", "1h", "bob@x"]);
    world.flush();
    world.clock = Some(NOON - 2 * DAY);
    world.flush();
    assert_eq!(world.state(&id), "cur", "a clock that stands before what was recorded");
    world.clock = Some(NOON + 3600);
    world.mspool(&["flush"]).run().says("5.4.7");
    assert_eq!(world.state(&id), "failed");
}

#[test]
fn one_run_with_a_clock_years_ahead_changes_nothing() {
    let mut world = world();
    set_relay(&world, RelayState::Up);
    let sent = world.enqueue(&["bob@x"]);
    world.flush();
    set_relay(&world, RelayState::Dead);
    let waiting = world.enqueue(&["ann@x"]);
    world.clock = Some(NOON + YEARS);
    world.flush();
    assert_eq!((world.state(&sent), world.state(&waiting)), ("sent".into(), "cur".into()));
    world.clock = Some(NOON + 60);
    set_relay(&world, RelayState::Up);
    world.flush();
    assert_eq!(world.state(&waiting), "sent", "a next attempt 25 years ahead is due at once");
}

#[test]
fn a_far_retry_after_is_cut_to_the_configured_longest() {
    let world = World::at_noon();
    let relay = world.script("relay", "cat >/dev/null; printf 'retry-after 9999999\\n' >&3; exit 75");
    world.config(&format!(
        "[queue]\nmax_retry_after = \"2h\"\n[transport.relay]\nresults = \"lines\"\ncommand = [{relay:?}]\n"
    ));
    let id = world.enqueue(&["bob@x"]);
    world.flush();
    assert_eq!(world.due(&id), Some(NOON + 7200));
}

#[test]
fn a_running_machine_with_a_dead_relay_ends_mail_within_a_lifetime_and_a_step() {
    let mut world = world();
    let id = world.enqueue(&["bob@x"]);
    for hour in 0..=5 * 24 + 5 {
        world.clock = Some(NOON + hour * 3600);
        world.flush_quietly();
        if world.state(&id) == "failed" {
            assert!(hour >= 5 * 24, "too early: after {hour} h");
            return;
        }
    }
    panic!("the message is still {}", world.state(&id));
}

/// One machine: its true time goes on; what its clock says may be wrong for a while.
fn live_through(seed: u64) {
    let mut random = Seeded(seed * 2 + 1);
    let mut world = world();
    let (mut true_time, mut error, mut running) = (NOON, 0_i64, 0_u64);
    let mut queued: Vec<(String, u64)> = Vec::new();
    let mut events = Vec::new();
    for _ in 0..40 {
        match random.below(8) {
            0 => error = random.below(2 * YEARS) as i64 - YEARS as i64,
            1 => error = 0,
            2 => true_time += random.below(30 * DAY),
            3 => set_relay(&world, RelayState::Up),
            4 => set_relay(&world, RelayState::Dead),
            _ => true_time += random.below(6 * 3600),
        }
        world.clock = Some((true_time as i64 + error) as u64);
        if random.below(3) == 0 && queued.len() < 12 {
            queued.push((world.enqueue(&["bob@x"]), running));
        }
        world.flush_quietly();
        // A flush counts at most one longest wait.
        running += 4 * 3600;
        events.push((true_time, error));
        for (id, arrived) in &queued {
            let tried = world.trace().iter().any(|line| line == id);
            match world.find(id).map(|(state, _)| state).as_deref() {
                Some("failed") => {
                    assert!(tried, "seed {seed}: {id} failed without an attempt: {events:?}");
                    assert!(running - arrived >= 5 * DAY, "seed {seed}: {id} failed too early: {events:?}");
                }
                Some("sent" | "new" | "cur") => {}
                None => assert!(running - arrived >= 7 * DAY, "seed {seed}: {id} was removed too early: {events:?}"),
                Some(other) => panic!("seed {seed}: {id} is {other}: {events:?}"),
            }
        }
    }
    set_relay(&world, RelayState::Up);
    for wait in [0, 4 * 3600] {
        world.clock = Some(true_time + wait);
        world.flush_quietly();
    }
    for (id, _) in &queued {
        let state = world.find(id).map_or("removed".to_owned(), |(state, _)| state);
        assert!(!matches!(state.as_str(), "new" | "cur"), "seed {seed}: {id} is still {state}: {events:?}");
        let delivered = world.trace().iter().filter(|line| *line == id).count();
        assert!(delivered > 0, "seed {seed}: {id} was never tried: {events:?}");
    }
}

#[test]
fn whatever_the_clock_does_mail_is_tried_before_it_fails_and_kept_as_long_as_promised() {
    let seeds = std::env::var("MSPOOL_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(6);
    for seed in 1..=seeds {
        live_through(seed);
    }
}

#[test]
fn a_suspended_machine_is_not_waited_for_again() {
    if !crate::world::can_run("strace", &["-f", "-e", "trace=none", "true"]) {
        eprintln!("skipped: strace does not work here");
        return;
    }
    let world = World::with_relay("cat >/dev/null; exit 75");
    let calls = world.path("calls");
    let program = crate::world::binary();
    let args =
        ["-f", "-e", "trace=timerfd_create", "-o", calls.to_str().unwrap(), &program, "enqueue", "--wait=1s", "bob@x"];
    let ran = world.program(std::path::Path::new("strace"), &args).input(crate::world::MAIL).run();
    assert_eq!(ran.code, 75, "{ran:?}");
    let calls = std::fs::read_to_string(calls).unwrap();
    assert!(calls.contains("CLOCK_BOOTTIME"), "a wait goes by the clock that counts suspended time: {calls}");
}

#[test]
fn ids_are_unique_on_a_clock_that_stands_still_or_goes_back() {
    let world = World::at_noon();
    let enqueue = |clock: u64, args: &[&str], input: &str| {
        let run = world.mspool(&[&["enqueue"], args].concat()).env("MSPOOL_CLOCK", format!("@{clock}.000000"));
        let out = run.input(input).run().ok();
        out.lines().map(str::to_owned).collect::<Vec<String>>()
    };
    let mbox: String = (0..100).map(|n| format!("From x Mon\nSubject: {n}\n\nbody\n\n")).collect();
    let ids = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for clock in [NOON, NOON - YEARS, NOON, NOON + YEARS, NOON] {
                    let mut found = enqueue(clock, &["bob@x"], "A: b\n\n");
                    found.extend(enqueue(clock, &["--mbox", "bob@x"], &mbox));
                    ids.lock().unwrap().extend(found);
                }
            });
        }
    });
    let mut ids = ids.into_inner().unwrap();
    assert_eq!(ids.len(), 4 * 5 * 101);
    ids.sort();
    ids.dedup();
    assert_eq!((ids.len(), world.files("new").len()), (4 * 5 * 101, 4 * 5 * 101));
}

#[test]
fn a_clock_that_jumps_while_a_watch_runs_ends_nothing() {
    let world = world();
    let clock = world.path("clock");
    let set = |seconds: u64| {
        std::fs::write(world.path("clock.fresh"), seconds.to_string()).unwrap();
        std::fs::rename(world.path("clock.fresh"), &clock).unwrap();
    };
    set(NOON);
    let run = |args: &[&str]| world.mspool(args).env("MSPOOL_CLOCK", &clock);
    let enqueue = || run(&["enqueue", "bob@x"]).input("A: b\n\n").run().ok().trim().to_owned();
    let child = run(&["watch"]).start();
    wait_for("the watch", || world.spool().join("state/runner.watch").exists());
    let mut ids = Vec::new();
    for jump in [NOON, NOON - YEARS, NOON + 12 * 365 * DAY, NOON + 60, 1000, NOON + 120] {
        set(jump);
        let id = enqueue();
        wait_for("an attempt", || world.trace().contains(&id) && world.state(&id) == "cur");
        ids.push(id);
    }
    assert!(world.files("failed").is_empty() && world.inbox().is_empty(), "nothing is given up, and nobody is warned");
    set_relay(&world, RelayState::Up);
    for wait in 1..4 {
        set(NOON + 120 + wait * 4 * 3600);
        signal(&child, "HUP");
        ids.push(enqueue());
        wait_for("its delivery", || world.state(&ids[ids.len() - 1]) == "sent");
    }
    wait_for("all deliveries", || ids.iter().all(|id| world.state(id) == "sent"));
    signal(&child, "TERM");
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(0));
    assert!(world.files("failed").is_empty() && world.files("corrupt").is_empty());
}

#[test]
fn times_of_files_decide_nothing_about_queued_mail() {
    let world = world();
    set_relay(&world, RelayState::Up);
    for seconds in [1, NOON - YEARS, NOON + YEARS] {
        let id = world.enqueue(&["bob@x"]);
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        let file = std::fs::File::options().write(true).open(world.find(&id).unwrap().1).unwrap();
        file.set_modified(time).unwrap();
        world.flush();
        assert_eq!((world.state(&id).as_str(), world.trace().last()), ("sent", Some(&id)), "{seconds}");
    }
}
