//! What keeps mail from a transport without failing it: pause, breaker, offline, probe, resource.

use std::fs;

use crate::world::{NOON, World, binary};

#[test]
fn a_paused_transport_keeps_its_mail_until_it_is_resumed() {
    let world = World::with_relay("trace go; cat >/dev/null");
    let id = world.enqueue(&["bob@x"]);
    world.mspool(&["flush", "--pause", "relay", "--reason", "moving house"]).run().silent();
    world.flush();
    world.mspool(&["flush", "--force"]).run().silent();
    assert_eq!((world.state(&id).as_str(), world.trace().len()), ("new", 0));
    let status = &world.json(&["report", "status", "--json"])[0];
    assert_eq!((status["state"].as_str(), status["owed"].as_u64()), (Some("paused"), Some(1)));
    assert!(status["text"].as_str().unwrap().contains("moving house"));
    world.mspool(&["flush", "--resume", "relay"]).run().silent();
    world.flush();
    assert_eq!((world.state(&id).as_str(), world.trace().len()), ("sent", 1));
}

#[test]
fn a_pause_can_end_by_itself() {
    let mut world = World::with_relay("cat >/dev/null");
    let id = world.enqueue(&["bob@x"]);
    world.mspool(&["flush", "--pause", "relay", "--for", "1h"]).run().silent();
    world.clock = Some(NOON + 3599);
    world.flush();
    assert_eq!(world.state(&id), "new");
    world.clock = Some(NOON + 3600);
    world.flush();
    assert_eq!(world.state(&id), "sent");
}

#[test]
fn only_a_transport_that_exists_can_be_paused() {
    let world = World::with_relay("cat");
    world.mspool(&["flush", "--pause", "rely"]).run().fails(64, "configured: relay");
    world.mspool(&["flush", "--resume", "rely"]).run().fails(64, "configured: relay");
    world.mspool(&["flush", "--transport", "rely"]).run().fails(64, "configured: relay");
    world.mspool(&["flush", "--for", "1h"]).run().fails(64, "--pause");
}

#[test]
fn a_pause_in_the_middle_of_a_run_takes_effect_at_once() {
    let world = World::at_noon();
    let program = binary();
    let program = program.as_str();
    let config = world.path("config.toml");
    let script = format!(
        "trace go; cat >/dev/null; {program} --config {} --spool \"$MSPOOL_SPOOL\" flush --pause relay",
        config.display()
    );
    world.relay(&script, "");
    for _ in 0..3 {
        world.enqueue(&["bob@x"]);
    }
    world.flush();
    assert_eq!(world.trace().len(), 1);
    assert_eq!(world.files("new").len(), 2);
}

#[test]
fn a_broken_transport_is_left_alone_and_tried_again_later() {
    let mut world = World::with_relay("trace go; cat >/dev/null; exit 78");
    let ids: Vec<String> = (0..5).map(|_| world.enqueue(&["bob@x"])).collect();
    world.mspool(&["flush"]).run().says("transport relay is broken");
    assert_eq!(world.trace().len(), 1, "one message is enough to see it");
    world.flush();
    assert_eq!(world.trace().len(), 1, "the next run remembers");
    let status = &world.json(&["report", "status", "--json"])[0];
    assert_eq!((status["state"].as_str(), status["owed"].as_u64()), (Some("failure"), Some(5)));
    assert_eq!(status["breaker"]["failures"], 1);
    assert_eq!(status["next_attempt"], status["breaker"]["until"], "nothing is tried before that");
    world.clock = Some(NOON + 300);
    world.mspool(&["flush"]).run().says("is broken");
    assert_eq!(world.trace().len(), 2, "one trial");
    world.clock = Some(NOON + 900);
    world.script("relay", "trace go; cat >/dev/null");
    world.flush();
    assert_eq!(world.trace().len(), 7, "the trial succeeds, and the others follow");
    assert!(ids.iter().all(|id| world.state(id) == "sent" && world.report(id)["recipients"][0]["attempts"] == 1));
    assert_eq!(world.json(&["report", "status", "--json"])[0]["breaker"], serde_json::Value::Null);
}

