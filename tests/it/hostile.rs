//! Nobody gets in through an address or a header.

use crate::world::{World, binary, wait_for};

/// Addresses that would do something if anybody ever looked at them with a shell.
fn hostile() -> Vec<String> {
    let canary = "touch${IFS}canary";
    let pieces = [
        ";touch canary;",
        "|touch canary",
        "&touch canary&",
        "$(touch canary)",
        "`touch canary`",
        "${run{touch canary}}",
        "<;sh;touch canary;>",
        ">canary",
        "<canary",
        "*",
        "?",
        "[a-z]",
        "{a,b}",
        "'",
        "\"",
        "\\",
        "\\n",
        "%s%n",
        "%0a",
        "~",
        "!!",
        "#",
        "(",
        ")",
        "a b",
        " ",
        "--",
        "{recipient}",
        "{sender}",
        "{id}",
        "{{recipient}}",
        "$HOME",
        "${HOME}",
        "$((1+1))",
        "() { :;}; touch canary",
        "\u{202e}",
        "é",
        "root;",
        "-",
        "--help",
        "--version",
        "-oQ/tmp",
        "-Xa canary@h",
        "-f",
        "@",
        "a@b@c",
    ];
    let with_domain = pieces.iter().map(|piece| format!("{piece}@example.com"));
    pieces
        .iter()
        .map(|piece| (*piece).to_owned())
        .chain(with_domain)
        .chain([canary.to_owned()])
        .filter(|a| !a.is_empty())
        .collect()
}

fn canaries(world: &World) -> usize {
    let mut found = 0;
    let mut stack = vec![world.dir.path().to_owned()];
    while let Some(path) = stack.pop() {
        for entry in std::fs::read_dir(path).unwrap().map(Result::unwrap) {
            found += usize::from(entry.file_name() == "canary");
            if entry.file_type().unwrap().is_dir() {
                stack.push(entry.path());
            }
        }
    }
    found
}

#[test]
fn addresses_arrive_as_one_argument_each_and_run_nothing() {
    let world = World::with_relay("for a in \"$@\"; do printf '%s\\n' \"$a\" >>\"$TRACE\"; done; cat >/dev/null");
    let (mut taken, mut refused) = (0, 0);
    for address in hostile() {
        let ran = world.mspool(&["enqueue", "-f", &address, "--to", &address]).input("A: b\n\n").run();
        if ran.code == 65 {
            // Whatever a program could read as another address, or as several, is refused at the door.
            ran.says("is not one bare address");
            refused += 1;
            continue;
        }
        assert_eq!(ran.code, 0, "{address:?}: {ran:?}");
        taken += 1;
        let _ = std::fs::remove_file(world.path("trace"));
        let ran = world.mspool(&["flush"]).run();
        assert_eq!(ran.code, 0);
        let bare = address.strip_prefix('<').and_then(|inner| inner.strip_suffix('>')).unwrap_or(&address);
        if bare.starts_with('-') {
            // In front of the `--` the sender could be taken for an option.
            ran.says("5.1.3");
            assert!(world.trace().is_empty());
        } else {
            assert_eq!(world.trace(), [bare, "--", bare], "{address:?}");
        }
        assert_eq!(canaries(&world), 0, "{address:?}");
    }
    assert!(taken > 40 && refused > 20, "{taken} {refused}");
}

#[test]
fn an_address_that_looks_like_an_option_needs_the_guard() {
    let world = World::at_noon();
    let script = world.script("stub", "trace \"$*\"; cat >/dev/null");
    world.config(&format!("[transport.open]\ncommand = [{script:?}, \"{{recipients}}\"]\n"));
    let id = world.enqueue(&["--to", "-oQ/tmp", "--to", "--version", "fine@x"]);
    let ran = world.mspool(&["flush"]).run();
    assert_eq!(ran.err.lines().count(), 2);
    assert_eq!(world.trace(), ["fine@x"]);
    let states: Vec<String> = (0..3).map(|place| world.recipient(&id, place).0).collect();
    assert_eq!(states, ["failed", "failed", "delivered"]);
    assert_eq!(world.recipient(&id, 0).1, "5.1.3");
}

#[test]
fn an_address_never_becomes_shell_text() {
    let world = World::at_noon();
    let trace = world.path("trace");
    world.config(&format!(
        "[transport.shell]\ncommand = [\"sh\", \"-c\", \"cat >/dev/null; echo {{recipient}} {{sender}} >>{}\"]\n",
        trace.display()
    ));
    world.enqueue(&["-f", "joe@x", "bob+tag@example.com"]);
    world.flush();
    assert_eq!(world.trace(), ["bob+tag@example.com joe@x"]);
    for address in [
        "`touch${IFS}canary`@x",
        "a|touch${IFS}canary",
        "a&touch${IFS}canary",
        "$HOME@x",
        "a'b@x",
        "\"a b;touch canary\"@x",
    ] {
        world.enqueue(&["-f", "joe@x", address]);
        world.mspool(&["flush"]).run().says("5.1.3");
        world.enqueue(&["-f", address, "bob@x"]);
        world.mspool(&["flush"]).run().says("5.1.3");
    }
    assert_eq!((canaries(&world), world.trace().len()), (0, 1));
}

#[test]
fn a_value_is_never_looked_at_twice() {
    let world = World::at_noon();
    let script = world.script("stub", "trace \"$1|$2|$MSPOOL_SENDER\"; cat >/dev/null");
    world.config(&format!("[transport.a]\ncommand = [{script:?}, \"{{sender}}\", \"{{recipient}}\"]\n"));
    world.enqueue(&["-f", "{recipient}%s@x", "{sender}{id}@x"]);
    world.flush();
    assert_eq!(world.trace(), ["{recipient}%s@x|{sender}{id}@x|{recipient}%s@x"]);
}

#[test]
fn headers_are_data() {
    let world = World::with_relay("trace \"$*\"; cat >/dev/null");
    let mail = "From: \"$(touch canary)\" <joe@x>\nTo: \"`touch canary`\" <bob@x>\nSubject: ;touch canary\n\n$(touch canary)\n";
    world.enqueue_bytes(mail.as_bytes(), &["-t"]);
    world.flush();
    world.mspool(&["report"]).run().ok();
    assert_eq!((canaries(&world), world.trace()), (0, vec!["joe@x -- bob@x".to_owned()]));
}

#[test]
fn the_program_refuses_to_run_with_rights_of_its_file() {
    if !crate::world::is_root() {
        return;
    }
    let world = World::new();
    let copy = world.path("mspool");
    std::fs::copy(binary(), &copy).unwrap();
    std::os::unix::fs::chown(&copy, Some(65534), None).unwrap();
    std::fs::set_permissions(&copy, std::os::unix::fs::PermissionsExt::from_mode(0o4755)).unwrap();
    let mut ran = None;
    wait_for("the copy to be closed", || {
        ran = std::process::Command::new(&copy).arg("report").env("MSPOOL_SPOOL", world.spool()).output().ok();
        ran.is_some()
    });
    let output = ran.unwrap();
    // Where the filesystem ignores the bit there is nothing to refuse.
    if output.status.code() == Some(77) {
        assert!(String::from_utf8_lossy(&output.stderr).contains("setuid"));
    }
}
