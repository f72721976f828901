//! What sendmail(1) is asked to do, done: the same submission, queue and reports as ever, behind an old front.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::AsFd;

use anyhow::Result;

use crate::mail::address::Address;
use crate::mail::recipient::Recipient;
use crate::spool::draft::Placed;
use crate::sys::process::Program;
use crate::sys::signals::{Hangup, Signals};

use super::enqueue::compose::Composer;
use super::enqueue::intake::{Input, Stdin};
use super::enqueue::{self, HeaderUse, Options, check_room};
use super::exit::{Exit, refuse};
use super::flush::voices::{Bar, Voices};
use super::flush::{self, attempt_one};
use super::report::dialect::{self, Dialect};
use super::resolve::Resolver;
use super::say;
use super::session::{Form, Session};
use super::settings::{AfterSubmission, Source};
use super::smtp::{self, Protocol};

/// What sendmail(1) is asked to do.
#[derive(Debug)]
pub enum Mode {
    /// Take a message.
    Submit(Box<Options>, Dots, Option<AfterSubmission>),
    /// Speak SMTP, or LMTP, on standard input and output.
    Serve(Protocol, Option<AfterSubmission>),
    /// List the queue.
    List(Dialect),
    /// Flush.
    Flush(flush::Options),
    /// Say who would take these.
    Verify(Vec<Address>),
    /// Print this.
    Help(String),
    /// Nothing is to be done.
    Nothing,
}

/// What a line of a single dot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dots {
    /// The end of the message.
    End,
    /// Text.
    Text,
}

/// Does it.
pub fn run(session: &Session, mode: Mode) -> Result<Exit> {
    match mode {
        Mode::Submit(options, dots, after) => submit(session, &options, dots, after),
        Mode::Serve(protocol, after) => smtp::run(session, protocol, after.unwrap_or(session.settings.sendmail)),
        Mode::List(dialect) => dialect::run(session, dialect),
        Mode::Flush(options) => flush::run(session, &options),
        Mode::Verify(recipients) => verify(session, &recipients),
        Mode::Help(text) => {
            say::output_text(&text)?;
            Ok(Exit::Ok)
        }
        Mode::Nothing => Ok(Exit::Ok),
    }
}

fn submit(session: &Session, options: &Options, dots: Dots, after: Option<AfterSubmission>) -> Result<Exit> {
    if options.recipients.is_empty() && options.header == HeaderUse::None {
        return refuse(Exit::Usage, "no recipient was given; with -t they are read from the header");
    }
    let spool = session.spool()?;
    check_room(session, &spool)?;
    let signals = Signals::listen(Hangup::Stops)?;
    let composer = Composer { session, options, spool: &spool, mint: &session.mint };
    let mut stdin = Stdin::new(&signals);
    let (draft, envelope) = match dots {
        Dots::Text => composer.take_in(&mut stdin)?,
        Dots::End => composer.take_in(&mut UntilDot::new(&mut stdin))?,
    };
    Placed::commit(vec![enqueue::place(session, options, draft, &envelope)?])?;
    // From here on the message is queued, and nothing that follows changes that.
    if session.voice == super::session::Voice::Verbose {
        say::note(&format!("{}: queued", envelope.id));
    }
    match after.unwrap_or(session.settings.sendmail) {
        AfterSubmission::Queue => {}
        AfterSubmission::Background => flush_in_background(session),
        AfterSubmission::Attempt => {
            let voices = Voices::new(session.voice, Form::Text, Bar::IfUseful, 1);
            if let Err(error) = attempt_one(&session.engine(&spool, &signals, &voices), &envelope.id, session.reach) {
                say::problem(&format!("{error:#}; the message stays queued"));
            }
        }
    }
    Ok(Exit::Ok)
}

/// Starts a flush that outlives us. Should it not start, another will come.
pub fn flush_in_background(session: &Session) {
    let spool = session.settings.spool.to_string_lossy().into_owned();
    let mut words = vec!["/proc/self/exe".to_owned(), "--spool".to_owned(), spool, "-q".to_owned()];
    if let Source::File(path) = &session.settings.source {
        words.extend(["--config".to_owned(), path.to_string_lossy().into_owned()]);
    }
    words.push("flush".to_owned());
    let start = || -> std::io::Result<()> {
        let argv: Vec<CString> = words.iter().map(|word| CString::new(word.as_str())).collect::<Result<_, _>>()?;
        let kept = ["PATH", "HOME", "USER", "LANG", "TZ", "MSPOOL_CLOCK"];
        let env = kept.iter().filter_map(|name| Some(format!("{name}={}", std::env::var(name).ok()?)));
        let env: Vec<CString> = env.map(CString::new).collect::<Result<_, _>>()?;
        let null = File::options().read(true).write(true).open("/dev/null")?;
        Program { argv: &argv, env: &env, fds: &[null.as_fd(), null.as_fd(), null.as_fd()] }.start()?;
        Ok(())
    };
    if let Err(error) = start() {
        say::problem(&format!("no flush could be started ({error}); the message stays queued"));
    }
}

