//! A server of SMTP and LMTP in the process of the test, which answers as a script says.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// What the server does when it has heard a line.
#[derive(Clone, Debug)]
pub enum Act {
    /// Answers this, in place of the usual reply.
    Say(String),
    /// Answers this, and closes the connection.
    SayAndClose(String),
    /// Closes the connection without an answer.
    Close,
}

/// Place of a line in the life of the server.
#[derive(Clone, Debug)]
pub struct Place {
    /// Number of the connection, from 1.
    pub connection: usize,
    /// Messages that this connection has taken before.
    pub messages: usize,
}

type Rule = dyn Fn(&str, &Place) -> Option<Act> + Send + Sync;

/// Message that the server took.
#[derive(Clone, Debug)]
pub struct Taken {
    pub sender: String,
    pub recipients: Vec<String>,
    /// Text as it was on the wire, without the final dot.
    pub text: String,
}

#[derive(Default)]
struct Seen {
    connections: usize,
    lines: Vec<String>,
    taken: Vec<Taken>,
    /// Texts behind whose dot the next envelope had already arrived.
    followed: usize,
}

pub struct Server {
    pub port: u16,
    seen: Arc<Mutex<Seen>>,
}

/// What the server offers, and how it is reached.
#[derive(Clone, Default)]
pub struct Offer {
    pub extensions: Vec<&'static str>,
    pub lmtp: bool,
    /// TLS by STARTTLS, or at once.
    #[cfg(feature = "tls")]
    pub tls: Option<Arc<rustls::ServerConfig>>,
    pub at_once: bool,
}

impl Offer {
    pub fn of(extensions: &[&'static str]) -> Offer {
        Offer { extensions: extensions.to_vec(), ..Offer::default() }
    }

    pub fn usual() -> Offer {
        Offer::of(&["PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES"])
    }
}

pub fn say(text: &str) -> Option<Act> {
    Some(Act::Say(format!("{text}\r\n")))
}

impl Server {
    /// Starts a server. The rule says what differs from the usual replies.
    pub fn start(offer: Offer, rule: impl Fn(&str, &Place) -> Option<Act> + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::<Mutex<Seen>>::default();
        let (shared, rule): (_, Arc<Rule>) = (Arc::clone(&seen), Arc::new(rule));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let connection = Connection::new(&offer, &rule, &shared);
                std::thread::spawn(move || connection.serve(Wire::Tcp(stream)));
            }
        });
        Server { port, seen }
    }

    /// Starts a server on a Unix socket.
    pub fn at(path: &Path, offer: Offer, rule: impl Fn(&str, &Place) -> Option<Act> + Send + Sync + 'static) -> Server {
        let listener = UnixListener::bind(path).unwrap();
        let seen = Arc::<Mutex<Seen>>::default();
        let (shared, rule): (_, Arc<Rule>) = (Arc::clone(&seen), Arc::new(rule));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let connection = Connection::new(&offer, &rule, &shared);
                std::thread::spawn(move || connection.serve(Wire::Unix(stream)));
            }
        });
        Server { port: 0, seen }
    }

    pub fn usual() -> Server {
        Server::start(Offer::usual(), |_, _| None)
    }

    pub fn connections(&self) -> usize {
        self.seen.lock().unwrap().connections
    }

    /// Every line that was heard, without texts.
    pub fn lines(&self) -> Vec<String> {
        self.seen.lock().unwrap().lines.clone()
    }

    pub fn count(&self, prefix: &str) -> usize {
        self.lines().iter().filter(|line| line.starts_with(prefix)).count()
    }

    pub fn followed(&self) -> usize {
        self.seen.lock().unwrap().followed
    }

    pub fn taken(&self) -> Vec<Taken> {
        self.seen.lock().unwrap().taken.clone()
    }
}

enum Wire {
    Tcp(TcpStream),
    Unix(std::os::unix::net::UnixStream),
    #[cfg(feature = "tls")]
    Tls(Box<rustls::StreamOwned<rustls::ServerConnection, TcpStream>>),
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Wire::Tcp(stream) => stream.read(buffer),
            Wire::Unix(stream) => stream.read(buffer),
            #[cfg(feature = "tls")]
            Wire::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Wire::Tcp(stream) => stream.write(bytes),
            Wire::Unix(stream) => stream.write(bytes),
            #[cfg(feature = "tls")]
            Wire::Tls(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Wire::Tcp(stream) => stream.flush(),
            Wire::Unix(stream) => stream.flush(),
            #[cfg(feature = "tls")]
            Wire::Tls(stream) => stream.flush(),
        }
    }
}

struct Connection {
    offer: Offer,
    rule: Arc<Rule>,
    seen: Arc<Mutex<Seen>>,
    place: Place,
    sender: String,
    recipients: Vec<String>,
    encrypted: bool,
}

impl Connection {
    fn new(offer: &Offer, rule: &Arc<Rule>, seen: &Arc<Mutex<Seen>>) -> Connection {
        let mut counted = seen.lock().unwrap();
        counted.connections += 1;
        let place = Place { connection: counted.connections, messages: 0 };
        drop(counted);
        Connection {
            offer: offer.clone(),
            rule: Arc::clone(rule),
            seen: Arc::clone(seen),
            place,
            sender: String::new(),
            recipients: Vec::new(),
            encrypted: false,
        }
    }

