//! Sources of mail that are asked: what is taken, what is told, and who asks when.

use std::fs;

use crate::world::{World, signal, wait_for};

/// A world with a source named `a` that gives the files of a directory, one a run, with these further keys.
fn world(messages: &[&str], fetch: &str, keys: &str) -> World {
    let world = World::at_noon();
    fs::create_dir(world.path("home/source")).unwrap();
    for (n, text) in messages.iter().enumerate() {
        fs::write(world.path(&format!("home/source/{n}")), text).unwrap();
    }
    let fetch = world.script("fetch", fetch);
    world.config(&format!("[queue]\nreserve = \"0B\"\n[inbound.a]\nfetch = [{fetch:?}]\n{keys}\n"));
    world
}

/// Takes the first away as it gives it.
const TAKE: &str = "cd \"$HOME/source\"; f=$(ls | head -1); [ -n \"$f\" ] || exit 1; cat \"$f\" && rm \"$f\"";

fn left(world: &World) -> usize {
    fs::read_dir(world.path("home/source")).unwrap().count()
}

#[test]
fn equal_messages_of_a_source_that_forgets_are_all_taken() {
    let twins = ["Subject: x\n\nhi\n"; 25];
    let world = world(&twins, TAKE, "");
    for _ in 0..5 {
        let _ = world.mspool(&["receive", "--poll"]).run();
    }
    assert_eq!((world.inbox().len(), left(&world)), (25, 0));
}

#[test]
fn a_large_message_does_not_bar_the_way() {
    let large = format!("Subject: large\n\n{}\n", "x".repeat(5000));
    let world = world(&[&large, "Subject: small\n\nhi\n"], TAKE, "");
    let text = fs::read_to_string(world.path("config.toml")).unwrap();
    world.config(&text.replace("[queue]\n", "[queue]\nmessage_limit = \"1KiB\"\n"));
    world.mspool(&["receive", "--poll"]).run().silent();
    assert_eq!(world.inbox().len(), 2);
}

#[test]
fn a_source_that_keeps_its_mail_is_told_what_it_gave() {
    let fetch = "cd \"$HOME/source\"; for f in *; do grep -qx \"$f\" \"$MSPOOL_SEEN\" && continue; \
                 cat \"$f\"; echo \"ref $f\" >&3; exit 0; done; exit 1";
    let world = world(&["Subject: 0\n\n\n", "Subject: 1\n\n\n"], fetch, "keep = true");
    world.mspool(&["receive", "--poll"]).run().silent();
    world.mspool(&["receive", "--poll"]).run().silent();
    assert_eq!((world.inbox().len(), left(&world)), (2, 2));
    fs::write(world.path("home/source/2"), "Subject: 2\n\n\n").unwrap();
    world.mspool(&["receive", "--poll"]).run().silent();
    assert_eq!(world.inbox().len(), 3);
    world.script("fetch", "echo 'Subject: nameless'");
    world.mspool(&["receive", "--poll"]).run().fails(75, "without a reference");
}

#[test]
fn a_source_that_goes_round_and_does_not_listen_is_left() {
    let fetch = "n=$(cat \"$HOME/n\" 2>/dev/null || echo 0); echo $(( (n + 1) % 3 )) >\"$HOME/n\"; \
                 printf 'Subject: %s\\n\\n\\n' $n; echo \"ref $n\" >&3";
    let world = world(&[], fetch, "ack = [\"/bin/false\", \"--\", \"{ref}\"]");
    let ran = world.mspool(&["receive", "--poll"]).run();
    assert_eq!(ran.code, 75, "{ran:?}");
    assert_eq!(world.inbox().len(), 3, "each of them once");
}

