//! Replies of a server (RFC 5321 section 4.2): single and multi-line, with enhanced status codes (RFC 2034).
//!
//! Every bound is ours: a server can send lines of any length, and lines without end.

use crate::mail::status::{Status, StatusClass};
use crate::values::printable::{self, TextLimit};

/// Bytes of one reply line that are kept; the rest of a longer line is dropped.
const KEPT_LINE: usize = 2000;

/// Bytes of the text of one reply that are kept.
const KEPT_TEXT: usize = 8 << 10;

/// Most lines of one reply.
const MOST_LINES: usize = 500;

/// Longest line, in bytes. A server that sends more without a line end sends no replies.
const LONGEST_LINE: usize = 1 << 20;

/// Reply of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Reply code, from 200 to 599.
    pub code: u16,
    /// Text of each line after the code, without its line end. Not yet safe for a terminal.
    pub lines: Vec<String>,
}

/// Meaning of the first digit of a reply code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyClass {
    /// 2yz: done.
    Completed,
    /// 3yz: the server waits for more.
    Intermediate,
    /// 4yz: temporary failure.
    Temporary,
    /// 5yz: permanent failure.
    Permanent,
}

/// Bytes that are no reply, or a reply beyond the bounds; with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyError(pub String);

impl Reply {
    /// Returns the meaning of the code.
    pub fn class(&self) -> ReplyClass {
        match self.code {
            200..=299 => ReplyClass::Completed,
            300..=399 => ReplyClass::Intermediate,
            400..=499 => ReplyClass::Temporary,
            _ => ReplyClass::Permanent,
        }
    }

    /// True for a code of the class 2yz.
    pub fn is_positive(&self) -> bool {
        self.class() == ReplyClass::Completed
    }

    /// True for 421: the server closes the connection.
    pub fn closes(&self) -> bool {
        self.code == 421
    }

    /// Returns the enhanced status code of the first line, if its class is that of the reply code.
    pub fn enhanced(&self) -> Option<Status> {
        let (status, _) = Status::leading(self.lines.first()?)?;
        let same = matches!(
            (status.class(), self.class()),
            (StatusClass::Success, ReplyClass::Completed | ReplyClass::Intermediate)
                | (StatusClass::Temporary, ReplyClass::Temporary)
                | (StatusClass::Permanent, ReplyClass::Permanent)
        );
        same.then_some(status)
    }

    /// Returns the enhanced status code, or without one a status that follows from the reply code.
    pub fn status(&self) -> Status {
        self.enhanced().unwrap_or(match (self.class(), self.code) {
            (ReplyClass::Completed | ReplyClass::Intermediate, _) => Status::DONE,
            (_, 421) => Status::NOT_NOW,
            (ReplyClass::Temporary, _) => Status::TEMPORARY,
            (ReplyClass::Permanent, _) => Status::FAILED,
        })
    }

    /// Returns the text on one line without enhanced status codes, or the reply code where there is none. It is safe for
    /// a terminal.
    pub fn text(&self) -> String {
        let enhanced = self.enhanced();
        let bare = |line: &String| match Status::leading(line) {
            Some((status, rest)) if Some(status) == enhanced => rest.to_owned(),
            _ => line.clone(),
        };
        let lines: Vec<String> = self.lines.iter().map(bare).collect();
        let text = printable::output(lines.join("\n").as_bytes(), TextLimit::Result);
        if text.is_empty() { self.code.to_string() } else { text }
    }

    /// Returns code and text, as a sentence about the server quotes them.
    pub fn quote(&self) -> String {
        let text = self.text();
        if text == self.code.to_string() { text } else { format!("{} {text}", self.code) }
    }
}

/// Reader of replies from bytes that arrive in pieces of any size.
#[derive(Debug, Default)]
pub struct ReplyReader {
    /// Bytes that are not part of a complete line yet, or of complete lines that were not read yet.
    pending: Vec<u8>,
    /// Bytes of `pending` that were read.
    read: usize,
    /// Bytes of `pending` that are known to have no line end.
    searched: usize,
    code: Option<u16>,
    lines: Vec<String>,
    kept: usize,
}

