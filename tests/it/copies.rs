//! Programs get copies of messages: the spool keeps the original, also if a program writes to its copy.

use std::fs;
use std::path::Path;

use crate::world::{MAIL, NOON, World};

/// A short message, and one that is too large for a copy in memory.
fn messages() -> [String; 2] {
    [MAIL.to_owned(), format!("{MAIL}{}", "0123456789abcdef0123456789abcdef\n".repeat(70_000))]
}

/// What a program may do with its standard input, none of it reading.
const VANDAL: &str = "(: >/dev/stdin) 2>/dev/null; (echo gone >>/dev/stdin) 2>/dev/null; (echo gone >&0) 2>/dev/null; \
                      truncate -s 0 /dev/stdin 2>/dev/null; true";

fn message_in(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap();
    bytes[end + 1..].to_vec()
}

#[test]
fn nothing_that_a_transport_or_a_filter_writes_reaches_the_spool() {
    for message in messages() {
        for keys in ["", "preprocess = [[\"FILTER\"]]"] {
            let mut world = World::at_noon();
            let filter = world.script("filter", &format!("cat; {VANDAL}"));
            let keys = keys.replace("FILTER", filter.to_str().unwrap());
            world.relay(&format!("{VANDAL}; exit 75"), &keys);
            let id = world.enqueue_bytes(message.as_bytes(), &["bob@x"]);
            world.mspool(&["flush"]).run().ok();
            let (_, path) = world.find(&id).unwrap();
            assert!(message_in(&path) == message.as_bytes(), "{keys}");
            let got = world.path("got");
            world.relay(&format!("cat >{}", got.display()), &keys);
            world.clock = Some(NOON + 3600);
            world.flush();
            assert!(fs::read(got).unwrap() == message.as_bytes(), "{keys}");
        }
    }
}

#[test]
fn standard_input_opened_again_is_the_message_alone() {
    for message in messages() {
        let world = World::at_noon();
        let [first, second] = ["first", "second"].map(|name| world.path(name));
        let read = format!("cat /dev/stdin >{}; cat /proc/self/fd/0 >{}", first.display(), second.display());
        world.relay(&read, "");
        world.enqueue_bytes(message.as_bytes(), &["bob@x", "hidden@x"]);
        world.flush();
        for file in [first, second] {
            assert!(fs::read(file).unwrap() == message.as_bytes(), "no envelope, and every byte");
        }
    }
}

#[test]
fn no_hook_changes_what_is_filed_or_sent() {
    for message in messages() {
        let world = World::at_noon();
        let hook = world.script("hook", &format!("{VANDAL}; cat /dev/stdin >>{}", world.path("seen").display()));
        let relay = world.script("relay", &format!("cat >{}", world.path("got").display()));
        world.config(&format!(
            "[queue]\nreserve = \"0B\"\n[transport.relay]\ncommand = [{relay:?}, \"{{recipients}}\"]\n\
             [[hook.inbound]]\ncommand = [{hook:?}]\n[[hook.outbound]]\ncommand = [{hook:?}]\n"
        ));
        world.receive(&message, &["-f", "amy@x"]);
        let filed = fs::read(&world.folder_files("")[0]).unwrap();
        assert!(filed.ends_with(message.as_bytes()));
        let sent = world.path("sent");
        for part in ["cur", "new", "tmp"] {
            fs::create_dir_all(sent.join(part)).unwrap();
        }
        world.enqueue_bytes(message.as_bytes(), &["--sent", sent.to_str().unwrap(), "bob@x"]);
        world.flush();
        assert!(fs::read(world.path("got")).unwrap() == message.as_bytes());
        let copies: Vec<_> =
            ["new", "cur"].iter().flat_map(|part| fs::read_dir(sent.join(part)).unwrap()).flatten().collect();
        assert!(fs::read(copies[0].path()).unwrap() == message.as_bytes());
    }
}

#[test]
fn a_hook_in_place_cannot_change_the_mailbox() {
    let world = World::at_noon();
    let hook = world.script("hook", VANDAL);
    let mailbox = world.path("mailbox");
    for part in ["cur", "new", "tmp"] {
        fs::create_dir_all(mailbox.join(part)).unwrap();
    }
    fs::write(mailbox.join("new/1.a.b"), MAIL).unwrap();
    world.config(&format!("[[hook.inbound]]\ncommand = [{hook:?}]\n"));
    world.mspool(&["receive", "--in-place", mailbox.to_str().unwrap()]).run().ok();
    assert_eq!(fs::read_to_string(mailbox.join("new/1.a.b")).unwrap(), MAIL);
}
