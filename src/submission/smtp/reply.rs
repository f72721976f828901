//! Replies of the SMTP server (RFC 5321 section 4.2), with enhanced status codes (RFC 2034).

use std::fmt;

use crate::values::printable;

/// Reply of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpReply {
    /// Reply code, 200 to 599.
    pub code: u16,
    /// Enhanced status code; empty for replies that have none (RFC 2034 section 3).
    pub status: &'static str,
    /// Explanation, one line of ASCII.
    pub text: String,
}

/// Longest text, in characters: a reply line has at most 512 bytes (RFC 5321 section 4.5.3.1.5).
const LONGEST: usize = 400;

impl SmtpReply {
    /// Creates a reply. Control characters and non-ASCII characters of the text become `?`, and it is cut after 400
    /// characters.
    pub fn new(code: u16, status: &'static str, text: impl AsRef<str>) -> SmtpReply {
        let text: String = printable::line(text.as_ref()).chars().take(LONGEST).collect();
        SmtpReply { code, status, text: text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect() }
    }

    /// True for a permanent negative reply (5xx), which reports an error of the client.
    pub fn is_permanent_error(&self) -> bool {
        self.code >= 500
    }
}

impl fmt::Display for SmtpReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blank = if self.status.is_empty() { "" } else { " " };
        write!(f, "{} {}{blank}{}", self.code, self.status, self.text)
    }
}
