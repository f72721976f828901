//! Members of JSON output: those that commands really print, held against the manual.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;

use crate::manual::{Page, pages, pages_of};
use crate::world::{World, signal, wait_for};

/// Members by command, at any depth of its objects.
#[derive(Debug, Default)]
struct Members(BTreeMap<String, BTreeSet<String>>);

impl Members {
    fn add(&mut self, command: &str, text: &str) {
        let members = self.0.entry(command.to_owned()).or_default();
        for line in text.lines() {
            collect(&serde_json::from_str(line).unwrap_or_else(|_| panic!("{command} prints {line}")), members);
        }
    }

    /// Runs a command with these arguments and `--json`.
    fn run(&mut self, world: &World, command: &str, arguments: &[&str], input: &str) {
        let words: Vec<&str> = command.split(' ').chain(arguments.iter().copied()).chain(["--json"]).collect();
        let ran = world.mspool(&words).input(input).run();
        assert!(!ran.out.is_empty(), "{command} {arguments:?}: {ran:?}");
        self.add(command, &ran.out);
    }
}

fn collect(value: &Value, members: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            members.extend(object.keys().cloned());
            object.values().for_each(|value| collect(value, members));
        }
        Value::Array(list) => list.iter().for_each(|value| collect(value, members)),
        _ => {}
    }
}

const RELAY: &str = "cat >/dev/null; case $3 in yes*) exit 0;; no*) exit 67;; async*) exit 81;; esac; \
                     echo try later; exit 75";

/// Report of another system on the message whose id stands in the place of ENVID.
const BOUNCE: &str = "From: MAILER-DAEMON@x\nTo: joe@x\nSubject: report\n\
    Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nIt failed.\n--b\n\
    Content-Type: message/delivery-status\n\nOriginal-Envelope-Id: ENVID\nReporting-MTA: dns; mx.x\n\n\
    Final-Recipient: rfc822; yes@x\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 no\n\n--b--\n";

/// A world with mail in every state, a source, hooks, and a transport with an open breaker.
fn world() -> World {
    let world = World::at_noon();
    world.relay(RELAY, "relays = true");
    let fetch = world.script("fetch", "f=\"$HOME/next\"; [ -f \"$f\" ] || exit 1; cat \"$f\"; rm \"$f\"");
    let drop = world.script("drop", "case $(cat) in *unwanted*) echo drop;; esac");
    let broken = world.script("broken", "cat >/dev/null; exit 78");
    world.configure(&format!(
        "[transport.broken]\ntypes = [\"FAX\"]\ncommand = [{broken:?}]\n[inbound.source]\nfetch = [{fetch:?}]\n\
         [[hook.inbound]]\ncommand = [{drop:?}]\n[aliases]\nfiles = [{:?}]\n",
        world.path("aliases")
    ));
    fs::write(world.path("aliases"), "team: yes@x, later@x\n").unwrap();
    world
}

