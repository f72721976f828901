//! Addresses of recipients and senders in an envelope.

pub mod alias;
pub mod list;
pub mod pattern;
pub mod rewrite;
pub mod route;
mod syntax;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::mail::address::syntax::{can_exist, is_bare};
use crate::values::printable;

/// Type of recipients whose text in a header is not an address. No transport gets them.
const INVALID: &str = "INVALID";

/// Maximum length of an address, in bytes. RFC 5321 section 4.5.3.1.3 requires 256; other address types can need more.
pub const LONGEST: usize = 1000;

/// Reason why a text is not an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressError {
    /// The text is empty, between the brackets or after the type.
    Empty,
    /// The text contains NUL, CR, LF or another control character, which could start a new line or a new argument.
    Control,
    /// The text is longer than [`LONGEST`].
    TooLong,
    /// The text is not a single bare mailbox. A program that parses address lists would find a different address in it,
    /// or several.
    NotBare,
    /// The domain cannot exist: a part between its dots is empty or longer than 63 bytes, or all of it is longer than 255.
    Domain,
    /// The type is not `[A-Z][A-Z0-9]*` with at most eight characters.
    Type,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AddressError::Empty => "is empty",
            AddressError::Control => "contains a control character",
            AddressError::TooLong => "is longer than 1000 bytes",
            AddressError::NotBare => {
                "is not one bare address, local@domain: blanks and ()<>,;:\\\"@[] need quotes in the local part"
            }
            AddressError::Domain => "has a domain that cannot exist: a part between its dots is empty or too long",
            AddressError::Type => {
                "has a type that is not valid: only 1 to 8 of A-Z and 0-9 are allowed, a letter first"
            }
        })
    }
}

impl std::error::Error for AddressError {}

/// Address type, the messaging system of an address: `SMTP`, `FAX`, `X400`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AddressType(String);

impl AddressType {
    /// Returns the type of internet mail, which addresses without a type have.
    pub fn smtp() -> AddressType {
        AddressType("SMTP".to_owned())
    }

    /// Parses `[A-Z][A-Z0-9]*` with at most eight characters.
    pub fn parse(text: &str) -> Result<AddressType, AddressError> {
        let mut bytes = text.bytes();
        let first = bytes.next().is_some_and(|byte| byte.is_ascii_uppercase());
        let rest = bytes.all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit());
        if first && rest && text.len() <= 8 { Ok(AddressType(text.to_owned())) } else { Err(AddressError::Type) }
    }

    /// Returns the type as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for AddressType {
    type Error = AddressError;

    fn try_from(text: String) -> Result<AddressType, AddressError> {
        AddressType::parse(&text)
    }
}

impl From<AddressType> for String {
    fn from(kind: AddressType) -> String {
        kind.0
    }
}

impl fmt::Display for AddressType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Address of one recipient: a type and an address of that type. Contains no control characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "RawAddress")]
pub struct Address {
    #[serde(rename = "type")]
    kind: AddressType,
    #[serde(rename = "address")]
    text: String,
}

#[derive(Deserialize)]
struct RawAddress {
    r#type: String,
    address: String,
}

impl TryFrom<RawAddress> for Address {
    type Error = AddressError;