impl ReplyReader {
    /// Takes the next bytes of the server.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.pending.drain(..self.read);
        self.searched -= self.read.min(self.searched);
        self.read = 0;
        self.pending.extend_from_slice(bytes);
    }

    /// True when nothing is left of what arrived: not even a part of a reply.
    pub fn is_empty(&self) -> bool {
        self.read == self.pending.len() && self.code.is_none()
    }

    /// Returns the next complete reply; `None` until more bytes have arrived.
    ///
    /// # Errors
    /// A line that is no part of a reply, or a reply beyond the bounds. Nothing is read after that.
    pub fn next_reply(&mut self) -> Result<Option<Reply>, ReplyError> {
        while let Some(end) = self.line_end() {
            let line = self.pending[self.read..end].to_vec();
            self.read = end + 1;
            self.searched = self.read;
            if let Some(reply) = self.take_line(&line)? {
                return Ok(Some(reply));
            }
        }
        if self.pending.len() - self.read > LONGEST_LINE {
            return Err(ReplyError("the server sent a line that does not end".to_owned()));
        }
        Ok(None)
    }

    /// Returns the position of the next line feed, with which a line ends: some servers send no carriage return.
    fn line_end(&mut self) -> Option<usize> {
        let from = self.searched.max(self.read);
        let found = self.pending[from..].iter().position(|byte| *byte == b'\n').map(|at| from + at);
        self.searched = found.unwrap_or(self.pending.len());
        found
    }

    fn take_line(&mut self, line: &[u8]) -> Result<Option<Reply>, ReplyError> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let refused = || ReplyError(format!("the server sent {} in place of a reply", excerpt(line)));
        let digits = line.get(..3).filter(|digits| digits.iter().all(u8::is_ascii_digit)).ok_or_else(refused)?;
        let code = digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
        let more = match line.get(3) {
            None | Some(b' ') => false,
            Some(b'-') => true,
            Some(_) => return Err(refused()),
        };
        if !(200..600).contains(&code) || self.code.is_some_and(|first| first != code) {
            return Err(refused());
        }
        if self.lines.len() >= MOST_LINES {
            return Err(ReplyError("the server sent a reply that does not end".to_owned()));
        }
        self.code = Some(code);
        let text = line.get(4..).unwrap_or_default();
        let room = KEPT_TEXT.saturating_sub(self.kept).min(KEPT_LINE);
        let text = &text[..text.len().min(room)];
        self.kept += text.len();
        self.lines.push(String::from_utf8_lossy(text).into_owned());
        if more {
            return Ok(None);
        }
        (self.code, self.kept) = (None, 0);
        Ok(Some(Reply { code, lines: std::mem::take(&mut self.lines) }))
    }
}

/// Returns the beginning of a line in quotes, safe for a terminal.
fn excerpt(line: &[u8]) -> String {
    format!("\"{}\"", printable::output(&line[..line.len().min(200)], TextLimit::Progress))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn replies(bytes: &[u8], piece: usize) -> Result<Vec<Reply>, ReplyError> {
        let mut reader = ReplyReader::default();
        let mut found = Vec::new();
        for piece in bytes.chunks(piece) {
            reader.receive(piece);
            while let Some(reply) = reader.next_reply()? {
                found.push(reply);
            }
        }
        Ok(found)
    }

    fn one(text: &str) -> Reply {
        replies(text.as_bytes(), 4096).unwrap().remove(0)
    }

    #[test]
    fn status_and_text_of_several_lines() {
        let reply =
            one("550-5.7.26 Unauthenticated email\r\n550-5.7.26 from example.org is not accepted\r\n550 5.7.26 x\r\n");
        assert_eq!(reply.status().to_string(), "5.7.26");
        assert_eq!(reply.text(), "Unauthenticated email / from example.org is not accepted / x");
        assert_eq!(one("250\r\n").text(), "250");
        assert_eq!(one("550 5.1.1\r\n").quote(), "550");
        assert_eq!(one("450 try again\n").quote(), "450 try again");
    }

    #[test]
    fn an_enhanced_status_of_another_class_is_text() {
        let reply = one("550 2.1.1 what\r\n");
        assert_eq!((reply.status(), reply.text()), (Status::FAILED, "2.1.1 what".to_owned()));
        assert_eq!(one("421 bye\r\n").status(), Status::NOT_NOW);
    }

    #[test]
    fn long_lines_are_cut_and_endless_ones_refused() {
        let reply = one(&format!("250-{}\r\n250 end\r\n", "x".repeat(100_000)));
        assert_eq!(reply.lines[0].len(), KEPT_LINE);
        assert_eq!(reply.lines[1], "end");
        assert!(replies(&vec![b'2'; LONGEST_LINE + 2], 65_536).is_err());
        assert!(replies("250-more\r\n".repeat(MOST_LINES + 1).as_bytes(), 65_536).is_err());
        let long = format!("250-{}\r\n", "y".repeat(100)).repeat(400) + "250 end\r\n";
        assert!(one(&long).lines.iter().map(String::len).sum::<usize>() <= KEPT_TEXT);
    }

    #[test]
    fn what_is_no_reply_is_an_error() {
        for text in
            ["hello\r\n", "\r\n", "25\r\n", "250x\r\n", "199 a\r\n", "600 a\r\n", "250-a\r\n251 b\r\n", "SSH-2.0\n"]
        {
            assert!(replies(text.as_bytes(), 3).is_err(), "{text:?}");
        }
        let ReplyError(text) = replies(b"\x1b]0;x\x07\r\n", 10).unwrap_err();
        assert_eq!(text, "the server sent \"?]0;x?\" in place of a reply");
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            lines in proptest::collection::vec(("[245][0-9]{2}", "[ -~]{0,40}", proptest::bool::ANY), 1..8),
            piece in 1usize..20,
        ) {
            let bytes: String = lines.iter().map(|(code, text, lf)| {
                format!("{code} {text}{}", if *lf { "\n" } else { "\r\n" })
            }).collect();
            let whole = replies(bytes.as_bytes(), bytes.len()).unwrap();
            prop_assert_eq!(whole.len(), lines.len());
            prop_assert_eq!(replies(bytes.as_bytes(), piece).unwrap(), whole);
        }

        #[test]
        fn noise_never_panics_and_is_printable(bytes: Vec<u8>, piece in 1usize..9) {
            match replies(&bytes, piece) {
                Ok(replies) => for reply in replies {
                    prop_assert!((200..600).contains(&reply.code));
                    prop_assert!(!reply.text().chars().any(printable::is_unsafe));
                },
                Err(ReplyError(text)) => prop_assert!(!text.chars().any(printable::is_unsafe)),
            }
        }
    }
}
