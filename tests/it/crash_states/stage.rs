//! World in which crash states are recovered, and what can be seen in it afterwards.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use crate::world::World;

/// Transport that keeps each message as `ID:RECIPIENT:PID`. Until the world is open, it defers mail to `later` and refuses
/// mail to `no`.
const RELAY: &str = "[ -e \"$DIR/open\" ] || case $1 in later*) exit 75;; no*) cat >/dev/null; exit 67;; esac
cat >\"$DIR/given/$MSPOOL_ID:$1:$$\"";

/// Transport for several recipients at once, with a result for each.
const LIST: &str = "m=$(cat; echo .); for r; do printf %s \"${m%.}\" >\"$DIR/given/$MSPOOL_ID:$r:$$\"
echo \"rcpt $r 2.0.0 ok\" >&3; done";

/// End of every test message.
pub const TEXT: &str = "The text of the message.\n";

/// Message of the tests.
pub const MESSAGE: &str = "From: joe@example.org\nTo: bob@x\nSubject: test\n\nThe text of the message.\n";

/// Message and recipient of a hand-off.
pub type HandOff = (String, String);

/// Makes a world with the two transports.
pub fn world() -> World {
    let world = World::at_noon();
    fs::create_dir(world.path("given")).unwrap();
    let dir = format!("DIR={}\n", world.dir.path().display());
    let relay = world.script("relay", &(dir.clone() + RELAY));
    let list = world.script("list", &(dir + LIST));
    world.config(&format!(
        "hostname = \"laptop.example\"\n[queue]\nreserve = \"0B\"\nretry = {{ first = \"5m\", jitter = 0.0 }}\n\
         [transport.list]\nmatch = [\"*@list\"]\ncommand = [{list:?}, \"{{recipients}}\"]\nresults = \"lines\"\n\
         [transport.box]\nmatch = [\"*@box\"]\nmaildir = {:?}\n\
         [transport.relay]\ntypes = [\"SMTP\"]\ncommand = [{relay:?}, \"{{recipient}}\"]\n",
        world.spool().join("inbox")
    ));
    world
}

/// Lets the relay take all mail.
pub fn open(world: &World) {
    fs::write(world.path("open"), "").unwrap();
}

/// Lets the relay defer and refuse mail.
pub fn close(world: &World) {
    let _ = fs::remove_file(world.path("open"));
}

/// Forgets what the transports were given.
pub fn forget_hand_offs(world: &World) {
    fs::remove_dir_all(world.path("given")).unwrap();
    fs::create_dir(world.path("given")).unwrap();
}

/// Returns the hand-off that the name of a kept message tells.
pub fn hand_off(name: &str) -> HandOff {
    let words: Vec<&str> = name.split(':').collect();
    (words[0].to_owned(), words[1].to_owned())
}

/// Returns what the transports were given: message, recipient, bytes.
pub fn hand_offs(world: &World) -> Vec<(HandOff, Vec<u8>)> {
    let entries = fs::read_dir(world.path("given")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.map(|path| (hand_off(&path.file_name().unwrap().to_string_lossy()), fs::read(path).unwrap())).collect()
}

/// Returns each received message: what is filed in the store, or waits for that.
pub fn received(world: &World) -> Vec<Vec<u8>> {
    let directories = ["in/new", "inbox/new", "inbox/cur"].map(|name| world.spool().join(name));
    let paths = directories.iter().flat_map(|directory| fs::read_dir(directory).into_iter().flatten());
    let paths: BTreeSet<PathBuf> = paths.map(|entry| entry.unwrap().path()).collect();
    paths.into_iter().map(|path| fs::read(path).unwrap()).collect()
}
