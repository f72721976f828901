//! Who is asked to take a recipient, and what happens when nobody does.

use crate::world::World;

/// Three transports that write their names down.
fn world(order: &str) -> World {
    let world = World::at_noon();
    let script = world.script("stub", "trace \"$MSPOOL_TRANSPORT $*\"; cat >/dev/null");
    world.config(&format!(
        "{order}\n[transport.relay]\ntypes = [\"SMTP\"]\ncommand = [{script:?}, \"--\", \"{{recipients}}\"]\n\
         [transport.fax]\ntypes = [\"FAX\"]\ncommand = [{script:?}, \"{{recipients}}\"]\n\
         [transport.corp]\nmatch = [\"*@corp.example\", \"FAX:+49*\"]\ncommand = [{script:?}, \"{{recipients}}\"]\n"
    ));
    world
}

#[test]
fn patterns_come_first_then_types() {
    let world = world("");
    world.enqueue(&["a@corp.example", "b@elsewhere.org", "FAX:+4930", "FAX:+1212"]);
    world.flush();
    let mut trace = world.trace();
    trace.sort();
    assert_eq!(trace, ["corp a@corp.example +4930", "fax +1212", "relay -- b@elsewhere.org"]);
}

#[test]
fn an_unknown_type_is_accepted_and_fails_alone() {
    let world = world("");
    let id = world.enqueue(&["X400:/C=DE/", "b@elsewhere.org"]);
    world.mspool(&["flush"]).run().says("X400:/C=DE/: failed: 5.4.4 no transport takes addresses of type X400");
    assert_eq!(world.recipient(&id, 0).0, "failed");
    assert_eq!(world.recipient(&id, 1).0, "delivered");
    assert_eq!(world.state(&id), "failed");
}

#[test]
fn an_order_decides_and_must_be_complete() {
    let world = World::at_noon();
    let script = world.script("stub", "trace \"$MSPOOL_TRANSPORT\"; cat >/dev/null");
    let config = |order: &str| {
        world.config(&format!(
            "order = [{order}]\n[transport.a]\ncommand = [{script:?}]\n[transport.b]\ncommand = [{script:?}]\n"
        ));
    };
    config("\"b\", \"a\"");
    world.enqueue(&["bob@x"]);
    world.flush();
    assert_eq!(world.trace(), ["b"]);
    config("\"b\"");
    world.mspool(&["flush"]).run().fails(78, "order does not name transport \"a\"");
    config("\"b\", \"a\", \"b\"");
    world.mspool(&["flush"]).run().fails(78, "twice");
    config("\"b\", \"aa\"");
    world.mspool(&["flush"]).run().fails(78, "did you mean \"a\"");
}

#[test]
fn the_sender_can_name_the_transport() {
    let world = world("");
    world.enqueue(&["--transport", "corp", "b@elsewhere.org"]);
    world.flush();
    assert_eq!(world.trace(), ["corp b@elsewhere.org"]);
}

#[test]
fn a_transport_that_takes_anything_and_one_that_takes_nothing() {
    let world = World::at_noon();
    let script = world.script("stub", "trace \"$MSPOOL_TRANSPORT $*\"; cat >/dev/null");
    world.config(&format!(
        "[transport.none]\ntypes = []\ncommand = [{script:?}]\n[transport.any]\ntypes = [\"*\"]\ncommand = [{script:?}, \"{{recipients}}\"]\n"
    ));
    world.enqueue(&["X400:/C=DE/", "b@x"]);
    world.flush();
    assert_eq!(world.trace(), ["any /C=DE/ b@x"]);
}

#[test]
fn without_a_configuration_local_mail_is_delivered_and_other_mail_is_kept() {
    let world = World::at_noon();
    let run = |args: &[&str]| world.mspool(args).without("MSPOOL_CONFIG").env("XDG_CONFIG_HOME", world.path("none"));
    if std::path::Path::new("/etc/mspool/config.toml").exists() {
        return;
    }
    let enqueue = |address: &str| run(&["enqueue", address]).input("Subject: x\n\n").run().ok().trim().to_owned();
    let local = [enqueue("root"), enqueue("bob@localhost")];
    run(&["flush"]).run().silent();
    for id in &local {
        assert_eq!(world.state(id), "sent");
    }
    assert_eq!(world.inbox().len(), 2);
    let other = enqueue("bob@example.com");
    run(&["flush"]).run().fails(78, "config.toml");
    assert_eq!(world.recipient(&other, 0).0, "owed");
    let fax = enqueue("FAX:1");
    run(&["flush"]).run().fails(78, "no transport is configured");
    assert_eq!(world.recipient(&fax, 0).0, "owed");
}

#[test]
fn types_are_listed_with_their_transports() {
    let world = world("");
    assert_eq!(world.mspool(&["report", "types"]).run().ok(), "FAX       fax\nSMTP      relay\n");
    assert_eq!(
        world.mspool(&["report", "types", "--json"]).run().ok(),
        "{\"type\":\"FAX\",\"transports\":[\"fax\"]}\n{\"type\":\"SMTP\",\"transports\":[\"relay\"]}\n"
    );
}

#[test]
fn a_named_message_goes_to_the_next_candidate_as_well() {
    let world = World::at_noon();
    let decline = world.script("decline", "cat >/dev/null; trace decline; exit 80");
    let take = world.script("take", "cat >/dev/null; trace take");
    world.config(&format!(
        "[transport.first]\ntypes = [\"SMTP\"]\ncommand = [{decline:?}, \"{{recipients}}\"]\n\
         [transport.second]\ntypes = [\"SMTP\"]\ncommand = [{take:?}, \"{{recipients}}\"]\n"
    ));
    for force in [&["flush"][..], &["flush", "--force"]] {
        let id = world.enqueue(&["bob@x"]);
        world.mspool(&[force, &[id.as_str()]].concat()).run().ok();
        assert_eq!(world.state(&id), "sent", "{force:?}");
    }
    assert_eq!(world.trace(), ["decline", "take", "decline", "take"]);
}
