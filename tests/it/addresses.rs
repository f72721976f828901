//! Addresses at the door: rules, aliases, domains put in.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::world::World;

/// A world with this alias file and these keys, whose relay takes everything.
fn world(aliases: &str, keys: &str) -> World {
    let world = World::at_noon();
    let path = world.path("aliases");
    fs::write(&path, aliases).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let relay = world.script("relay", "cat >/dev/null; trace \"$1 $2\"");
    world.config(&format!(
        "hostname = \"laptop\"\n{keys}\n[aliases]\nfiles = [{path:?}]\n\
         [transport.relay]\ntypes = [\"*\"]\ncommand = [{relay:?}, \"{{sender}}\", \"{{recipient}}\"]\n"
    ));
    world
}

fn recipients(world: &World, id: &str) -> Vec<String> {
    let report = world.report(id);
    let of = |one: &serde_json::Value| {
        let kind = one["type"].as_str().unwrap();
        let kind = if kind == "SMTP" { String::new() } else { format!("{kind}:") };
        format!("{kind}{}", one["address"].as_str().unwrap())
    };
    report["recipients"].as_array().unwrap().iter().map(of).collect()
}

#[test]
fn an_alias_stands_for_others_and_the_envelope_says_so() {
    let world = world("Root: joe, \"Bob B\" <bob@example.com>\nlist:\troot,\n  eve@example.com, joe\n", "");
    let id = world.enqueue(&["-f", "me@x", "LIST@localhost", "other@example.com"]);
    assert_eq!(recipients(&world, &id), ["joe", "bob@example.com", "eve@example.com", "other@example.com"]);
    let line = fs::read_to_string(world.find(&id).unwrap().1).unwrap();
    let envelope: serde_json::Value = serde_json::from_str(line.lines().next().unwrap()).unwrap();
    assert_eq!(envelope["recipients"][0]["expanded_from"], "LIST@localhost");
    assert_eq!(envelope["recipients"][0]["orcpt"], "rfc822;LIST@localhost");
    assert_eq!(envelope["recipients"][3].get("expanded_from"), None);
}

#[test]
fn circles_end() {
    let world = world("joe: joe, archive@x\na: b, c@x\nb: a\nround: about\nabout: round\n", "");
    let of = |address: &str| recipients(&world, &world.enqueue(&["-f", "me@x", address]));
    assert_eq!(of("joe"), ["joe", "archive@x"]);
    assert_eq!(of("a"), ["c@x"]);
    assert_eq!(of("round"), ["round"], "better one that nobody takes than nobody");
    assert_eq!(of("joe@elsewhere"), ["joe@elsewhere"], "only users of this host have aliases here");
    let list = world.path("list");
    fs::write(&list, format!(":include:{}\n", list.display())).unwrap();
    fs::set_permissions(&list, fs::Permissions::from_mode(0o600)).unwrap();
    let doubling: String = (0..49).map(|n| format!("n{n}: n{m}, m{m}\nm{n}: n{m}, m{m}\n", m = n + 1)).collect();
    fs::write(world.path("aliases"), format!("self: :include:{}\n{doubling}", list.display())).unwrap();
    let text = fs::read_to_string(world.path("config.toml")).unwrap();
    world.config(&text.replace("[aliases]\n", &format!("[aliases]\nallow = [\":include:{}\"]\n", list.display())));
    world.mspool(&["enqueue", "self"]).input("hi\n").run().fails(78, "includes itself");
    world.mspool(&["enqueue", "n0"]).input("hi\n").run().fails(78, "expand without end");
}

