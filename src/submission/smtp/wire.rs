//! Input of a session: command lines, and the text of a message with its dots (RFC 5321 section 4.5.2).
//!
//! A session has one kind of line end, that of its first line: CR LF as in SMTP, or LF as local programs write. The
//! other kind, or a lone CR, never ends a line or a text: if two systems disagree about the end of a text, one message
//! can carry a second one inside it (SMTP smuggling).

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use crate::sys::dir;
use crate::sys::ready;
use crate::sys::signals::Signals;

/// Longest command line, in bytes including its end.
const LONGEST_LINE: usize = 4096;

/// Line end of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LineEnd {
    CrLf,
    Lf,
}

/// Reason why no more input can be read.
#[derive(Debug)]
pub enum ConnectionLoss {
    /// End of input.
    Closed,
    /// Time limit for input passed.
    TooSlow,
    /// A signal asked mspool to stop.
    Stopped,
    /// The input cannot be read.
    Failed(io::Error),
}

/// Command line of a client.
#[derive(Debug, PartialEq, Eq)]
pub enum WireLine {
    /// Line including its end.
    Whole(Vec<u8>),
    /// A line of more than 4096 bytes; discarded.
    TooLong,
    /// A line with another line end than the first one, or with CR or NUL inside.
    Mixed,
}

/// Reader of a session's input.
pub struct SmtpWire<'w> {
    input: BorrowedFd<'w>,
    signals: &'w Signals,
    timeout: Duration,
    buffer: Vec<u8>,
    at: usize,
    end: Option<LineEnd>,
}

