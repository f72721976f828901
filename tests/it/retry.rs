//! When mail is tried again, and when it is given up.

use crate::world::{NOON, World};

fn refusing() -> World {
    World::with_relay("trace \"$MSPOOL_ATTEMPT\"; cat >/dev/null; exit 75")
}

#[test]
fn waits_grow_and_nothing_is_tried_early() {
    let mut world = refusing();
    let id = world.enqueue(&["bob@x"]);
    let mut now = NOON;
    for (attempt, wait) in [300, 600, 1200, 2400, 4800, 9600, 14_400, 14_400].into_iter().enumerate() {
        world.clock = Some(now);
        world.flush();
        assert_eq!(world.trace().len(), attempt + 1);
        assert_eq!(world.due(&id), Some(now + wait));
        world.clock = Some(now + wait - 1);
        world.flush();
        assert_eq!(world.trace().len(), attempt + 1, "too early");
        now += wait;
    }
    assert_eq!(world.trace(), ["1", "2", "3", "4", "5", "6", "7", "8"]);
    assert_eq!(world.report(&id)["attempts"], 8);
}

#[test]
fn the_lifetime_ends_with_one_more_attempt() {
    let mut world = refusing();
    let id = world.enqueue(&["bob@x"]);
    world.flush();
    world.run_machine_until(NOON + 5 * 86_400);
    let ran = world.mspool(&["flush"]).run();
    ran.says("bob@x: failed via relay: 4.4.7 not delivered within 5d; last: temporary failure");
    assert_eq!((world.state(&id).as_str(), world.trace().len()), ("failed", 2));
}

#[test]
fn the_last_wait_ends_with_the_lifetime() {
    let mut world = refusing();
    world.relay("trace x; cat >/dev/null; exit 75", "");
    let id = world.enqueue(&["--deliver-by", "2m", "bob@x"]);
    world.flush();
    assert_eq!(world.due(&id), Some(NOON + 120));
    world.clock = Some(NOON + 120);
    world.mspool(&["flush"]).run().says("5.4.7 not delivered by 2026-05-01T12:02:00Z");
    assert_eq!((world.state(&id).as_str(), world.trace().len()), ("failed", 1));
}

#[test]
fn a_deadline_passes_behind_a_closed_transport_too() {
    let mut world = refusing();
    let id = world.enqueue(&["--deliver-by", "1h", "bob@x"]);
    world.mspool(&["flush", "--pause", "relay"]).run().silent();
    world.flush();
    world.clock = Some(NOON + 3600);
    world.mspool(&["flush"]).run().says("5.4.7");
    assert_eq!((world.state(&id).as_str(), world.trace().len()), ("failed", 0));
}

#[test]
fn a_narrowed_flush_gives_up_nobody_else() {
    let world = refusing();
    let id = world.enqueue(&["--deliver-by", "2020-01-01T00:00:00Z", "bob@x"]);
    world.mspool(&["flush", "--to", "ann@*"]).run().silent();
    assert_eq!(world.recipient(&id, 0).0, "owed");
}

#[test]
fn a_deadline_in_the_past_fails_without_an_attempt() {
    let world = refusing();
    let id = world.enqueue(&["--deliver-by", "2020-01-01T00:00:00Z", "bob@x"]);
    world.mspool(&["flush"]).run().says("5.4.7");
    assert_eq!((world.state(&id).as_str(), world.trace().len()), ("failed", 0));
}

#[test]
fn a_deadline_before_the_first_attempt_is_kept_too() {
    let mut world = refusing();
    let id = world.enqueue(&["--not-before", "2h", "--deliver-by", "1h", "bob@x"]);
    world.clock = Some(NOON + 3600);
    world.mspool(&["flush"]).run().says("5.4.7");
    assert_eq!((world.state(&id).as_str(), world.trace().len()), ("failed", 0));
}

#[test]
fn deferred_sending_is_counted_from_submission() {
    let mut world = World::with_relay("trace go; cat >/dev/null");
    let id = world.enqueue(&["--delay", "2h", "bob@x"]);
    for (seconds, attempts) in [(0, 0), (7199, 0), (7200, 1)] {
        world.clock = Some(NOON + seconds);
        world.flush();
        world.mspool(&["flush", "--force"]).run().silent();
        assert_eq!(world.trace().len(), attempts);
    }
    assert_eq!(world.state(&id), "sent");
}