#[test]
fn several_at_once_that_see_one_failure_count_it_once() {
    let world = World::new();
    // Each waits for the other, so that both are under way before either fails.
    let script = "trace go; cat >/dev/null; until [ $(grep -c go \"$TRACE\") -ge 2 ]; do :; done; exit 78";
    world.relay(script, "parallel = 2");
    for _ in 0..2 {
        world.enqueue(&["bob@x"]);
    }
    world.mspool(&["flush"]).run().says("is broken");
    assert_eq!(world.trace().len(), 2);
    assert_eq!(world.json(&["report", "status", "--json"])[0]["breaker"]["failures"], 1);
}

#[test]
fn a_breaker_closes_by_hand_by_force_and_by_another_configuration() {
    for cure in ["resume", "force", "config"] {
        let world = World::with_relay("trace go; cat >/dev/null; test -e \"$HOME/ok\" || exit 70");
        let id = world.enqueue(&["bob@x"]);
        world.mspool(&["flush"]).run().says("is broken");
        fs::write(world.path("home/ok"), "").unwrap();
        world.flush();
        assert_eq!(world.trace().len(), 1);
        match cure {
            "resume" => world.mspool(&["flush", "--resume", "relay"]).run().silent(),
            "config" => world.relay("trace go; cat >/dev/null", "timeout = \"5m\""),
            _ => {}
        }
        world.mspool(&["flush", if cure == "force" { "--force" } else { "--out" }]).run().silent();
        assert_eq!(world.state(&id), "sent", "{cure}");
        assert_eq!(world.json(&["report", "status", "--json"])[0]["breaker"], serde_json::Value::Null);
    }
}

#[test]
fn a_broken_transport_holds_up_nobody_elses_mail() {
    let world = World::at_noon();
    let bad = world.script("bad", "trace bad; cat >/dev/null; exit 70");
    let good = world.script("good", "trace good; cat >/dev/null");
    world.config(&format!(
        "[transport.bad]\nmatch = [\"*@bad\"]\ncommand = [{bad:?}]\n[transport.good]\ncommand = [{good:?}]\n"
    ));
    for _ in 0..10 {
        world.enqueue(&["a@bad", "b@good"]);
    }
    world.mspool(&["flush"]).run().says("transport bad is broken");
    assert_eq!(world.trace().iter().filter(|name| *name == "bad").count(), 1);
    assert_eq!(world.trace().iter().filter(|name| *name == "good").count(), 10);
    world.flush();
    assert_eq!(world.trace().len(), 11);
}

#[test]
fn offline_keeps_everything_that_leaves_the_machine() {
    let world = World::at_noon();
    let script = world.script("relay", "trace go; cat >/dev/null");
    world.config(&format!(
        "[transport.local]\nmatch = [\"*@localhost\"]\nmaildir = \"{}\"\n[transport.relay]\ncommand = [{script:?}]\n",
        world.path("Maildir").display()
    ));
    let id = world.enqueue(&["bob@localhost", "bob@x"]);
    world.mspool(&["--offline", "flush"]).run().silent();
    assert_eq!((world.recipient(&id, 0).0, world.recipient(&id, 1).0), ("delivered".into(), "owed".into()));
    assert_eq!(world.report(&id)["recipients"][1]["attempts"], 0);
    assert!(world.trace().is_empty());
    world.flush();
    assert_eq!(world.state(&id), "sent");
}

#[test]
fn a_probe_says_whether_the_transport_can_be_used() {
    let mut world = World::with_relay("");
    let probe = world.script("probe", "trace probe; exit $(cat \"$HOME/answer\")");
    let set = |answer: &str| fs::write(world.path("home/answer"), answer).unwrap();
    world.relay("trace go; cat >/dev/null", &format!("probe = [{probe:?}]"));
    let ids: Vec<String> = (0..2).map(|_| world.enqueue(&["bob@x"])).collect();
    set("75");
    world.flush();
    assert_eq!(world.trace(), ["probe"]);
    assert_eq!(world.report(&ids[0])["attempts"], 0);
    assert_eq!(world.json(&["report", "status", "--json"])[0]["state"], "offline");
    set("78");
    world.flush();
    assert_eq!(world.json(&["report", "status", "--json"])[0]["state"], "failure");
    set("0");
    world.flush();
    assert_eq!(world.trace(), ["probe", "probe", "probe", "go", "go"], "its success closes the breaker");
    assert_eq!(world.json(&["report", "status", "--json"])[0]["state"], "available");
    world.clock = Some(NOON + 1);
    world.flush();
    assert_eq!(world.trace().len(), 5, "without mail nothing is probed");
}