    fn try_from(raw: RawAddress) -> Result<Address, AddressError> {
        Address::recorded(AddressType::parse(&raw.r#type)?, &raw.address)
    }
}

impl Address {
    /// Builds an address from its type and a text, with the checks for that type.
    pub fn new(kind: AddressType, text: &str) -> Result<Address, AddressError> {
        let address = Address::recorded(kind, text)?;
        match address.domain().filter(|_| address.is_smtp()) {
            Some(domain) if !can_exist(domain) => Err(AddressError::Domain),
            _ => Ok(address),
        }
    }

    /// Builds an address that is in the spool already. Its domain is not checked: a check that is new must not make
    /// accepted mail unreadable.
    pub fn recorded(kind: AddressType, text: &str) -> Result<Address, AddressError> {
        let text = checked(text)?;
        if kind.0 == "SMTP" && !is_bare(text) {
            return Err(AddressError::NotBare);
        }
        Ok(Address { kind, text: text.to_owned() })
    }

    /// Returns the address for a text in a header that is not an address, so that its failure is recorded and reported
    /// like that of any recipient. Control characters are replaced, and a long text is cut.
    pub fn invalid(text: &str) -> Result<Address, AddressError> {
        let text = printable::line(text);
        Address::new(AddressType(INVALID.to_owned()), &text[..text.floor_char_boundary(LONGEST)])
    }

    /// Returns true for a text in a header that is not an address.
    pub fn is_invalid(&self) -> bool {
        self.kind.0 == INVALID
    }

    /// Parses `TYPE:address`, or a mail address without a type; the address can be in angle brackets.
    pub fn parse(text: &str) -> Result<Address, AddressError> {
        let (kind, text) = split_type(text);
        Address::new(kind, unbracketed(text))
    }

    /// Returns the type of the address.
    pub fn kind(&self) -> &AddressType {
        &self.kind
    }

    /// Returns the address without its type.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the text after the last `@`.
    pub fn domain(&self) -> Option<&str> {
        self.text.rsplit_once('@').map(|(_, domain)| domain)
    }

    /// Returns true for an internet mail address.
    pub fn is_smtp(&self) -> bool {
        self.kind.0 == "SMTP"
    }

    /// Returns a key that is equal for two spellings of the same mailbox: domains are case-insensitive, local parts and
    /// other types are case-sensitive (RFC 5321 section 2.4).
    pub fn key(&self) -> (String, String) {
        let text = match self.text.rsplit_once('@') {
            Some((local, domain)) if self.is_smtp() => format!("{local}@{}", domain.to_ascii_lowercase()),
            _ => self.text.clone(),
        };
        (self.kind.0.clone(), text)
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_smtp() { f.write_str(&self.text) } else { write!(f, "{}:{}", self.kind, self.text) }
    }
}

/// Envelope sender (RFC 5321 reverse-path), to which reports are sent. The null sender is empty; no report is ever made
/// on its messages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sender(String);

impl Sender {
    /// Parses an address with or without angle brackets. An empty text and `<>` are the null sender.
    pub fn parse(text: &str) -> Result<Sender, AddressError> {
        let text = unbracketed(text);
        if text.is_empty() {
            return Ok(Sender::default());
        }
        let text = checked(text)?;
        if is_bare(text) { Ok(Sender(text.to_owned())) } else { Err(AddressError::NotBare) }
    }

    /// Returns the address; empty for the null sender.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns true for the null sender.
    pub fn is_null(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<String> for Sender {
    type Error = AddressError;

    fn try_from(text: String) -> Result<Sender, AddressError> {
        Sender::parse(&text)
    }
}

impl From<Sender> for String {
    fn from(sender: Sender) -> String {
        sender.0
    }
}

/// Splits off a leading `TYPE:`. A text without one has the type of internet mail.
pub fn split_type(text: &str) -> (AddressType, &str) {
    match text.split_once(':').map(|(kind, rest)| (AddressType::parse(kind), rest)) {
        Some((Ok(kind), rest)) => (kind, rest),
        _ => (AddressType::smtp(), text),
    }
}

fn unbracketed(text: &str) -> &str {
    text.strip_prefix('<').and_then(|inner| inner.strip_suffix('>')).unwrap_or(text)
}

/// Refuses a text that neither an address nor an address pattern can contain.
pub fn checked(text: &str) -> Result<&str, AddressError> {
    if text.is_empty() {
        Err(AddressError::Empty)
    } else if text.len() > LONGEST {
        Err(AddressError::TooLong)
    } else if text.chars().any(char::is_control) {
        Err(AddressError::Control)
    } else {
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_type_stands_before_a_colon() {
        let fax = Address::parse("FAX:+49 30 1234").unwrap();
        assert_eq!((fax.kind().as_str(), fax.text()), ("FAX", "+49 30 1234"));
        assert_eq!(fax.to_string(), "FAX:+49 30 1234");
        let mail = Address::parse("<bob@Example.com>").unwrap();
        assert_eq!(
            (mail.kind().as_str(), mail.text(), mail.domain()),
            ("SMTP", "bob@Example.com", Some("Example.com"))
        );
        assert_eq!(Address::parse("SMTP:bob@x").unwrap(), Address::parse("bob@x").unwrap());
        assert_eq!(Address::parse("fax@x").unwrap().kind().as_str(), "SMTP");
    }

    #[test]
    fn refuses_what_could_be_taken_for_something_else() {
        assert_eq!(Address::parse(""), Err(AddressError::Empty));
        assert_eq!(Address::parse("FAX:"), Err(AddressError::Empty));
        assert_eq!(Address::parse("a@b\n"), Err(AddressError::Control));
        assert_eq!(Address::parse("a\0@b"), Err(AddressError::Control));
        assert_eq!(Address::parse(&"x".repeat(LONGEST + 1)), Err(AddressError::TooLong));
        assert_eq!(AddressType::parse("ABCDEFGHI"), Err(AddressError::Type));
        assert_eq!(AddressType::parse("1A"), Err(AddressError::Type));
    }

    #[test]
    fn one_address_is_one_mailbox() {
        for good in [
            "root",
            "bob@x",
            "a..b.@x",
            "\"a b\"@x",
            "\"a\\\"b,c\"@x",
            "\"quoted\"",
            "u@[127.0.0.1]",
            "u@[IPv6:::1]",
            "-x@y",
            "${run{touch$IFS$x}}@x",
            "`id`|&*?'#!%s@x",
            "j\u{fc}r@b\u{fc}cher.example",
            "{recipient}@x",
        ] {
            assert!(Address::parse(good).is_ok(), "{good}");
            assert!(Sender::parse(good).is_ok(), "{good}");
        }
        for bad in [
            "a b@x",
            "a@x,b@x",
            "a@x, b@x",
            "Bob <bob@x>",
            "mailto:bob@x",
            "bob@",
            "@x",
            "a@x>",
            "a@b@c",
            "a(b)@x",
            "a;b@x",
            "a\\b@x",
            "\"open@x",
            "\"a\"b@x",
            "u@[x",
            "u@[a b]",
            "$(id)@x",
            "a@x y",
        ] {
            assert_eq!(Address::parse(bad), Err(AddressError::NotBare), "{bad}");
            assert_eq!(Sender::parse(bad), Err(AddressError::NotBare), "{bad}");
        }
        assert!(Address::parse("FAX:(030) 12, 34").is_ok(), "other types have other rules");
    }

    #[test]
    fn a_domain_has_parts_that_can_exist() {
        let long = format!("a@{}.example", "x".repeat(64));
        for bad in ["a@b..c", "a@.b", "a@.", long.as_str(), "\"a b\"@x..y"] {
            assert_eq!(Address::parse(bad), Err(AddressError::Domain), "{bad}");
            let line = serde_json::json!({"type": "SMTP", "address": bad}).to_string();
            assert!(serde_json::from_str::<Address>(&line).is_ok(), "{bad}: mail that was accepted stays readable");
        }
        for good in ["a@b.c", "a@b.c.", "a@[IPv6:::1]", "\"a..b@c..d\"@x", "FAX:a@b..c"] {
            assert!(Address::parse(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn the_null_sender_has_three_spellings() {
        for text in ["", "<>"] {
            assert!(Sender::parse(text).unwrap().is_null());
        }
        assert_eq!(Sender::parse("<joe@x>").unwrap().as_str(), "joe@x");
        assert_eq!(Sender::parse("a\rb"), Err(AddressError::Control));
    }

    #[test]
    fn only_the_domain_ignores_case() {
        let key = |text| Address::parse(text).unwrap().key();
        assert_eq!(key("bob@EXAMPLE.com"), key("bob@example.COM"));
        assert_ne!(key("Bob@example.com"), key("bob@example.com"));
        assert_ne!(key("FAX:a@B"), key("FAX:a@b"));
    }

    proptest! {
        #[test]
        fn whatever_parses_survives_the_disk(text in "\\PC{0,40}") {
            if let Ok(address) = Address::parse(&text) {
                let json = serde_json::to_string(&address).unwrap();
                prop_assert!(!json.contains('\n'));
                prop_assert_eq!(serde_json::from_str::<Address>(&json).unwrap(), address);
            }
        }

        #[test]
        fn no_control_character_ever_parses(before in ".{0,9}", control in "[\\x00-\\x1f\\x7f-\\x9f]", after in ".{0,9}") {
            let text = format!("{before}{control}{after}");
            prop_assert!(Address::parse(&text).is_err());
            prop_assert!(Sender::parse(&text).is_err());
            let json = serde_json::json!({"type": "SMTP", "address": text}).to_string();
            prop_assert!(serde_json::from_str::<Address>(&json).is_err());
        }
    }
}