#[test]
fn the_lifetime_counts_from_when_mail_could_be_sent() {
    let mut world = refusing();
    let id = world.enqueue(&["--delay", "3w", "bob@x"]);
    world.clock = Some(NOON + 3 * 7 * 86_400);
    world.flush();
    assert_eq!((world.state(&id).as_str(), world.trace().len()), ("cur", 1));
}

#[test]
fn force_and_a_named_id_do_not_wait() {
    let world = refusing();
    let id = world.enqueue(&["bob@x"]);
    let other = world.enqueue(&["ann@x"]);
    world.flush();
    world.mspool(&["flush", "--force"]).run().silent();
    assert_eq!(world.trace(), ["1", "1", "2", "2"]);
    world.mspool(&["flush", &id]).run().silent();
    assert_eq!(world.trace().len(), 5);
    assert_eq!((world.due(&id), world.due(&other)), (Some(NOON + 1200), Some(NOON + 600)));
}

#[test]
fn force_passes_over_nobody_who_waits_for_a_busy_transport() {
    let world = World::at_noon();
    let go = world.script("go", "trace \"$MSPOOL_TRANSPORT\"; cat >/dev/null; test -e \"$HOME/up\" || exit 75");
    let slow = world
        .script("slow", "trace \"$MSPOOL_TRANSPORT\"; cat >/dev/null; test -e \"$HOME/up\" || exit 75; sleep 0.05");
    world.config(&format!(
        "[transport.a]\nmatch = [\"*@a\"]\nparallel = 2\ncommand = [{go:?}]\n[transport.b]\nmatch = [\"*@b\"]\ncommand = [{slow:?}]\n"
    ));
    for _ in 0..10 {
        world.enqueue(&["u@a", "u@b"]);
    }
    world.flush();
    std::fs::write(world.path("home/up"), "").unwrap();
    world.mspool(&["flush", "--force"]).run().silent();
    assert_eq!((world.files("sent").len(), world.trace().len()), (10, 40));
}

#[test]
fn force_tries_each_recipient_once() {
    let world = World::at_noon();
    let script = world.script("one", "trace \"$1\"; cat >/dev/null; exit 75");
    world.config(&format!("[transport.one]\ncommand = [{script:?}, \"{{recipient}}\"]\n"));
    world.enqueue(&["a@x", "b@x", "c@x"]);
    world.mspool(&["flush", "--force"]).run().silent();
    assert_eq!(world.trace(), ["a@x", "b@x", "c@x"]);
}

#[test]
fn recipients_have_waits_of_their_own() {
    let mut world = World::at_noon();
    let quick = world.script("quick", "trace quick; cat >/dev/null; printf 'retry-after 60\\n' >&3; exit 75");
    let slow = world.script("slow", "trace slow; cat >/dev/null; exit 75");
    world.config(&format!(
        "[queue]\nretry = {{ jitter = 0.0 }}\n[transport.quick]\nmatch = [\"*@quick\"]\nresults = \"lines\"\ncommand = [{quick:?}]\n\
         [transport.slow]\ncommand = [{slow:?}]\n"
    ));
    let id = world.enqueue(&["a@quick", "b@slow"]);
    world.flush();
    assert_eq!(world.due(&id), Some(NOON + 60));
    world.clock = Some(NOON + 60);
    world.flush();
    assert_eq!(world.trace().iter().filter(|name| *name == "slow").count(), 1);
    assert_eq!(world.trace().iter().filter(|name| *name == "quick").count(), 2);
}

#[test]
fn a_clock_that_jumps_back_loses_nothing() {
    let mut world = refusing();
    let id = world.enqueue(&["bob@x"]);
    world.clock = Some(NOON - 25 * 365 * 86_400);
    let old = world.enqueue(&["ann@x"]);
    world.flush();
    assert_eq!((world.state(&id).as_str(), world.state(&old).as_str()), ("cur", "cur"));
    assert_ne!(id, old);
}

#[test]
fn jitter_spreads_what_failed_together() {
    let world = World::at_noon();
    let script = world.script("stub", "cat >/dev/null; exit 75");
    world.config(&format!("[transport.a]\nparallel = 4\ncommand = [{script:?}]\n"));
    let ids: Vec<String> = (0..12).map(|_| world.enqueue(&["bob@x"])).collect();
    world.flush();
    let due: std::collections::BTreeSet<u64> = ids.iter().map(|id| world.due(id).unwrap()).collect();
    assert!(due.len() > 1);
    assert!(due.iter().all(|due| (NOON + 240..=NOON + 360).contains(due)), "{due:?}");
}

