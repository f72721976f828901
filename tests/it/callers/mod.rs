//! The program behind those that call sendmail: git, mutt, s-nail, mailx, cron, at, PHP, Python, swaks, Alpine and the
//! mail libraries hand mail in, and a relay writes down what comes out; and beside other sendmails, given the same.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::world::{Ran, World, binary};

/// A short message with a field for its recipient.
const LETTER: &str = "From: joe@example.org\nTo: bob@example.org\nSubject: letter\n\nHello.\n";

/// A world with a relay that keeps what it is given, and a link named `sendmail`.
fn world() -> World {
    let world = World::new();
    configure(&world, "");
    symlink(binary(), world.path("sendmail")).unwrap();
    world
}

fn configure(world: &World, tables: &str) {
    fs::create_dir_all(world.path("relayed")).unwrap();
    // A message may come in pieces, each with some of its recipients.
    let keep = "f=$(mktemp \"$(dirname \"$TRACE\")/relayed/$MSPOOL_ID-XXXXXX\")\n\
                for a in \"$@\"; do printf '%s\\n' \"$a\"; done >\"$f.args\"\ncat >\"$f\"\nmv \"$f\" \"$f.mail\"";
    let relay = world.script("relay", keep);
    world.config(&format!(
        "hostname = \"host.example.org\"\n[queue]\nreserve = \"0B\"\n\
         [transport.relay]\ntypes = [\"SMTP\"]\ncommand = [{relay:?}, \"{{sender}}\", \"--\", \"{{recipients}}\"]\n{tables}\n"
    ));
}

/// A message as the relay was given it.
#[derive(Debug)]
struct Sent {
    sender: String,
    recipients: Vec<String>,
    bytes: Vec<u8>,
}

impl Sent {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    fn parts(&self) -> (String, String) {
        let text = self.text().replace("\r\n", "\n");
        let (header, body) = text.split_once("\n\n").unwrap_or_else(|| panic!("no body: {text:?}"));
        (header.to_owned(), body.to_owned())
    }

    fn body(&self) -> String {
        self.parts().1
    }

    /// The values of all fields of this name.
    fn fields(&self, name: &str) -> Vec<String> {
        let unfolded = self.parts().0.replace("\n\t", " ").replace("\n ", " ");
        let fields = unfolded.lines().filter_map(|line| line.split_once(": "));
        fields.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned()).collect()
    }

    #[track_caller]
    fn field(&self, name: &str) -> String {
        let mut values = self.fields(name);
        assert_eq!(values.len(), 1, "{name} in {}", self.text());
        values.remove(0)
    }

    #[track_caller]
    fn is_for(&self, sender: &str, recipients: &[&str]) {
        assert_eq!(
            (self.sender.as_str(), self.recipients.as_slice()),
            (sender, &recipients.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>()[..])
        );
    }
}

/// Everything that the relay has.
fn relayed(world: &World) -> Vec<Sent> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(world.path("relayed")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let sent = |path: &PathBuf| {
        let args = fs::read_to_string(path.with_extension("args")).unwrap();
        let mut args = args.lines().map(str::to_owned);
        let sender = args.next().unwrap();
        assert_eq!(args.next().unwrap(), "--");
        Sent { sender, recipients: args.collect(), bytes: fs::read(path).unwrap() }
    };
    paths.iter().filter(|path| path.extension().is_some_and(|e| e == "mail")).map(sent).collect()
}

/// What the relay is given by a flush.
#[track_caller]
fn flushed(world: &World) -> Vec<Sent> {
    fs::remove_dir_all(world.path("relayed")).unwrap();
    fs::create_dir(world.path("relayed")).unwrap();
    world.flush();
    relayed(world)
}

/// The only message that a flush gives the relay.
#[track_caller]
fn only(world: &World) -> Sent {
    let mut sent = flushed(world);
    assert_eq!(sent.len(), 1, "{sent:?}");
    sent.remove(0)
}

fn sendmail(world: &World, args: &[&str], input: impl AsRef<[u8]>) -> Ran {
    world.program(&world.path("sendmail"), args).input(input).run()
}

/// A program in the path, or among the unpacked packages that MSPOOL_PEERS has.
fn find(program: &str, package: &str) -> Option<PathBuf> {
    let peers = std::env::var_os("MSPOOL_PEERS").map(|peers| Path::new(&peers).join(package).join("usr/bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).chain(peers).map(|dir| dir.join(program)).find(|path| path.is_file());
    if found.is_none() {
        eprintln!("skipped: {program} cannot be used here");
    }
    found
}

/// No file of this name anywhere in the world, nor where the attacks of old put it.
#[track_caller]
fn no_canary(world: &World) {
    let mut stack = vec![world.dir.path().to_owned()];
    while let Some(path) = stack.pop() {
        for entry in fs::read_dir(path).unwrap().map(Result::unwrap) {
            assert!(!entry.file_name().to_string_lossy().contains("canary"), "{:?}", entry.path());
            if entry.file_type().unwrap().is_dir() {
                stack.push(entry.path());
            }
        }
    }
}

mod programs;

mod lines;

mod sessions;

mod threats;

mod peers;
