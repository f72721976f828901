//! Replies of an SMTP server (RFC 5321 section 4.2), with enhanced status codes (RFC 2034).

use std::fmt;

use crate::values::printable;

/// One reply, of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpReply {
    /// Three digits.
    pub code: u16,
    /// The enhanced status; empty where RFC 2034 wants none.
    pub status: &'static str,
    /// What people read.
    pub text: String,
}

/// Longest text, in characters: a line has 512 bytes.
const LONGEST: usize = 400;

impl SmtpReply {
    /// A reply whose text is safe to put on a line.
    pub fn new(code: u16, status: &'static str, text: impl AsRef<str>) -> SmtpReply {
        let text: String = printable::line(text.as_ref()).chars().take(LONGEST).collect();
        SmtpReply { code, status, text: text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect() }
    }

    /// True when the client did something that it should not have.
    pub fn is_complaint(&self) -> bool {
        self.code >= 500
    }
}

impl fmt::Display for SmtpReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blank = if self.status.is_empty() { "" } else { " " };
        write!(f, "{} {}{blank}{}", self.code, self.status, self.text)
    }
}
