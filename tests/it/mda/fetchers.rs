//! getmail, fetchmail and mpop, before a POP3 server of our own.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::world::{World, binary, can_run, wait_for};

use super::{LETTER, NO_ROOM, ROOM, added, nothing_is_here, private, world};

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
    assert!(format!("{refused:?}").contains("reserved"), "{refused:?}");
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
