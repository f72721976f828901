//! Enhanced status codes (RFC 3463).

use std::fmt;

use serde::{Deserialize, Serialize};

/// Enhanced status code `class.subject.detail` with class 2, 4 or 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Status {
    class: u8,
    subject: u16,
    detail: u16,
}

/// Meaning of a status for the recipient (RFC 3463 section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusClass {
    /// Class 2: success.
    Success,
    /// Class 4: temporary failure, the attempt can be repeated.
    Temporary,
    /// Class 5: permanent failure.
    Permanent,
}

/// Error for a text that is not an enhanced status code.
#[derive(Debug)]
pub struct StatusError;

impl fmt::Display for StatusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a status code of RFC 3463, such as 5.1.1")
    }
}

impl std::error::Error for StatusError {}

impl Status {
    /// 2.0.0: success, without further details.
    pub const DONE: Status = Status::of(2, 0, 0);
    /// 4.0.0: temporary failure, without further details.
    pub const TEMPORARY: Status = Status::of(4, 0, 0);
    /// 5.0.0: permanent failure, without further details.
    pub const FAILED: Status = Status::of(5, 0, 0);
    /// 4.1.2: the host is currently unknown.
    pub const NO_HOST: Status = Status::of(4, 1, 2);
    /// 4.3.0: error on this system.
    pub const LOCAL_TROUBLE: Status = Status::of(4, 3, 0);
    /// 4.3.2: the system is not accepting messages.
    pub const NOT_NOW: Status = Status::of(4, 3, 2);
    /// 4.3.5: the transport is not usable.
    pub const BROKEN: Status = Status::of(4, 3, 5);
    /// 4.7.8: login refused.
    pub const NO_LOGIN: Status = Status::of(4, 7, 8);
    /// 4.4.2: the connection ended.
    pub const CONNECTION_LOST: Status = Status::of(4, 4, 2);
    /// 4.4.7: the message expired.
    pub const EXPIRED: Status = Status::of(4, 4, 7);
    /// 5.4.7: the delivery deadline set by the sender has passed.
    pub const TOO_LATE: Status = Status::of(5, 4, 7);
    /// 5.1.1: the mailbox does not exist.
    pub const NO_MAILBOX: Status = Status::of(5, 1, 1);
    /// 5.1.3: the address syntax is invalid.
    pub const BAD_SYNTAX: Status = Status::of(5, 1, 3);
    /// 5.4.4: no transport accepts the address.
    pub const NO_ROUTE: Status = Status::of(5, 4, 4);
    /// 5.4.6: mail loop detected.
    pub const LOOP: Status = Status::of(5, 4, 6);
    /// 5.5.4: the transport was called with invalid arguments.
    pub const BAD_USAGE: Status = Status::of(5, 5, 4);
    /// 5.6.0: the message content is not acceptable.
    pub const BAD_MESSAGE: Status = Status::of(5, 6, 0);
    /// 5.3.4: the message is too big for the next system.
    pub const TOO_BIG: Status = Status::of(5, 3, 4);
    /// 5.6.7: the address needs an extension that the next system lacks (RFC 6531).
    pub const NEEDS_UTF8: Status = Status::of(5, 6, 7);
    /// 5.7.1: delivery is not authorized.
    pub const REFUSED: Status = Status::of(5, 7, 1);

    const fn of(class: u8, subject: u16, detail: u16) -> Status {
        Status { class, subject, detail }
    }

    /// Parses `class.subject.detail`; `None` for any other text.
    pub fn parse(text: &str) -> Option<Status> {
        let mut parts = text.split('.');
        let mut number = |longest: usize| {
            let part = parts.next()?;
            let plain = (1..=longest).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
            if plain { part.parse::<u16>().ok() } else { None }
        };
        let (class, subject, detail) = (number(1)?, number(3)?, number(3)?);
        let known = matches!(class, 2 | 4 | 5) && parts.next().is_none();
        known.then_some(Status { class: class as u8, subject, detail })
    }

    /// Splits `5.2.2 mailbox full` into the status and the text after it; `None` without a leading status.
    pub fn leading(text: &str) -> Option<(Status, &str)> {
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        Some((Status::parse(word)?, rest.trim()))
    }

    /// Returns the class of the status.
    pub fn class(self) -> StatusClass {
        match self.class {
            2 => StatusClass::Success,
            4 => StatusClass::Temporary,
            _ => StatusClass::Permanent,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

impl TryFrom<String> for Status {
    type Error = StatusError;

    fn try_from(text: String) -> Result<Status, StatusError> {
        Status::parse(&text).ok_or(StatusError)
    }
}

impl From<Status> for String {
    fn from(status: Status) -> String {
        status.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_full_codes_of_the_three_classes_count() {
        assert_eq!(Status::parse("5.1.1"), Some(Status::NO_MAILBOX));
        assert_eq!(Status::parse("4.123.4").unwrap().to_string(), "4.123.4");
        for text in ["", "5", "5.1", "3.0.0", "5.1.1.1", "5.1.x", "5.1.1234", "55.1.1", "5..1", "+5.1.1"] {
            assert_eq!(Status::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_leading_code_is_split_from_its_text() {
        assert_eq!(Status::leading("5.1.1 no such user"), Some((Status::NO_MAILBOX, "no such user")));
        assert_eq!(Status::leading("2.0.0"), Some((Status::DONE, "")));
        assert_eq!(Status::leading("2.0.0ok"), None);
        assert_eq!(Status::leading("version 5.1.1"), None);
    }
}