/// Who would be asked to take each address; 67 when nobody would take one of them.
fn verify(session: &Session, recipients: &[Address]) -> Result<Exit> {
    let mut out = say::output();
    let mut end = Exit::Ok;
    let mut resolver = Resolver::new(&session.settings);
    for address in recipients {
        for Recipient { address: resolved, .. } in resolver.recipients(vec![address.clone().into()])? {
            let from = if resolved == *address { String::new() } else { format!("{address} -> ") };
            let candidates = session.settings.candidates(&resolved, None);
            let names: Vec<&str> =
                candidates.iter().map(|place| session.settings.transports[*place].name.as_str()).collect();
            if names.is_empty() {
                end = Exit::NoUser;
                say::line(&mut out, &format!("{from}{resolved}: no transport takes it"))?;
            } else {
                say::line(&mut out, &format!("{from}{resolved}: {}", names.join(", then ")))?;
            }
        }
    }
    Ok(end)
}

/// An input that ends at a line of a single dot.
struct UntilDot<'i> {
    inner: &'i mut dyn Input,
    place: Place,
    /// What was read and not yet given: it may be the end.
    held: Vec<u8>,
    /// What is to be given, and did not fit.
    ready: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    LineStart,
    Dot,
    DotCr,
    InLine,
    Ended,
}

impl<'i> UntilDot<'i> {
    fn new(inner: &'i mut dyn Input) -> UntilDot<'i> {
        UntilDot { inner, place: Place::LineStart, held: Vec::new(), ready: Vec::new() }
    }
}

impl Input for UntilDot<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            if !self.ready.is_empty() || buffer.is_empty() {
                let count = self.ready.len().min(buffer.len());
                buffer[..count].copy_from_slice(&self.ready[..count]);
                self.ready.drain(..count);
                return Ok(count);
            }
            if self.place == Place::Ended {
                return Ok(0);
            }
            let mut piece = vec![0; buffer.len()];
            let count = self.inner.read(&mut piece)?;
            if count == 0 {
                // A dot at the very end is the end too, with or without a line end behind it.
                self.place = Place::Ended;
            }
            for byte in &piece[..count] {
                self.place = match (self.place, byte) {
                    (Place::LineStart, b'.') => Place::Dot,
                    (Place::Dot | Place::DotCr, b'\n') => Place::Ended,
                    (Place::Dot, b'\r') => Place::DotCr,
                    (_, b'\n') => Place::LineStart,
                    _ => Place::InLine,
                };
                self.held.push(*byte);
                match self.place {
                    Place::Ended => break,
                    Place::Dot | Place::DotCr => {}
                    _ => self.ready.append(&mut self.held),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Pieces(Vec<Vec<u8>>);

    impl Input for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
            if self.0.is_empty() {
                return Ok(0);
            }
            let piece = self.0.remove(0);
            buffer[..piece.len()].copy_from_slice(&piece);
            Ok(piece.len())
        }
    }

    fn until_dot(text: &[u8], size: usize) -> Vec<u8> {
        let mut pieces = Pieces(text.chunks(size.max(1)).map(<[u8]>::to_vec).collect());
        let mut input = UntilDot::new(&mut pieces);
        let (mut all, mut buffer) = (Vec::new(), [0; 100]);
        loop {
            match input.read(&mut buffer).unwrap() {
                0 => return all,
                count => all.extend_from_slice(&buffer[..count]),
            }
        }
    }

    #[test]
    fn a_lone_dot_ends_the_message() {
        for size in 1..8 {
            assert_eq!(until_dot(b"a\n.\nb\n", size), b"a\n");
            assert_eq!(until_dot(b"a\r\n.\r\nb\n", size), b"a\r\n");
            assert_eq!(until_dot(b".\nb", size), b"");
            assert_eq!(until_dot(b"a\n.", size), b"a\n");
            assert_eq!(until_dot(b"a\n..\n.b\n. \n.\rx\n", size), b"a\n..\n.b\n. \n.\rx\n");
        }
    }

    proptest! {
        #[test]
        fn without_a_lone_dot_every_byte_comes_through(text in "([a.\r\n]|x\n){0,40}", size in 1usize..9) {
            prop_assume!(!format!("\n{text}\n").replace("\r\n", "\n").contains("\n.\n"));
            prop_assert_eq!(until_dot(text.as_bytes(), size), text.as_bytes());
        }
    }
}