/// Members that each command prints in that world.
fn printed() -> Members {
    let mut members = Members::default();
    let world = world();
    members.run(
        &world,
        "enqueue",
        &["--envid", "E", "--not-before", "2026-05-01T13:00:00Z", "--deliver-by", "2026-05-02T13:00:00Z", "yes@x"],
        "A: b\n\n",
    );
    members.run(&world, "enqueue", &["--dry-run", "yes@x", "FAX:1"], "");
    world.enqueue(&["--hold", "yes@x"]);
    let held = world.enqueue(&["--not-before", "2026-06-01T13:00:00Z", "later@x"]);
    let failed = world.enqueue(&["-f", "joe@x", "no@x", "yes@x", "later@x"]);
    let corrupt = world.enqueue(&["yes@corrupt"]);
    let sent = world.enqueue(&["-f", "joe@x", "yes@x"]);
    world.enqueue(&["-f", "joe@x", "FAX:1"]);
    world.enqueue(&["-f", "joe@x", "no@x"]);
    let later = world.enqueue(&["-f", "joe@x", "async@x"]);
    let path = world.find(&corrupt).unwrap().1;
    fs::remove_file(&path).unwrap();
    fs::write(path, "no envelope\n").unwrap();
    members.run(&world, "flush", &["--dry-run"], "");
    members.run(&world, "flush", &[], "");
    let bounce = BOUNCE.replace("ENVID", &sent);
    members.run(&world, "receive", &[], &bounce);
    members.run(&world, "receive", &[], "Subject: unwanted\n\n");
    fs::write(world.path("home/next"), "Subject: fetched\n\n").unwrap();
    members.run(&world, "receive", &["--poll"], "");
    members.run(&world, "resend", &[&failed], "");
    members.run(&world, "report complete", &[&later, "--rcpt", "async@x", "--status", "2.0.0"], "");
    for id in [&failed, &sent, &corrupt] {
        members.run(&world, "report", &[id], "");
    }
    members.run(&world, "report", &[], "");
    for part in ["status", "types", "log", "stats", "check"] {
        members.run(&world, &format!("report {part}"), &[], "");
    }
    members.run(&world, "report rewrite", &["team", "yes@x"], "");
    members.run(&world, "report parse", &["-"], &bounce);
    members.add("watch", &watch(&world));
    for command in ["hold", "release", "cancel"] {
        members.run(&world, command, &[&held, "nothing"], "");
    }
    members.run(&world, "mailq", &[], "");
    let new = world.path("init/config.toml");
    members.run(&world, "init", &["--config", new.to_str().unwrap()], "");
    members
}

/// Events of a watch that sees every kind of mail, and ends.
fn watch(world: &World) -> String {
    let child = world.mspool(&["watch", "--json"]).start();
    wait_for("the watch", || world.spool().join("state/runner.watch").exists());
    let ids = [world.enqueue(&["yes@y"]), world.enqueue(&["later@y"]), world.enqueue(&["-f", "joe@x", "no@y"])];
    fs::write(world.path("home/next"), "Subject: unwanted\n\n").unwrap();
    world.receive("Subject: kept\n\n", &[]);
    world.receive("Subject: unwanted\n\n", &[]);
    wait_for("all events", || {
        world.state(&ids[0]) == "sent" && world.due(&ids[1]).is_some() && world.state(&ids[2]) == "failed"
    });
    wait_for("all received mail", || fs::read_dir(world.spool().join("in/new")).unwrap().count() == 0);
    signal(&child, "TERM");
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

/// Commands of the parser that take `--json`.
fn commands_with_json() -> BTreeSet<String> {
    fn add(command: &clap::Command, words: &str, found: &mut BTreeSet<String>) {
        for inner in command.get_subcommands() {
            let words = format!("{words} {}", inner.get_name()).trim_start().to_owned();
            add(inner, &words, found);
            if inner.get_arguments().any(|argument| argument.get_long() == Some("json")) {
                found.insert(words);
            }
        }
    }
    let mut found = BTreeSet::new();
    add(&mspool::cli::command(), "", &mut found);
    found
}

/// A member is a term `.It Li next_attempt` of a page about the command, or of a page that this one refers to.
#[test]
fn every_member_of_json_is_in_the_manual() {
    let members = printed();
    let unseen: Vec<String> =
        commands_with_json().into_iter().filter(|command| !members.0.contains_key(command)).collect();
    assert!(unseen.is_empty(), "commands with --json that this test does not run: {unseen:?}");
    let events: BTreeSet<&String> = members.0["watch"].iter().collect();
    assert!(events.len() > 10, "{events:?}");
    let pages = pages();
    let mut missing = BTreeSet::new();
    for (command, members) in &members.0 {
        let own = pages_of(&pages, command);
        let refers_to =
            |page: &&Page| own.iter().any(|own| page.names.iter().any(|name| own.references.contains(name)));
        let others: Vec<&Page> = pages.iter().filter(refers_to).collect();
        let is_entry = |word: &str| own.iter().chain(&others).any(|page| page.has(&["Li", "Va"], word));
        missing.extend(members.iter().filter(|member| !is_entry(member)).map(|member| format!("{command}: {member}")));
    }
    assert!(missing.is_empty(), "members of JSON without an entry in a manual page: {missing:#?}");
}