#[test]
fn a_release_begins_the_back_off_again() {
    let mut world = refusing();
    let id = world.enqueue(&["bob@x"]);
    let mut now = NOON;
    for wait in [300, 600, 1200] {
        world.clock = Some(now);
        world.flush();
        now += wait;
    }
    world.mspool(&["hold", &id]).run().ok();
    world.mspool(&["release", &id]).run().ok();
    for wait in [300, 600] {
        world.clock = Some(now);
        world.flush();
        assert_eq!(world.due(&id), Some(now + wait));
        now += wait;
    }
    assert_eq!(world.report(&id)["attempts"], 5, "attempts are counted on");
}

/// Relay that refuses every login until `home/password` is there.
fn refusing_logins(keys: &str) -> World {
    let world = World::at_noon();
    let relay = "trace x; cat >/dev/null; test -e \"$HOME/password\" || { echo 535 bad login >&2; exit 77; }";
    world.relay(relay, &format!("exits = {{ 77 = \"auth\" }}\n{keys}"));
    world
}

#[test]
fn after_a_refused_login_mail_waits_for_a_person() {
    for probe in ["", "probe = [\"true\"]\n"] {
        let mut world = refusing_logins(probe);
        let ids = [world.enqueue(&["bob@x"]), world.enqueue(&["eve@x"])];
        let ran = world.mspool(&["flush", "--jobs", "1"]).run();
        ran.says("transport relay: the login was refused: 535 bad login; its mail is kept");
        ran.says("mspool flush --resume relay");
        let status = world.json(&["report", "status", "--json"]);
        assert_eq!((status[0]["state"].as_str(), status[0]["breaker"]["cause"].as_str()), (Some("auth"), Some("auth")));
        let ran = world.mspool(&["report", "check"]).run();
        assert!(ran.code == 75 && ran.out.contains("login refused since 2026-05-01T12:00:00Z: 535"), "{ran:?}");
        // The account must not be locked by trials: one message in four hours.
        world.clock = Some(NOON + 4 * 3600 - 60);
        world.flush();
        assert_eq!(world.trace().len(), 1);
        let text = world.mspool(&["flush", "--dry-run"]).run().ok();
        assert!(text.contains("waiting for a working login, next trial 2026-05-01T16:00:00Z"), "{text}");
        // The lifetime is over long since, and no mail ends.
        for hours in (4..=7 * 24).step_by(4) {
            world.clock = Some(NOON + hours * 3600 + 60);
            assert_eq!(world.mspool(&["flush"]).run().code, 0);
        }
        assert!(world.trace().len() <= 43, "{}", world.trace().len());
        assert!(ids.iter().all(|id| ["new", "cur"].contains(&world.state(id).as_str())), "nobody is given up");
        std::fs::write(world.path("home/password"), "").unwrap();
        world.mspool(&["flush", "--resume", "relay"]).run().silent();
        world.flush();
        assert_eq!(ids.map(|id| world.state(&id)), ["sent", "sent"]);
        assert_eq!(world.json(&["report", "status", "--json"])[0]["state"], "available");
    }
}

#[test]
fn only_a_login_ends_the_wait_for_one() {
    // The answers of the trials: no login was made in any of them.
    for (answer, force) in
        [("exit 75", false), ("exit 78", false), ("kill -9 $$", false), ("exit 82", false), ("exit 77", true)]
    {
        let mut world = World::at_noon();
        let relay = |answer: &str| format!("trace x; cat >/dev/null; {answer}");
        let keys = "exits = { 77 = \"auth\" }\nparallel = 4";
        world.relay(&relay(if force { "exit 78" } else { "exit 77" }), keys);
        for n in 0..6 {
            world.enqueue(&[&format!("r{n}@x")]);
        }
        world.mspool(&["flush", "--jobs", "1"]).run().says("its mail is kept");
        world.script("relay", &relay(answer));
        if !force {
            world.clock = Some(NOON + 4 * 3600 + 1);
        }
        let before = world.trace().len();
        let args: &[&str] = if force { &["flush", "--force", "--jobs", "1"] } else { &["flush"] };
        assert_eq!(world.mspool(args).run().code, 0);
        assert_eq!(world.trace().len(), before + 1, "{answer}: one trial");
        let status = world.json(&["report", "status", "--json"]);
        assert_eq!(status[0]["state"].as_str(), Some("auth"), "{answer}");
        world.mspool(&["flush"]).run().ok();
        assert_eq!(world.trace().len(), before + 1, "{answer}: the next trial is four hours away");
    }
}
