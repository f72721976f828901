//! cancel, hold, release: three answers for one question, and going on after a failure.

use crate::world::{NOON, World};

#[test]
fn cancel_answers_cancelled_or_gone() {
    let world = World::with_relay("trace go; cat >/dev/null");
    let id = world.enqueue(&["bob@x", "ann@x"]);
    assert_eq!(world.mspool(&["cancel", &id]).run().ok(), format!("{id}: cancelled for 2 recipients\n"));
    world.flush();
    assert!(world.trace().is_empty());
    assert_eq!((world.state(&id), world.recipient(&id, 0).0), ("failed".into(), "cancelled".into()));
    world.mspool(&["cancel", &id]).run().fails(66, "already failed");
    let sent = world.enqueue(&["bob@x"]);
    world.flush();
    world.mspool(&["cancel", &sent]).run().fails(66, "already sent");
    world.mspool(&["cancel", "1.M000000P1Q0R00000000.x"]).run().fails(66, "not in the spool");
    world.mspool(&["cancel", "../../etc/passwd"]).run().fails(65, "not a queue id");
}

#[test]
fn a_cancelled_message_does_not_clutter_the_report() {
    let world = World::with_relay("cat >/dev/null");
    let id = world.enqueue(&["bob@x"]);
    world.mspool(&["cancel", &id]).run().ok();
    assert_eq!(world.mspool(&["report"]).run().ok(), "The queue is empty.\n");
    assert_eq!(world.report(&id)["recipients"][0]["state"], "cancelled");
}

#[test]
fn cancel_takes_out_only_who_is_still_owed() {
    let world = World::with_relay("cat >/dev/null; printf 'rcpt a@x 2.0.0 ok\\nrcpt b@x 4.0.0 later\\n' >&3");
    world.relay("cat >/dev/null; printf 'rcpt a@x 2.0.0 ok\\nrcpt b@x 4.0.0 later\\n' >&3", "results = \"lines\"");
    let id = world.enqueue(&["a@x", "b@x"]);
    world.flush();
    assert_eq!(
        world.mspool(&["cancel", &id]).run().ok(),
        format!("{id}: cancelled for 1 recipient; 1 already settled\n")
    );
    assert_eq!((world.recipient(&id, 0).0, world.recipient(&id, 1).0), ("delivered".into(), "cancelled".into()));
}

#[test]
fn held_and_deferred_mail_can_be_cancelled() {
    let world = World::with_relay("cat >/dev/null; exit 75");
    let held = world.enqueue(&["--hold", "bob@x"]);
    let deferred = world.enqueue(&["bob@x"]);
    let early = world.enqueue(&["--delay", "1h", "bob@x"]);
    world.flush();
    let out = world.mspool(&["cancel", &held, &deferred, &early]).run().ok();
    assert_eq!(out.lines().count(), 3);
}

#[test]
fn several_ids_go_on_after_one_that_fails() {
    let world = World::with_relay("cat >/dev/null");
    let (a, b) = (world.enqueue(&["bob@x"]), world.enqueue(&["bob@x"]));
    let ran = world.mspool(&["hold", &a, "1.M000000P1Q0R00000000.x", "nonsense", &b]).run();
    assert_eq!(
        (ran.code, ran.out.as_str(), ran.err.lines().count()),
        (1, format!("{a}: held\n{b}: held\n").as_str(), 2)
    );
    assert_eq!(world.files("hold").len(), 2);
}

#[test]
fn hold_and_release_go_round() {
    let mut world = World::with_relay("trace go; cat >/dev/null; exit 75");
    let id = world.enqueue(&["bob@x"]);
    assert_eq!(world.mspool(&["hold", &id]).run().ok(), format!("{id}: held\n"));
    world.mspool(&["hold", &id]).run().fails(66, "already on hold");
    assert_eq!(world.mspool(&["release", &id]).run().ok(), format!("{id}: released\n"));
    assert_eq!(world.state(&id), "new");
    world.mspool(&["release", &id]).run().fails(66, "not on hold");
    world.flush();
    world.mspool(&["hold", &id]).run().ok();
    world.clock = Some(NOON + 9 * 86_400);
    world.flush();
    assert_eq!(world.state(&id), "hold", "what is on hold does not expire");
    world.mspool(&["release", &id]).run().ok();
    assert_eq!((world.state(&id).as_str(), world.due(&id)), ("cur", None));
    world.flush();
    assert_eq!((world.state(&id).as_str(), world.trace().len()), ("cur", 2), "its lifetime begins anew");
}