#[test]
fn files_commands_and_lists_are_refused_unless_they_are_named() {
    let aliases = "f: /var/mail/archive\np: \"|/usr/bin/vacation joe\"\n";
    let world = world(aliases, "");
    let list = world.path("list");
    fs::write(&list, "# members\nann@x\nbob@x, f\n").unwrap();
    fs::set_permissions(&list, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(world.path("aliases"), format!("{aliases}l: :include:{}\n", list.display())).unwrap();
    for name in ["f", "p", "l"] {
        world.mspool(&["enqueue", name]).input("hi\n").run().fails(78, "\"allow\" of [aliases]");
    }
    let text = fs::read_to_string(world.path("config.toml")).unwrap();
    let allow = format!("allow = [\"/var/mail/archive\", \"|/usr/bin/vacation joe\", \":include:{}\"]", list.display());
    world.config(&text.replace("[aliases]\n", &format!("[aliases]\n{allow}\n")));
    let of = |address: &str| recipients(&world, &world.enqueue(&["-f", "me@x", address]));
    assert_eq!(of("f"), ["FILE:/var/mail/archive"]);
    assert_eq!(of("p"), ["PIPE:/usr/bin/vacation joe"]);
    assert_eq!(of("l"), ["ann@x", "bob@x", "FILE:/var/mail/archive"]);
}

#[test]
fn a_file_that_others_could_have_written_decides_nothing() {
    let world = world("root: joe\n", "");
    fs::set_permissions(world.path("aliases"), fs::Permissions::from_mode(0o666)).unwrap();
    assert!(world.mspool(&["report", "check"]).run().out.contains("BAD aliases"));
    world.mspool(&["enqueue", "root"]).input("hi\n").run().fails(78, "aliases");
    fs::set_permissions(world.path("aliases"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(world.path("aliases"), "root joe\n").unwrap();
    world.mspool(&["enqueue", "root"]).input("hi\n").run().fails(78, "aliases:1: ");
    assert!(world.files("new").is_empty());
}

#[test]
fn rules_rewrite_recipients_and_senders() {
    let world = world(
        "postmaster: root\n",
        "qualify = \"example.org\"\n[rewrite.recipient]\n\"root\" = \"ops@example.com\"\n\"*@laptop.lan\" = \"*@example.com\"\n\
         [rewrite.sender]\n\"*@laptop\" = \"me@example.com\"\n",
    );
    let id = world.enqueue(&["-f", "joe@laptop", "postmaster", "Bob@laptop.lan", "eve@x", "daemon"]);
    assert_eq!(recipients(&world, &id), ["ops@example.com", "Bob@example.com", "eve@x", "daemon@example.org"]);
    assert_eq!(world.report(&id)["sender"], "me@example.com");
    let null = world.enqueue(&["-f", "", "eve@x"]);
    assert_eq!(world.report(&null)["sender"], "");
    let text = world.mspool(&["report", "rewrite", "postmaster", "joe@laptop"]).run().ok();
    assert!(
        text.contains("as a recipient: ops@example.com: relay") && text.contains("as a sender: me@example.com"),
        "{text}"
    );
    let json = world.json(&["report", "rewrite", "--json", "root"]);
    assert_eq!(json[0]["recipients"][0]["address"], "ops@example.com");
    assert_eq!(json[0]["recipients"][0]["transports"], serde_json::json!(["relay"]));
    let dry = world.mspool(&["enqueue", "--dry-run", "root"]).input("").run().ok();
    assert_eq!(dry, "ops@example.com: relay\n");
}

#[test]
fn who_failed_of_a_list_is_sent_to_again_and_not_the_list() {
    let world = world("list: no@x, yes@x\n", "");
    let relay = world.script("relay", "cat >/dev/null; case $2 in no*) exit 67;; esac");
    let text = fs::read_to_string(world.path("config.toml")).unwrap();
    assert!(text.contains(relay.to_str().unwrap()));
    let id = world.enqueue(&["-f", "me@laptop", "list"]);
    world.flush_quietly();
    let report = &world.inbox()[0];
    assert!(report.contains("Original-Recipient: rfc822; list\nFinal-Recipient: rfc822; no@x\n"), "{report}");
    let again = |subject: &str| world.mspool(&["resend", "--dry-run", subject]).run().ok();
    let file = world.folder_files("")[0].to_str().unwrap().to_owned();
    assert_eq!((again(&id), again(&file)), ("no@x\n".to_owned(), "no@x\n".to_owned()));
    for failed in world.files("failed") {
        fs::remove_file(failed).unwrap();
    }
    assert_eq!(again(&file), "no@x\n", "the same when only the report is left");
}

#[test]
fn a_report_to_somebody_of_this_host_goes_where_their_mail_goes() {
    let world = world("root: admin@example.org\n", "[reports]\nvia = \"queue\"");
    world.script("relay", "cat >/dev/null; trace \"$2\"; case $2 in no*) exit 67;; esac");
    world.enqueue(&["-f", "root@laptop", "no@x"]);
    world.flush_quietly();
    world.flush();
    assert_eq!(world.trace(), ["no@x", "admin@example.org"]);
    let id = world.enqueue(&["-f", "root@laptop", "no@x"]);
    fs::write(world.path("aliases"), "\"broken: ::\n").unwrap();
    assert_eq!(world.mspool(&["flush"]).run().code, 74);
    world.mspool(&["flush"]).run().fails(74, "cannot be notified yet");
    assert_eq!(world.state(&id), "cur", "it waits for its report");
    fs::write(world.path("aliases"), "root: eve@example.org\n").unwrap();
    world.flush_quietly();
    world.flush();
    assert_eq!(
        (world.state(&id), world.trace()[2..].to_vec()),
        ("failed".into(), vec!["no@x".into(), "eve@example.org".into()])
    );
}

#[test]
fn what_was_asked_for_somebody_named_twice_holds_together() {
    let world = world("list: bob@x, eve@x\n", "");
    let asked = |args: &[&str]| {
        let id = world.enqueue(&[&["-f", "me@x"], args].concat());
        let line = fs::read_to_string(world.find(&id).unwrap().1).unwrap();
        let envelope: serde_json::Value = serde_json::from_str(line.lines().next().unwrap()).unwrap();
        let of = |place: usize| envelope["recipients"][place]["notify"].as_str().unwrap_or("unset").to_owned();
        [of(0), of(1)]
    };
    let both = ["--rcpt-notify", "list=failure", "--rcpt-notify", "bob@x=success"];
    assert_eq!(asked(&[&both[..], &["list", "bob@x"]].concat()), ["success,failure", "failure"]);
    let never = ["--rcpt-notify", "list=never", "--rcpt-notify", "bob@x=failure"];
    assert_eq!(asked(&[&never[..], &["list", "bob@x"]].concat()), ["failure", "never"]);
    assert_eq!(asked(&["--rcpt-notify", "bob@x=delay", "list", "bob@x"]), ["delay", "unset"]);
}
