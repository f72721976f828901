//! What comes over the wire: lines, and the text of a message with its dots (RFC 5321 section 4.5.2).
//!
//! A session has one kind of line end, the one its first line has: CR LF as SMTP wants, or LF alone as local programs
//! write. The other kind, or half of one, is never taken for an end of anything: what two systems read differently is
//! how one message becomes two.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use crate::sys::dir;
use crate::sys::ready;
use crate::sys::signals::Signals;

/// Longest command line, in bytes with its end.
const LONGEST_LINE: usize = 4096;

/// How lines end in this session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LineEnd {
    CrLf,
    Lf,
}

/// What ends a session without a word of the client's.
#[derive(Debug)]
pub enum ConnectionLoss {
    /// Nothing comes any more.
    Closed,
    /// Nothing came for too long.
    TooSlow,
    /// We were told to stop.
    Stopped,
    /// It cannot be read.
    Failed(io::Error),
}

/// A line of a client.
#[derive(Debug, PartialEq, Eq)]
pub enum WireLine {
    /// With its end.
    Whole(Vec<u8>),
    /// It was too long, and is gone.
    TooLong,
    /// It does not end as the others do.
    Mixed,
}

/// The reading end of a session.
pub struct SmtpWire<'w> {
    input: BorrowedFd<'w>,
    signals: &'w Signals,
    patience: Duration,
    buffer: Vec<u8>,
    at: usize,
    end: Option<LineEnd>,
}

impl<'w> SmtpWire<'w> {
    /// Nothing is read yet.
    pub fn new(input: BorrowedFd<'w>, signals: &'w Signals, patience: Duration) -> SmtpWire<'w> {
        SmtpWire { input, signals, patience, buffer: Vec::new(), at: 0, end: None }
    }

    /// True when the client has said more already: replies may wait for each other (RFC 2920).
    pub fn has_more(&self) -> bool {
        self.buffer[self.at..].contains(&b'\n')
    }

    /// Reads a command line.
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

    /// The text of a message that comes now.
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
            let ready = ready::readable(&[self.input, self.signals.stop_fd().as_fd()], Some(self.patience));
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
    /// A dot that begins a line.
    Dot,
    /// A dot, and a CR behind it.
    DotCr,
    InLine,
    Cr,
    End,
}

/// The text of a message: lines that end in LF, its dots undone, up to the line that ends it.
pub struct MessageText<'t, 'w> {
    wire: &'t mut SmtpWire<'w>,
    place: TextPosition,
    mixed: bool,
}

impl MessageText<'_, '_> {
    /// True when some line did not end as it should: then the text is not to be trusted.
    pub fn is_mixed(&self) -> bool {
        self.mixed
    }

    /// Reads on until the end, and forgets what comes.
    pub fn skip(&mut self) -> Result<(), ConnectionLoss> {
        let mut nowhere = vec![0; 16 << 10];
        while self.read(&mut nowhere)? > 0 {}
        Ok(())
    }

    /// Reads some of the text; zero is its end.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ConnectionLoss> {
        let mut given = 0;
        // A byte of the wire gives two at most.
        while given + 2 <= buffer.len() && self.place != TextPosition::End {
            if given > 0 && self.wire.at == self.wire.buffer.len() {
                break;
            }
            let byte = self.wire.byte()?;
            let mut give = |bytes: &[u8]| {
                buffer[given..given + bytes.len()].copy_from_slice(bytes);
                given += bytes.len();
            };
            let crlf = self.wire.end != Some(LineEnd::Lf);
            self.place = match (self.place, byte) {
                (TextPosition::LineStart, b'.') => TextPosition::Dot,
                // LF alone ends a line where all lines end so, and nowhere else.
                (TextPosition::Dot, b'\n') if !crlf => TextPosition::End,
                (TextPosition::DotCr, b'\n') => TextPosition::End,
                (TextPosition::Dot, b'\r') if crlf => TextPosition::DotCr,
                (TextPosition::Cr, b'\n') => {
                    give(b"\n");
                    TextPosition::LineStart
                }
                (_, b'\n') if !crlf => {
                    give(b"\n");
                    TextPosition::LineStart
                }
                (place, b'\r') if crlf && place != TextPosition::Cr && place != TextPosition::DotCr => TextPosition::Cr,
                (_, b'\r' | b'\n') => {
                    self.mixed = true;
                    TextPosition::InLine
                }
                (TextPosition::Cr | TextPosition::DotCr, other) => {
                    self.mixed = true;
                    give(&[other]);
                    TextPosition::InLine
                }
                (_, other) => {
                    give(&[other]);
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

    /// Everything that is read of these bytes after a first line: the text, whether it is mixed, and the rest.
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
            match reading.read(&mut buffer) {
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
    fn nothing_else_ends_it() {
        for trick in [&b"\n.\n"[..], b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r.\r\n", b"\n\r.\r\n"] {
            let bytes = [b"DATA\r\na", trick, b"MAIL FROM:<evil@x>\r\n.\r\nQUIT\r\n"].concat();
            let (_, mixed, rest) = read(&bytes);
            assert!(mixed, "{trick:?}");
            assert_eq!(rest, Some(WireLine::Whole(b"QUIT\r\n".to_vec())), "{trick:?}");
        }
    }

    #[test]
    fn a_line_of_the_other_kind_is_no_line() {
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
