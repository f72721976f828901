//! `receive` behind the programs that people have: procmail, maildrop, getmail, fetchmail and mpop hand mail in, mblaze
//! and notmuch read it; and sources of one's own, asked by `receive --poll`, whatever goes wrong on the way.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::world::{Ran, World, binary, can_run, signal, signal_until_it_ends, wait_for};

/// A message with lines that careless programs change.
const LETTER: &str = "From: ann@example.org\nSubject: letter\n\n.dot\nFrom here\n\n trailing \t\n";

/// A delivery report.
const REPORT: &str = "From: MAILER-DAEMON@mx.example.org\nSubject: Undelivered Mail\nMIME-Version: 1.0\n\
    Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n\
    --b\nContent-Type: text/plain\n\nSorry.\n\
    --b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.org\n\n\
    Final-Recipient: rfc822; bob@example.net\nAction: failed\nStatus: 5.1.1\n--b--\n";

/// Configuration with which there is never enough room: `receive` asks to try again later.
const NO_ROOM: &str = "[queue]\nreserve = \"1000TB\"\n";

/// Configuration with which there is always room.
const ROOM: &str = "[queue]\nreserve = \"0B\"\n";

fn world() -> World {
    let world = World::new();
    world.config(ROOM);
    world
}

/// A file that only its owner may read, as programs want their passwords kept.
fn private(world: &World, name: &str, text: &str) -> String {
    let path = world.path(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path.to_str().unwrap().to_owned()
}

fn files(path: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(path)
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    files
}

/// The lines that were put before the only message of the store; the rest is the message, byte by byte.
#[track_caller]
fn added(world: &World, message: &str) -> Vec<String> {
    let inbox = world.inbox();
    assert_eq!(inbox.len(), 1, "{inbox:?}");
    let before = inbox[0].strip_suffix(message).unwrap_or_else(|| panic!("{:?} is not in {:?}", message, inbox[0]));
    before.lines().map(str::to_owned).collect()
}

/// The three fields that `receive` adds, and no others.
#[track_caller]
fn added_by_us(world: &World, message: &str, sender: &str) {
    let lines = added(world, message);
    assert_eq!(lines[..2], [format!("Return-Path: <{sender}>"), "Delivered-To: joe@example.org".to_owned()]);
    assert!(lines[2].starts_with("Received: by ") && lines[3].starts_with("\tfor <joe@example.org>; "), "{lines:?}");
    assert_eq!(lines.len(), 4, "{lines:?}");
}

/// Nothing was received, not even half.
#[track_caller]
fn nothing_is_here(world: &World) {
    assert_eq!(world.inbox(), [""; 0]);
    for part in ["in/new", "in/tmp", "inbox/tmp"] {
        assert_eq!(files(&world.spool().join(part)), [""; 0].map(PathBuf::from));
    }
    assert_eq!(fs::read_dir(world.spool().join("work")).map_or(0, Iterator::count), 0);
}

mod filters {
    use super::*;

    const MBOX: &str = "From ann@example.net  Mon Jan  1 00:00:00 2024\n";

    fn procmail(world: &World, recipe: &str) -> Option<Ran> {
        if !can_run("procmail", &["-v"]) {
            return None;
        }
        let rc = format!(
            "MSPOOL_SPOOL={}\nMSPOOL_CONFIG={}\nMAILDIR={3}\nDEFAULT={3}/kept\n:0 rw\n| {2} receive --to joe@example.org\n{recipe}\n",
            world.spool().display(),
            world.path("config.toml").display(),
            binary(),
            world.dir.path().display()
        );
        fs::write(world.path("rc"), rc).unwrap();
        Some(world.program(Path::new("procmail"), &["./rc"]).input(format!("{MBOX}{LETTER}")).run())
    }

    #[test]
    fn procmail_hands_in_every_byte_but_its_own_line() {
        let world = world();
        let Some(ran) = procmail(&world, "") else { return };
        ran.silent();
        added_by_us(&world, LETTER, "ann@example.net");
    }

    #[test]
    fn procmail_gives_back_what_is_not_received() {
        let world = world();
        world.config(NO_ROOM);
        let Some(ran) = procmail(&world, "EXITCODE=$?\nHOST") else { return };
        assert_eq!(ran.code, 75, "{ran:?}");
        nothing_is_here(&world);
        assert!(!world.path("kept").exists());
    }

    #[test]
    fn procmail_goes_on_with_what_is_not_received() {
        let world = world();
        world.config(NO_ROOM);
        let Some(ran) = procmail(&world, "") else { return };
        assert_eq!(ran.code, 0, "{ran:?}");
        nothing_is_here(&world);
        assert!(fs::read_to_string(world.path("kept")).unwrap().contains("Subject: letter\n"));
    }

    fn maildrop(world: &World) -> Option<Ran> {
        if !can_run("maildrop", &["-v"]) {
            return None;
        }
        let filter = format!(
            "SHELL=\"/bin/sh\"\nMSPOOL_SPOOL=\"{}\"\nMSPOOL_CONFIG=\"{}\"\nto \"|{} receive --to joe@example.org\"\n",
            world.spool().display(),
            world.path("config.toml").display(),
            binary()
        );
        private(world, "filter", &filter);
        Some(world.program(Path::new("maildrop"), &["./filter"]).input(format!("{MBOX}{LETTER}")).run())
    }

    #[test]
    fn maildrop_hands_in_every_byte_but_its_own_line() {
        let world = world();
        let Some(ran) = maildrop(&world) else { return };
        ran.silent();
        added_by_us(&world, LETTER, "ann@example.net");
    }

    #[test]
    fn maildrop_gives_back_what_is_not_received() {
        let world = world();
        world.config(NO_ROOM);
        let Some(ran) = maildrop(&world) else { return };
        assert_eq!(ran.code, 75, "{ran:?}");
        nothing_is_here(&world);
    }
}

mod fetchers {
    use super::*;

    /// A POP3 server for the messages of a directory, which writes its port into a file.
    const POP3: &str = r#"
import os
import socketserver
import sys

directory, port = sys.argv[1:]


class Session(socketserver.StreamRequestHandler):
    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def handle(self):
        names = sorted(os.listdir(directory))
        mail = []
        for name in names:
            with open(os.path.join(directory, name), "rb") as file:
                mail.append(file.read().replace(b"\n", b"\r\n"))
        gone = set()
        self.say("+OK")
        for line in self.rfile:
            words = line.decode().split()
            verb = words[0].upper()
            left = [n for n in range(len(names)) if n not in gone]
            if verb in ("USER", "PASS", "NOOP"):
                self.say("+OK")
            elif verb == "CAPA":
                self.say("+OK\r\nUSER\r\nUIDL\r\nTOP\r\n.")
            elif verb == "RSET":
                gone.clear()
                self.say("+OK")
            elif verb == "STAT":
                self.say("+OK %d %d" % (len(left), sum(len(mail[n]) for n in left)))
            elif verb in ("LIST", "UIDL"):
                fact = {n: len(mail[n]) if verb == "LIST" else names[n] for n in left}
                if len(words) > 1:
                    self.say("+OK %s %s" % (words[1], fact[int(words[1]) - 1]))
                else:
                    self.say("+OK")
                    for n in left:
                        self.say("%d %s" % (n + 1, fact[n]))
                    self.say(".")
            elif verb in ("RETR", "TOP"):
                lines = mail[int(words[1]) - 1].split(b"\r\n")[:-1]
                if verb == "TOP":
                    lines = lines[: lines.index(b"") + 1 + int(words[2])]
                self.say("+OK")
                for text in lines:
                    self.wfile.write((b"." if text.startswith(b".") else b"") + text + b"\r\n")
                self.say(".")
            elif verb == "DELE":
                gone.add(int(words[1]) - 1)
                self.say("+OK")
            elif verb == "QUIT":
                for n in gone:
                    os.remove(os.path.join(directory, names[n]))
                self.say("+OK")
                return
            else:
                self.say("-ERR")


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


with Server(("127.0.0.1", 0), Session) as server:
    with open(port + ".fresh", "w") as file:
        file.write(str(server.server_address[1]))
    os.rename(port + ".fresh", port)
    server.serve_forever()
"#;

    /// The server, with a letter in `source`, and its port.
    struct Server(Child, String);

    impl Server {
        fn start(world: &World) -> Option<Server> {
            if !can_run("python3", &["-c", "import socketserver"]) {
                return None;
            }
            fs::create_dir(world.path("source")).unwrap();
            fs::write(world.path("source/letter"), LETTER).unwrap();
            let port = world.path("port");
            let child = Command::new("python3")
                .args(["-c", POP3])
                .args([world.path("source"), port.clone()])
                .stdin(Stdio::null())
                .spawn()
                .unwrap();
            let mut server = Server(child, String::new());
            wait_for("the server", || port.exists());
            server.1 = fs::read_to_string(port).unwrap();
            Some(server)
        }
    }

    impl Drop for Server {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    /// What refuses mail leaves it with the server; what takes it has it deleted there.
    fn fetched_once(program: &str, set_up: impl Fn(&World, &str) -> Vec<String>) {
        if !can_run(program, &["--version"]) {
            return;
        }
        let world = world();
        let Some(server) = Server::start(&world) else { return };
        let args = set_up(&world, &server.1);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let fetch = || world.program(Path::new(program), &args).env("FETCHMAILHOME", world.path("home")).run();
        world.config(NO_ROOM);
        let refused = fetch();
        assert!(format!("{refused:?}").contains("must stay free"), "{refused:?}");
        assert!(world.path("source/letter").exists(), "{refused:?}");
        nothing_is_here(&world);
        world.config(ROOM);
        let taken = fetch();
        assert_eq!(taken.code, 0, "{refused:?} {taken:?}");
        let lines = added(&world, LETTER);
        assert!(lines.iter().any(|line| line == "Delivered-To: joe@example.org"), "{lines:?}");
        assert!(!world.path("source/letter").exists(), "{taken:?}");
        let _ = fetch();
        assert_eq!(world.inbox().len(), 1);
    }

    #[test]
    fn getmail_deletes_what_was_received() {
        fetched_once("getmail", |world, port| {
            let text = format!(
                "[retriever]\ntype = SimplePOP3Retriever\nserver = 127.0.0.1\nport = {port}\nusername = joe\npassword = secret\n\
                 [destination]\ntype = MDA_external\npath = {}\narguments = (\"receive\", \"--to\", \"joe@example.org\")\n\
                 allow_root_commands = true\n[options]\ndelete = true\n",
                binary()
            );
            private(world, "home/getmailrc", &text);
            let home = world.path("home").to_str().unwrap().to_owned();
            ["--getmaildir", &home, "--rcfile", "getmailrc"].map(str::to_owned).to_vec()
        });
    }

    #[test]
    fn fetchmail_deletes_what_was_received() {
        fetched_once("fetchmail", |world, port| {
            let text =
                format!("poll 127.0.0.1 service {port} protocol pop3 user joe password secret no keep sslproto ''\n");
            let rc = private(world, "fetchmailrc", &text);
            let mda = format!("{} receive --to joe@example.org -f %F", binary());
            ["-f", &rc, "--mda", &mda].map(str::to_owned).to_vec()
        });
    }

    #[test]
    fn mpop_deletes_what_was_received() {
        fetched_once("mpop", |world, port| {
            let text = format!(
                "account joe\nhost 127.0.0.1\nport {port}\nuser joe\npassword secret\nauth user\ntls off\n\
                 delivery mda {} receive --to joe@example.org -f %F\nkeep off\nuidls_file {}\n",
                binary(),
                world.path("uidls").display()
            );
            let rc = private(world, "mpoprc", &text);
            vec![format!("--file={rc}"), "joe".to_owned()]
        });
    }
}

mod readers {
    use super::*;

    /// Two letters in the inbox, a report in a folder.
    fn filled() -> World {
        let world = world();
        world.config(&format!("{ROOM}[folders]\n\"report\" = \"Reports\"\n"));
        world.mspool(&["receive"]).input(LETTER).run().silent();
        world.mspool(&["receive"]).input(LETTER.replace("letter", "second")).run().silent();
        world.mspool(&["receive", "-f", ""]).input(REPORT).run().silent();
        world
    }

    #[test]
    fn mblaze_lists_inbox_and_folder() {
        if !can_run("mlist", &["/dev/null"]) {
            return;
        }
        let world = filled();
        let subjects = |folder: &str| {
            let script = "mlist \"$1\" | mscan -f %s";
            let path = world.spool().join(folder);
            let ran = world.program(Path::new("sh"), &["-c", script, "sh", path.to_str().unwrap()]).run();
            assert_eq!(ran.code, 0, "{ran:?}");
            let mut subjects: Vec<String> = ran.out.lines().map(|line| line.trim().to_owned()).collect();
            subjects.sort();
            subjects
        };
        assert_eq!(subjects("inbox"), ["letter", "second"]);
        assert_eq!(subjects("inbox/.Reports"), ["Undelivered Mail"]);
    }

    #[test]
    fn notmuch_finds_inbox_and_folder() {
        if !can_run("notmuch", &["--version"]) {
            return;
        }
        let world = filled();
        let store = world.spool().join("inbox");
        let text = format!(
            "[database]\npath={}\n[user]\nprimary_email=joe@example.org\n[new]\nignore=maildirfolder\n",
            store.display()
        );
        let config = private(&world, "notmuch", &text);
        let notmuch =
            |args: &[&str]| world.program(Path::new("notmuch"), args).env("NOTMUCH_CONFIG", &config).run().ok();
        notmuch(&["new", "--quiet"]);
        let found = |query: &str| {
            let mut found: Vec<PathBuf> =
                notmuch(&["search", "--output=files", query]).lines().map(PathBuf::from).collect();
            found.sort();
            found
        };
        assert_eq!(found("from:ann@example.org and subject:letter").len(), 1);
        assert_eq!(found("folder:\"\""), files(&store.join("new")));
        assert_eq!(found("folder:.Reports and subject:Undelivered"), files(&store.join(".Reports/new")));
    }
}

mod sources {
    use super::*;

    const FETCH: &str = "cd \"$HOME/source\"; file=$(ls | head -n 1); test -n \"$file\" || exit 1\n\
        cat \"$file\"; echo \"ref $file\" >&3";
    const ACK: &str = "rm \"$HOME/source/$1\"";

    /// A source with so many messages, and these commands.
    fn with_source(count: usize, fetch: &str, ack: &str) -> World {
        let world = World::new();
        fs::create_dir(world.path("home/source")).unwrap();
        for n in 1..=count {
            fs::write(world.path(&format!("home/source/{n}")), format!("Subject: {n}\n\nHello.\n")).unwrap();
        }
        let (fetch, ack) = (world.script("fetch", fetch), world.script("ack", ack));
        world.config(&format!("{ROOM}[inbound.source]\nfetch = [{fetch:?}]\nack = [{ack:?}, \"{{ref}}\"]\n"));
        world
    }

    fn poll(world: &World) -> Ran {
        world.mspool(&["receive", "--poll"]).run()
    }

    fn left(world: &World) -> usize {
        files(&world.path("home/source")).len()
    }

    /// Each message is in the store once, and nothing is left on the way.
    #[track_caller]
    fn each_is_here_once(world: &World, count: usize) {
        let inbox = world.inbox();
        let subjects = inbox.iter().flat_map(|text| text.lines()).filter_map(|line| line.strip_prefix("Subject: "));
        let mut subjects: Vec<usize> = subjects.map(|number| number.parse().unwrap()).collect();
        subjects.sort_unstable();
        assert_eq!(subjects, (1..=count).collect::<Vec<_>>());
        assert_eq!((left(world), files(&world.spool().join("in/new")).len()), (0, 0));
    }

    #[test]
    fn a_source_is_emptied_and_told_only_of_what_is_safe() {
        let safe = "for place in in inbox; do for file in \"$MSPOOL_SPOOL/$place/new/$MSPOOL_ID\"*; do\n\
            test -s \"$file\" && trace \"$1 $MSPOOL_REF safe\"; done; done";
        let world = with_source(3, FETCH, &format!("{safe}\n{ACK}"));
        poll(&world).silent();
        each_is_here_once(&world, 3);
        assert_eq!(world.trace(), ["1 1 safe", "2 2 safe", "3 3 safe"]);
        poll(&world).silent();
        assert_eq!(world.trace().len(), 3);
    }

    #[test]
    fn a_message_that_comes_again_for_a_lost_acknowledgement_is_filed_once() {
        let world = with_source(2, FETCH, &format!("test -e \"$HOME/deaf\" && exit 4\n{ACK}"));
        fs::write(world.path("home/deaf"), "").unwrap();
        let ran = poll(&world);
        assert_eq!(ran.code, 75, "{ran:?}");
        assert!(ran.err.contains("inbound source: the message is safe, but ack ended with exit status 4"), "{ran:?}");
        assert_eq!((world.inbox().len(), left(&world)), (1, 2));
        fs::remove_file(world.path("home/deaf")).unwrap();
        poll(&world).silent();
        each_is_here_once(&world, 2);
    }

    #[test]
    fn a_fetch_that_dies_leaves_nothing_and_is_told() {
        let dies = "if test -e \"$HOME/ill\"; then echo 'Subject: half'; echo 'ref 1' >&3; echo 'line is down' >&2; exit 2; fi";
        let world = with_source(1, &format!("{dies}\n{FETCH}"), ACK);
        fs::write(world.path("home/ill"), "").unwrap();
        poll(&world).fails(75, "inbound source: ended with exit status 2: line is down");
        nothing_is_here(&world);
        assert_eq!(left(&world), 1);
        fs::remove_file(world.path("home/ill")).unwrap();
        poll(&world).silent();
        each_is_here_once(&world, 1);
    }

    const SLOW: &str = "if ! test -e \"$HOME/open\"; then echo 'X-First: half'; trace begin\n\
        while ! test -e \"$HOME/open\"; do sleep 0.02; done; fi";

    #[test]
    fn one_signal_lets_a_fetch_end_and_takes_no_more() {
        let world = with_source(2, &format!("{SLOW}\n{FETCH}"), ACK);
        let child = world.mspool(&["receive", "--poll"]).start();
        wait_for("the fetch", || world.trace() == ["begin"]);
        signal(&child, "TERM");
        fs::write(world.path("home/open"), "").unwrap();
        assert_eq!(child.wait_with_output().unwrap().status.code(), Some(143));
        assert!(left(&world) >= 1 && world.inbox().len() == 2 - left(&world));
        poll(&world).silent();
        each_is_here_once(&world, 2);
    }

    #[test]
    fn a_second_signal_ends_a_fetch_and_leaves_nothing() {
        let world = with_source(2, &format!("{SLOW}\n{FETCH}"), ACK);
        let mut child = world.mspool(&["receive", "--poll"]).start();
        wait_for("the fetch", || world.trace() == ["begin"]);
        signal_until_it_ends(&mut child, "TERM");
        assert_eq!(child.wait().unwrap().code(), Some(143));
        nothing_is_here(&world);
        assert_eq!(left(&world), 2);
        fs::write(world.path("home/open"), "").unwrap();
        poll(&world).silent();
        each_is_here_once(&world, 2);
    }

    #[test]
    fn a_crash_around_the_acknowledgement_files_each_message_once() {
        let crash = "if test -e \"$HOME/weak\"; then rm \"$HOME/weak\"; kill -9 $PPID; exit 1; fi";
        for ack in [format!("{crash}\n{ACK}"), format!("{ACK}\n{crash}")] {
            let world = with_source(3, FETCH, &ack);
            fs::write(world.path("home/weak"), "").unwrap();
            assert_eq!(poll(&world).code, -9);
            assert_eq!((world.inbox().len(), files(&world.spool().join("in/new")).len()), (0, 1));
            poll(&world).silent();
            each_is_here_once(&world, 3);
        }
    }

    #[test]
    fn two_runs_take_each_message_once() {
        let world = with_source(1, &format!("{SLOW}\n{FETCH}"), ACK);
        let child = world.mspool(&["receive", "--poll"]).start();
        wait_for("the fetch", || world.trace() == ["begin"]);
        poll(&world).fails(75, "inbound source: another run is asking it");
        fs::write(world.path("home/open"), "").unwrap();
        assert!(child.wait_with_output().unwrap().status.success());
        assert_eq!((world.inbox().len(), left(&world)), (1, 0));
    }
}