    fn serve(mut self, wire: Wire) {
        let wire = if self.offer.at_once { self.encrypt(wire) } else { wire };
        let _ = self.talk(BufReader::new(wire));
    }

    #[cfg(feature = "tls")]
    fn encrypt(&mut self, wire: Wire) -> Wire {
        let (Wire::Tcp(stream), Some(config)) = (wire, self.offer.tls.clone()) else { panic!("no TLS here") };
        self.encrypted = true;
        Wire::Tls(Box::new(rustls::StreamOwned::new(rustls::ServerConnection::new(config).unwrap(), stream)))
    }

    #[cfg(not(feature = "tls"))]
    fn encrypt(&mut self, wire: Wire) -> Wire {
        wire
    }

    fn talk(&mut self, mut wire: BufReader<Wire>) -> io::Result<()> {
        let mut line = "CONNECT".to_owned();
        loop {
            if line != "CONNECT" {
                self.seen.lock().unwrap().lines.push(line.clone());
            }
            let (reply, closes) = match (self.rule)(&line, &self.place) {
                None => (self.usual(&line), line == "QUIT"),
                Some(Act::Say(text)) => (text, false),
                Some(Act::SayAndClose(text)) => (text, true),
                Some(Act::Close) => return Ok(()),
            };
            wire.get_mut().write_all(reply.as_bytes())?;
            wire.get_mut().flush()?;
            if closes {
                return Ok(());
            }
            line = if line == "STARTTLS" && reply.starts_with("220") {
                let plain = wire.into_inner();
                wire = BufReader::new(self.encrypt(plain));
                self.line(&mut wire)?
            } else if reply.starts_with("354") {
                match self.text(&mut wire)? {
                    None => return Ok(()),
                    Some(text) => {
                        self.note(text);
                        let follows = wire.buffer().starts_with(b"MAIL");
                        self.seen.lock().unwrap().followed += usize::from(follows);
                        ".".to_owned()
                    }
                }
            } else {
                self.line(&mut wire)?
            };
            if line.is_empty() {
                return Ok(());
            }
        }
    }

    fn line(&mut self, wire: &mut BufReader<Wire>) -> io::Result<String> {
        let mut bytes = Vec::new();
        wire.read_until(b'\n', &mut bytes)?;
        let line = String::from_utf8_lossy(&bytes).into_owned();
        assert!(line.is_empty() || line.ends_with("\r\n"), "{line:?}");
        let line = line.trim_end().to_owned();
        if let Some(rest) = line.strip_prefix("MAIL FROM:") {
            self.sender = rest.to_owned();
            self.recipients.clear();
        }
        Ok(line)
    }

    /// Reads a text up to the dot; `None` if the connection ends before it.
    fn text(&mut self, wire: &mut BufReader<Wire>) -> io::Result<Option<String>> {
        let mut text = Vec::new();
        loop {
            let mut line = Vec::new();
            if wire.read_until(b'\n', &mut line)? == 0 {
                return Ok(None);
            }
            if line == b".\r\n" {
                return Ok(Some(String::from_utf8_lossy(&text).into_owned()));
            }
            text.extend_from_slice(&line);
        }
    }

    fn note(&mut self, text: String) {
        let taken = Taken { sender: self.sender.clone(), recipients: std::mem::take(&mut self.recipients), text };
        self.seen.lock().unwrap().taken.push(taken);
    }

    fn usual(&mut self, line: &str) -> String {
        let word = line.split([' ', ':']).next().unwrap_or_default();
        match word {
            "CONNECT" => "220 sink.example ESMTP\r\n".to_owned(),
            "EHLO" | "LHLO" => {
                let starttls = self.offers_starttls();
                let extensions = self.offer.extensions.iter().copied().chain(starttls.then_some("STARTTLS"));
                let lines: Vec<&str> = ["sink.example"].into_iter().chain(extensions).collect();
                let (last, first) = lines.split_last().unwrap();
                let first: String = first.iter().map(|line| format!("250-{line}\r\n")).collect();
                format!("{first}250 {last}\r\n")
            }
            "RCPT" => {
                self.recipients.push(line["RCPT TO:".len()..].to_owned());
                "250 2.1.5 ok\r\n".to_owned()
            }
            "DATA" => "354 go\r\n".to_owned(),
            "." => {
                self.place.messages += 1;
                let seen = self.seen.lock().unwrap();
                let recipients = seen.taken.last().map_or(0, |taken| taken.recipients.len());
                let replies = if self.offer.lmtp { recipients } else { 1 };
                format!("250 2.0.0 ok: queued as Q{}\r\n", seen.taken.len()).repeat(replies)
            }
            "QUIT" => "221 2.0.0 bye\r\n".to_owned(),
            "STARTTLS" => "220 2.0.0 go\r\n".to_owned(),
            "AUTH" => "235 2.7.0 ok\r\n".to_owned(),
            _ => "250 2.0.0 ok\r\n".to_owned(),
        }
    }

    #[cfg(feature = "tls")]
    fn offers_starttls(&self) -> bool {
        self.offer.tls.is_some() && !self.encrypted
    }

    #[cfg(not(feature = "tls"))]
    fn offers_starttls(&self) -> bool {
        false
    }
}