#[test]
fn release_keeps_to_the_senders_time() {
    let world = World::with_relay("cat >/dev/null");
    let held = world.enqueue(&["--hold", "bob@x"]);
    assert!(world.report(&held)["expires"].is_null(), "on hold nothing ends for its age");
    let id = world.enqueue(&["--delay", "1h", "bob@x"]);
    world.mspool(&["hold", &id]).run().ok();
    world.mspool(&["release", &id]).run().ok();
    assert_eq!(world.due(&id), Some(NOON + 3600));
}

#[test]
fn quiet_prints_nothing_but_failures() {
    let world = World::with_relay("cat >/dev/null");
    let id = world.enqueue(&["bob@x"]);
    world.mspool(&["-q", "hold", &id]).run().silent();
}

#[test]
fn an_output_that_cannot_be_written_is_said_and_undoes_nothing() {
    let world = World::with_relay("cat >/dev/null");
    let ids = [world.enqueue(&["bob@x"]), world.enqueue(&["eve@x"])];
    let into_full = |args: &[&str]| {
        let full = std::path::Path::new("/dev/full");
        let output = world.mspool(args).start_into(full).wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    for (command, state) in [("hold", "hold"), ("release", "new"), ("cancel", "failed")] {
        let (code, err) = into_full(&[command, &ids[0], &ids[1]]);
        assert!(
            err.starts_with("mspool: cannot write to standard output: No space left on device;"),
            "{command}: {err}"
        );
        assert_eq!((code, ids.clone().map(|id| world.state(&id))), (Some(0), [state, state].map(str::to_owned)));
    }
    let wordy: [&[&str]; 7] = [
        &["report"],
        &["report", &ids[0]],
        &["report", "status"],
        &["report", "stats"],
        &["report", "check"],
        &["report", "--format", "postfix"],
        &["completions", "bash"],
    ];
    for args in wordy {
        let (code, err) = into_full(args);
        let said = "mspool: cannot write to standard output: No space left on device\n";
        assert_eq!((code, err.as_str()), (Some(75), said), "{args:?}");
    }
}

#[test]
fn json_has_one_object_per_id() {
    let world = World::with_relay("cat >/dev/null");
    let (first, second) = (world.enqueue(&["bob@x"]), world.enqueue(&["bob@x"]));
    let line = |id: &str, ok: bool, state: Option<&str>, text: &str| serde_json::json!({ "id": id, "ok": ok, "state": state, "text": text });
    let not_an_id = line("../x", false, None, "not a queue id; \"mspool report\" lists them");
    let run = |command: &str, code: i32, expected: &[serde_json::Value]| {
        let ran = world.mspool(&["-q", command, "--json", &first, "../x", &second]).run();
        assert_eq!((ran.code, ran.err.as_str()), (code, ""), "{ran:?}");
        let lines: Vec<serde_json::Value> = ran.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines, expected);
    };
    let both = |state: &str, text: &str| {
        [line(&first, true, Some(state), text), not_an_id.clone(), line(&second, true, Some(state), text)]
    };
    run("hold", 1, &both("hold", "held"));
    run("release", 1, &both("new", "released"));
    run("cancel", 1, &both("failed", "cancelled for 1 recipient"));
    let gone = |id: &str| line(id, false, Some("failed"), "already failed or cancelled");
    run("cancel", 1, &[gone(&first), not_an_id.clone(), gone(&second)]);
}

#[test]
fn mailq_and_init_print_json() {
    let world = World::at_noon();
    let id = world.enqueue(&["bob@x"]);
    assert_eq!(world.json(&["mailq", "--json"])[0]["queue_id"], id);
    assert_eq!(world.json(&["mailq", "--json"]), world.json(&["report", "--format", "postfix-json"]));
    world.mspool(&["sendmail", "--json", "-bp"]).run().fails(64, "unknown flag");
    let path = world.path("init/config.toml");
    let lines = world.json(&["--config", path.to_str().unwrap(), "init", "--json"]);
    assert_eq!(lines, [serde_json::json!({ "path": path.to_str().unwrap() })]);
    assert!(path.exists());
}