#[test]
fn check_probes_only_when_asked() {
    let world = World::with_relay("");
    let probe = world.script("probe", "trace probe; exit 75");
    world.relay("cat >/dev/null", &format!("probe = [{probe:?}]"));
    let ran = world.mspool(&["report", "check"]).run();
    assert_eq!((ran.code, world.trace().len()), (0, 0));
    let ran = world.mspool(&["report", "check", "--probe"]).run();
    assert_eq!((ran.code, world.trace().len()), (75, 1), "{ran:?}");
}

#[test]
fn a_resource_is_connected_used_and_given_back_once() {
    let world = World::at_noon();
    let script = world.script("vpn", "trace \"$1\"; cat >/dev/null");
    let transport = |name: &str| {
        format!(
            "[transport.{name}]\nmatch = [\"*@{name}\"]\ncommand = [{script:?}, \"{name}\"]\nresource = \"vpn0\"\nparallel = 2\n\
             connect = [{script:?}, \"connect-{name}\"]\ndisconnect = [{script:?}, \"disconnect-{name}\"]\n"
        )
    };
    world.config(&format!("{}{}", transport("a"), transport("b")));
    for address in ["1@a", "2@b", "3@a", "4@b"] {
        world.enqueue(&[address]);
    }
    world.flush();
    assert_eq!(world.trace(), ["connect-a", "a", "a", "disconnect-a", "connect-b", "b", "b", "disconnect-b"]);
    world.flush();
    assert_eq!(world.trace().len(), 8, "without mail nothing is connected");
}

#[test]
fn a_resource_that_another_run_has_is_waited_for_by_nobody() {
    let world = World::at_noon();
    let program = binary();
    let program = program.as_str();
    let config = world.path("config.toml");
    // While the first transport works, another run tries the second one, which wants the same resource.
    let nested = world.script(
        "nested",
        &format!(
            "cat >/dev/null; {program} --config {} --spool \"$MSPOOL_SPOOL\" flush --transport b; trace nested $?",
            config.display()
        ),
    );
    let script = world.script("b", "trace b; cat >/dev/null");
    world.config(&format!(
        "[queue]\nlifetime = \"9000d\"\n[transport.a]\nmatch = [\"*@a\"]\ncommand = [{nested:?}]\nresource = \"modem\"\n\
         [transport.b]\nmatch = [\"*@b\"]\ncommand = [{script:?}]\nresource = \"modem\"\n"
    ));
    world.enqueue(&["1@a"]);
    let id = world.enqueue(&["2@b"]);
    world.flush();
    assert_eq!(world.trace(), ["nested 0", "b"]);
    assert_eq!(world.report(&id)["recipients"][0]["attempts"], 1);
}

#[test]
fn a_connection_that_cannot_be_made_charges_nobody() {
    let world = World::at_noon();
    let script = world.script("t", "trace \"$1\"; cat >/dev/null; test \"$1\" != connect");
    world.config(&format!(
        "[transport.t]\ncommand = [{script:?}, \"send\"]\nconnect = [{script:?}, \"connect\"]\ndisconnect = [{script:?}, \"disconnect\"]\n"
    ));
    let id = world.enqueue(&["bob@x"]);
    world.mspool(&["flush"]).run().says("transport t: connect ended with exit status 1; its mail is kept");
    assert_eq!(world.json(&["report", "status", "--json"])[0]["state"], "offline");
    assert_eq!(world.trace(), ["connect"]);
    assert_eq!((world.report(&id)["attempts"].as_u64(), world.state(&id).as_str()), (Some(0), "new"));
}

#[test]
fn a_state_file_that_cannot_be_trusted_or_read_stops_everything() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::with_relay("cat >/dev/null");
    world.mspool(&["flush", "--pause", "relay"]).run().silent();
    let path = world.spool().join("state/relay.json");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    world.enqueue(&["bob@x"]);
    world.mspool(&["flush"]).run().fails(78, "chmod go-w");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&path, "{ half").unwrap();
    world.mspool(&["flush"]).run().fails(78, "relay.json");
    world.mspool(&["report", "status"]).run().fails(78, "relay.json");
}