#[test]
fn one_that_does_not_work_stops_no_other() {
    let world = world(
        &["Subject: x\n\n\n"],
        TAKE,
        "[inbound.b]\nfetch = [\"/bin/false\"]\n[inbound.c]\nfetch = [\"sh\", \"-c\", \"exit 5\"]",
    );
    world.mspool(&["receive", "--poll", "b"]).run().silent();
    fs::write(world.spool().join("state/inbound.b.json"), "nonsense").unwrap();
    let ran = world.mspool(&["receive", "--poll"]).run();
    assert_eq!((ran.code, world.inbox().len(), ran.err.lines().count()), (1, 1, 2), "{ran:?}");
    world.mspool(&["receive", "--poll", "d"]).run().fails(64, "configured: a, b, c");
    fs::remove_file(world.spool().join("state/inbound.b.json")).unwrap();
    let status = world.json(&["report", "status", "--json"]);
    let row = |name: &str| status.iter().find(|row| row["transport"] == name).unwrap();
    assert_eq!((row("a")["state"].as_str(), row("a")["inbound"].as_bool()), (Some("available"), Some(true)));
    assert_eq!(row("c")["state"], "failure");
}

#[test]
fn a_flush_goes_in_out_or_both_ways() {
    let world = world(&["Subject: in\n\n\n"], TAKE, "");
    let relay = world.script("relay", "cat >/dev/null; trace \"$1\"");
    world.configure(&format!("[transport.relay]\ncommand = [{relay:?}, \"{{recipient}}\"]\n"));
    world.enqueue(&["bob@x"]);
    world.mspool(&["flush", "--in", "--transport", "relay"]).run().fails(69, "only delivers mail");
    world.mspool(&["flush", "--in"]).run().silent();
    assert_eq!((world.inbox().len(), world.trace().len()), (1, 0));
    fs::write(world.path("home/source/9"), "Subject: more\n\n\n").unwrap();
    world.flush();
    assert_eq!((world.inbox().len(), world.trace().len()), (1, 1));
    world.enqueue(&["bob@x"]);
    world.mspool(&["flush", "--both"]).run().silent();
    assert_eq!((world.inbox().len(), world.trace().len()), (2, 2));
    fs::write(world.path("home/source/9"), "Subject: more\n\n\n").unwrap();
    world.mspool(&["flush", "--both", "--transport", "relay"]).run().silent();
    world.mspool(&["--offline", "flush", "--in"]).run().silent();
    assert_eq!(world.inbox().len(), 2);
    world.mspool(&["flush", "--both", "--transport", "a"]).run().silent();
    assert_eq!(world.inbox().len(), 3);
}

#[test]
fn a_watch_asks_on_time_and_a_slow_source_keeps_nothing_back() {
    let slow = "test -e \"$HOME/go\" || { touch \"$HOME/asked\"; while ! test -e \"$HOME/go\"; do :; done; }; exit 1";
    let world = world(&[], slow, "");
    let child = world.mspool(&["watch", "--json", "--events", "newmail"]).start();
    wait_for("the source to be asked", || world.path("home/asked").exists());
    world.receive("Subject: x\n\n\n", &[]);
    wait_for("the mail", || world.inbox().len() == 1);
    fs::write(world.path("home/go"), "").unwrap();
    signal(&child, "TERM");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 1);
}

#[test]
fn a_source_that_gives_back_what_was_filed_comes_to_an_end() {
    let world = World::at_noon();
    let inbox = world.spool().join("inbox");
    let fetch = world.script(
        "fetch",
        "f=$(ls \"$INBOX/new\" | head -1); [ -n \"$f\" ] || exit 1; cat \"$INBOX/new/$f\"; echo \"ref $f\" >&3",
    );
    let ack = world.script("ack", "rm \"$INBOX/new/$1\"");
    world.config(&format!(
        "[inbound.round]\nfetch = [{fetch:?}]\nack = [{ack:?}, \"{{ref}}\"]\nenv = {{ INBOX = {inbox:?} }}\n"
    ));
    world.receive("Subject: round\n\nand round\n", &["-f", "amy@x"]);
    let ran = world.mspool(&["receive", "--poll"]).run();
    assert!(ran.code == 75 && ran.err.contains("it may give back what was filed"), "{ran:?}");
    let filed = world.folder_files("");
    assert_eq!(filed.len(), 1, "nothing is lost");
    assert!(std::fs::read_to_string(&filed[0]).unwrap().ends_with("and round\n"));
}