impl<'w> SmtpWire<'w> {
    /// Creates a reader. `timeout` limits the wait for each piece of input.
    pub fn new(input: BorrowedFd<'w>, signals: &'w Signals, timeout: Duration) -> SmtpWire<'w> {
        SmtpWire { input, signals, timeout, buffer: Vec::new(), at: 0, end: None }
    }

    /// True if another complete line is buffered: replies are then sent together (RFC 2920 section 3.2).
    pub fn has_more(&self) -> bool {
        self.buffer[self.at..].contains(&b'\n')
    }

    /// Reads a command line. Waits at most the timeout for each piece of input.
    pub fn line(&mut self) -> Result<WireLine, ConnectionLoss> {
        let mut line = Vec::new();
        let mut long = false;
        loop {
            let byte = self.byte()?;
            line.push(byte);
            if byte == b'\n' {
                break;
            }
            if line.len() >= LONGEST_LINE {
                long = true;
                line.clear();
            }
        }
        if long {
            return Ok(WireLine::TooLong);
        }
        let this = if line.ends_with(b"\r\n") { LineEnd::CrLf } else { LineEnd::Lf };
        let inner = &line[..line.len() - if this == LineEnd::CrLf { 2 } else { 1 }];
        if *self.end.get_or_insert(this) != this || inner.contains(&b'\r') || inner.contains(&0) {
            return Ok(WireLine::Mixed);
        }
        Ok(WireLine::Whole(line))
    }

    /// Returns a reader for the text of a message, which begins at the next byte.
    pub fn text(&mut self) -> MessageText<'_, 'w> {
        MessageText { wire: self, place: TextPosition::LineStart, mixed: false }
    }

    fn byte(&mut self) -> Result<u8, ConnectionLoss> {
        if self.at == self.buffer.len() {
            self.fill()?;
        }
        let byte = self.buffer.get(self.at).copied().ok_or(ConnectionLoss::Closed)?;
        self.at += 1;
        Ok(byte)
    }

    fn fill(&mut self) -> Result<(), ConnectionLoss> {
        loop {
            let ready = ready::readable(&[self.input, self.signals.stop_fd().as_fd()], Some(self.timeout));
            let ready = ready.map_err(ConnectionLoss::Failed)?;
            if self.signals.stop_requested().is_some() {
                return Err(ConnectionLoss::Stopped);
            }
            if !ready[0] {
                return Err(ConnectionLoss::TooSlow);
            }
            self.buffer.resize(64 << 10, 0);
            self.at = 0;
            match dir::read_next(self.input, &mut self.buffer) {
                Ok(count) => {
                    self.buffer.truncate(count);
                    return if count == 0 { Err(ConnectionLoss::Closed) } else { Ok(()) };
                }
                Err(error) => {
                    self.buffer.clear();
                    if error.kind() != io::ErrorKind::WouldBlock {
                        return Err(ConnectionLoss::Failed(error));
                    }
                }
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TextPosition {
    LineStart,
    /// After a dot at the start of a line.
    Dot,
    /// After such a dot and a CR.
    DotCr,
    InLine,
    Cr,
    End,
}

/// Text of a message, up to the line that ends it. Lines end with LF, and dot stuffing is removed.
pub struct MessageText<'t, 'w> {
    wire: &'t mut SmtpWire<'w>,
    place: TextPosition,
    mixed: bool,
}

impl MessageText<'_, '_> {
    /// True if some line ended differently from the first line of the session. The text must then be rejected.
    pub fn is_mixed(&self) -> bool {
        self.mixed
    }

    /// Reads and discards the rest of the text.
    pub fn skip(&mut self) -> Result<(), ConnectionLoss> {
        let mut discarded = vec![0; 16 << 10];
        while self.read(&mut discarded)? > 0 {}
        Ok(())
    }

    /// Reads part of the text into a buffer. Returns the number of bytes; 0 only at the end of the text, or for an empty
    /// buffer.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ConnectionLoss> {
        let mut given = 0;
        // One byte of input yields at most one byte of text.
        while given < buffer.len() && self.place != TextPosition::End {
            if given > 0 && self.wire.at == self.wire.buffer.len() {
                break;
            }
            let byte = self.wire.byte()?;
            let mut give = |byte: u8| {
                buffer[given] = byte;
                given += 1;
            };
            let crlf = self.wire.end != Some(LineEnd::Lf);
            self.place = match (self.place, byte) {
                (TextPosition::LineStart, b'.') => TextPosition::Dot,
                // A lone LF ends a line only in a session whose first line ended so.
                (TextPosition::Dot, b'\n') if !crlf => TextPosition::End,
                (TextPosition::DotCr, b'\n') => TextPosition::End,
                (TextPosition::Dot, b'\r') if crlf => TextPosition::DotCr,
                (TextPosition::Cr, b'\n') => {
                    give(b'\n');
                    TextPosition::LineStart
                }
                (_, b'\n') if !crlf => {
                    give(b'\n');
                    TextPosition::LineStart
                }
                (place, b'\r') if crlf && place != TextPosition::Cr && place != TextPosition::DotCr => TextPosition::Cr,
                (_, b'\r' | b'\n') => {
                    self.mixed = true;
                    TextPosition::InLine
                }
                (TextPosition::Cr | TextPosition::DotCr, other) => {
                    self.mixed = true;
                    give(other);
                    TextPosition::InLine
                }
                (_, other) => {
                    give(other);
                    TextPosition::InLine
                }
            };
        }
        Ok(given)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;
    use crate::sys::signals::HangupMeaning;

    /// Reads a first line and a text from these bytes. Returns the text, its `is_mixed`, and the next command line.
    fn read(bytes: &[u8]) -> (Vec<u8>, bool, Option<WireLine>) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        let signals = Signals::listen(HangupMeaning::Stops).unwrap();
        let mut wire = SmtpWire::new(file.as_fd(), &signals, Duration::from_secs(5));
        assert!(matches!(wire.line().unwrap(), WireLine::Whole(_)));
        let (mut text, mut buffer) = (Vec::new(), [0; 7]);
        let mut reading = wire.text();
        loop {
            // A buffer of a single byte is no end of the text.
            let room = 1 + text.len() % buffer.len();
            match reading.read(&mut buffer[..room]) {
                Ok(0) => break,
                Ok(count) => text.extend_from_slice(&buffer[..count]),
                Err(_) => return (text, reading.is_mixed(), None),
            }
        }
        let mixed = reading.is_mixed();
        (text, mixed, wire.line().ok())
    }

    #[test]
    fn dots_are_undone_and_end_the_text() {
        let (text, mixed, rest) = read(b"DATA\r\na\r\n..b\r\n.c\r\n\r\n.\r\nQUIT\r\n");
        assert_eq!((text.as_slice(), mixed), (&b"a\n.b\nc\n\n"[..], false));
        assert_eq!(rest, Some(WireLine::Whole(b"QUIT\r\n".to_vec())));
        let (text, mixed, rest) = read(b"DATA\na\n..b\n.\nQUIT\n");
        assert_eq!((text.as_slice(), mixed, rest), (&b"a\n.b\n"[..], false, Some(WireLine::Whole(b"QUIT\n".to_vec()))));
    }

    #[test]
    fn only_the_line_end_of_the_session_ends_the_text() {
        for trick in [&b"\n.\n"[..], b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\n\r.\r\n"] {
            let bytes = [b"DATA\r\na", trick, b"MAIL FROM:<evil@x>\r\n.\r\nQUIT\r\n"].concat();
            let (_, mixed, rest) = read(&bytes);
            assert!(mixed, "{trick:?}");
            assert_eq!(rest, Some(WireLine::Whole(b"QUIT\r\n".to_vec())), "{trick:?}");
        }
    }

    #[test]
    fn a_line_with_another_line_end_is_refused() {
        assert_eq!(read(b"EHLO x\r\n.\r\nRSET\n").2, Some(WireLine::Mixed));
        assert_eq!(read(b"EHLO x\n.\nRSET\r\n").2, Some(WireLine::Mixed));
        assert_eq!(read(b"EHLO x\r\n.\r\nRS\rET\r\n").2, Some(WireLine::Mixed));
        let long = [b"EHLO x\r\n.\r\n".to_vec(), vec![b'x'; 10_000], b"\r\n".to_vec()].concat();
        assert_eq!(read(&long).2, Some(WireLine::TooLong));
    }

    proptest! {
        #[test]
        fn every_text_comes_through(lines in proptest::collection::vec("[.a-c]{0,4}", 0..8)) {
            let wire: String = lines.iter().map(|line| if line.starts_with('.') { format!(".{line}\r\n") } else { format!("{line}\r\n") }).collect();
            let (text, mixed, rest) = read(format!("DATA\r\n{wire}.\r\nQUIT\r\n").as_bytes());
            let expected: String = lines.iter().map(|line| format!("{line}\n")).collect();
            prop_assert_eq!((text, mixed, rest.is_some()), (expected.into_bytes(), false, true));
        }
    }
}
