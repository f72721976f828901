//! Delivery status options of a sender (RFC 3461): conditions, returned content, and identifiers.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Conditions under which a report is sent (`NOTIFY`, RFC 3461 section 4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NotifyOn {
    /// Report a successful delivery.
    pub success: bool,
    /// Report a permanent failure.
    pub failure: bool,
    /// Report a delayed delivery.
    pub delay: bool,
}

/// Error for a text that is not a `--notify` list.
#[derive(Debug)]
pub struct NotifyError;

impl fmt::Display for NotifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("give never, or a list of success, failure and delay")
    }
}

impl std::error::Error for NotifyError {}

impl NotifyOn {
    /// Parses `never`, or a comma-separated list of `success`, `failure` and `delay`.
    pub fn parse(text: &str) -> Result<NotifyOn, NotifyError> {
        let mut notify = NotifyOn { success: false, failure: false, delay: false };
        if text.eq_ignore_ascii_case("never") {
            return Ok(notify);
        }
        for word in text.split(',') {
            match word.trim().to_ascii_lowercase().as_str() {
                "success" => notify.success = true,
                "failure" => notify.failure = true,
                "delay" => notify.delay = true,
                _ => return Err(NotifyError),
            }
        }
        Ok(notify)
    }

    /// Returns the conditions that are set in either value.
    pub fn union(self, other: NotifyOn) -> NotifyOn {
        NotifyOn {
            success: self.success || other.success,
            failure: self.failure || other.failure,
            delay: self.delay || other.delay,
        }
    }
}

impl fmt::Display for NotifyOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [(self.success, "success"), (self.failure, "failure"), (self.delay, "delay")];
        let words: Vec<&str> = words.iter().filter(|(on, _)| *on).map(|(_, word)| *word).collect();
        f.write_str(if words.is_empty() { "never".to_owned() } else { words.join(",") }.as_str())
    }
}

impl TryFrom<String> for NotifyOn {
    type Error = NotifyError;

    fn try_from(text: String) -> Result<NotifyOn, NotifyError> {
        NotifyOn::parse(&text)
    }
}

impl From<NotifyOn> for String {
    fn from(notify: NotifyOn) -> String {
        notify.to_string()
    }
}

/// Part of the message that a report returns (`RET`, RFC 3461 section 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReturnContent {
    /// The whole message.
    Full,
    /// The header only.
    Hdrs,
}

/// Envelope id: 1 to 100 characters of printable ASCII (RFC 3461 section 4.4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EnvelopeId(String);

/// Error for a text that is not an envelope id.
#[derive(Debug)]
pub struct EnvelopeIdError;

impl fmt::Display for EnvelopeIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an envelope id is 1 to 100 printable ASCII characters, with no space at its ends")
    }
}

impl std::error::Error for EnvelopeIdError {}

impl EnvelopeId {
    /// Parses an envelope id. Accepts 1 to 100 printable ASCII characters, without a space at either end.
    pub fn parse(text: &str) -> Result<EnvelopeId, EnvelopeIdError> {
        let printable = text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') && text.trim() == text;
        if printable && (1..=100).contains(&text.len()) {
            Ok(EnvelopeId(text.to_owned()))
        } else {
            Err(EnvelopeIdError)
        }
    }

    /// Returns the envelope id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for EnvelopeId {
    type Error = EnvelopeIdError;

    fn try_from(text: String) -> Result<EnvelopeId, EnvelopeIdError> {
        EnvelopeId::parse(&text)
    }
}

impl From<EnvelopeId> for String {
    fn from(id: EnvelopeId) -> String {
        id.0
    }
}

/// Body type of a message (`BODY`, RFC 6152).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum BodyType {
    /// Lines of ASCII characters.
    #[serde(rename = "7BIT")]
    SevenBit,
    /// Lines of 8-bit bytes.
    #[serde(rename = "8BITMIME")]
    EightBitMime,
}

impl BodyType {
    /// Parses `7BIT` or `8BITMIME`, ignoring case.
    pub fn parse(text: &str) -> Option<BodyType> {
        match text.to_ascii_uppercase().as_str() {
            "7BIT" => Some(BodyType::SevenBit),
            "8BITMIME" => Some(BodyType::EightBitMime),
            _ => None,
        }
    }

    /// Returns the SMTP keyword.
    pub fn word(self) -> &'static str {
        match self {
            BodyType::SevenBit => "7BIT",
            BodyType::EightBitMime => "8BITMIME",
        }
    }
}

/// Original recipient: the type and address that the sender wrote, before rewriting (`ORCPT`, RFC 3461 section 4.2).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OriginalRecipient {
    kind: String,
    address: String,
}

/// Error for a text that is not an original recipient.
#[derive(Debug)]
pub struct OriginalRecipientError;

impl fmt::Display for OriginalRecipientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an original recipient is TYPE;ADDRESS, such as rfc822;joe@example.org")
    }
}

impl std::error::Error for OriginalRecipientError {}

impl OriginalRecipient {
    /// Parses `type;address`. The address is literal, not in xtext.
    pub fn parse(text: &str) -> Result<OriginalRecipient, OriginalRecipientError> {
        let (kind, address) = text.split_once(';').ok_or(OriginalRecipientError)?;
        let (kind, address) = (kind.trim(), address.trim());
        let atom = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte);
        let plain = (1..=32).contains(&kind.len()) && kind.bytes().all(atom);
        let safe = (1..=500).contains(&address.len()) && !address.chars().any(char::is_control);
        if plain && safe {
            Ok(OriginalRecipient { kind: kind.to_owned(), address: address.to_owned() })
        } else {
            Err(OriginalRecipientError)
        }
    }

    /// Returns the address type, `rfc822` for internet mail.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Returns the original address.
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl fmt::Display for OriginalRecipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{};{}", self.kind, self.address)
    }
}

impl TryFrom<String> for OriginalRecipient {
    type Error = OriginalRecipientError;

    fn try_from(text: String) -> Result<OriginalRecipient, OriginalRecipientError> {
        OriginalRecipient::parse(&text)
    }
}

impl From<OriginalRecipient> for String {
    fn from(recipient: OriginalRecipient) -> String {
        recipient.to_string()
    }
}
