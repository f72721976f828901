//! Values of report fields: typed values, and the two encodings of original addresses.

use crate::mail::address::{self, Address, AddressType};
use crate::values::printable::{self, TextLimit};

/// Returns the value after `rfc822;`, `dns;`, `smtp;` and similar types (RFC 3464 section 2.1.2). A type is one word;
/// without a type, returns the whole value.
pub fn untyped(value: &str) -> &str {
    split(value).1
}

fn split(value: &str) -> (&str, &str) {
    let word = |kind: &str| !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    match value.split_once(';') {
        Some((kind, rest)) if word(kind.trim()) => (kind.trim(), rest.trim()),
        _ => ("", value.trim()),
    }
}

/// Splits the value of a recipient field into type and address. Some systems write types that are no words, such as
/// `rfc/822`.
fn split_address(value: &str) -> (&str, &str) {
    let odd = |kind: &str| kind.chars().all(|c| c.is_ascii_graphic() && !"@<>\"".contains(c));
    match value.split_once(';') {
        Some((kind, rest)) if odd(kind.trim()) => (kind.trim(), rest.trim()),
        _ => ("", value.trim()),
    }
}

/// Parses the address of a recipient field. The type `utf-8` can use the encoding `\x{…}` (RFC 6533 section 3).
pub fn recipient(value: &str) -> Option<String> {
    let (kind, text) = split_address(value);
    let text = bare(text)?;
    let decoded = kind.eq_ignore_ascii_case("utf-8").then(|| from_unicode_escapes(&text)).flatten();
    Some(decoded.filter(|text| is_address(text)).unwrap_or(text))
}

/// Parses an `Original-Recipient`, encoded as xtext (RFC 3461 section 4), or with `\x{…}` for the type `utf-8` (RFC
/// 6533 section 3). Many systems do not encode it, so the text is decoded only if the result is an address.
pub fn original_recipient(value: &str) -> Option<String> {
    let (kind, text) = split_address(value);
    let text = bare(text)?;
    let decoded = if kind.eq_ignore_ascii_case("utf-8") { from_unicode_escapes(&text) } else { from_xtext(&text) };
    Some(decoded.filter(|text| is_address(text)).unwrap_or(text))
}

/// Parses an `Original-Envelope-Id`. Decodes xtext if the result is printable ASCII (RFC 3461 section 4.4).
pub fn envelope_id(value: &str) -> Option<String> {
    let printable = |text: &String| text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let text = value.trim();
    said(&from_xtext(text).filter(printable).unwrap_or_else(|| text.to_owned()))
}

/// Returns the text on one line, safe to print and limited in length; `None` if it is empty.
pub fn said(text: &str) -> Option<String> {
    Some(printable::output(text.as_bytes(), TextLimit::Result)).filter(|text| !text.is_empty())
}

/// Returns a `Message-ID` without its brackets (RFC 5322 section 3.6.4).
pub fn message_id(value: &str) -> Option<String> {
    let inner = value.split_once('<').map_or(value, |(_, rest)| rest);
    let inner = inner.split_once('>').map_or(inner, |(id, _)| id);
    let id = inner.split_whitespace().collect::<String>();
    said(&id)
}

fn is_address(text: &str) -> bool {
    Address::new(AddressType::smtp(), text).is_ok()
}

/// Returns an address without its brackets, and without a bracket that has lost its partner.
fn bare(text: &str) -> Option<String> {
    let text = text.trim();
    let inner = text.strip_prefix('<').unwrap_or(text);
    let text = inner.strip_suffix('>').unwrap_or(inner).trim();
    (!text.is_empty() && text.len() <= address::LONGEST).then(|| printable::line(text))
}

/// Decodes xtext, in which `+2B` stands for one byte. Returns `None` for invalid xtext or invalid UTF-8.
fn from_xtext(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'+' {
            decoded.push(byte);
            continue;
        }
        let (high, low) = (bytes.next()?, bytes.next()?);
        let upper = |digit: u8| digit.is_ascii_digit() || (b'A'..=b'F').contains(&digit);
        let digit = |digit: u8| (digit as char).to_digit(16).filter(|_| upper(digit));
        decoded.push(u8::try_from(digit(high)? << 4 | digit(low)?).ok()?);
    }
    String::from_utf8(decoded).ok()
}

/// Decodes `\x{FC}` escapes, each for one character. Returns `None` for an invalid escape.
fn from_unicode_escapes(text: &str) -> Option<String> {
    let mut pieces = text.split("\\x{");
    let mut decoded = pieces.next()?.to_owned();
    for piece in pieces {
        let (digits, rest) = piece.split_once('}')?;
        decoded.push(u32::from_str_radix(digits, 16).ok().and_then(char::from_u32)?);
        decoded.push_str(rest);
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_one_word() {
        assert_eq!(untyped("smtp; 550 no"), "550 no");
        assert_eq!(untyped("550 no; really"), "550 no; really");
        assert_eq!(recipient("RFC822 ;<a@x>").as_deref(), Some("a@x"));
        assert_eq!(recipient("a@x").as_deref(), Some("a@x"));
        assert_eq!(recipient("utf-8; j\\x{FC}rg@x").as_deref(), Some("j\u{fc}rg@x"));
        assert_eq!(recipient("rfc822;"), None);
        assert_eq!(recipient("rfc/822;a@x").as_deref(), Some("a@x"));
        assert_eq!(recipient("\"a;b\"@x").as_deref(), Some("\"a;b\"@x"));
        assert_eq!(untyped("a/b; c"), "a/b; c");
    }

    #[test]
    fn a_bracket_that_has_lost_its_partner_is_dropped() {
        for text in ["rfc822; a@x>", "rfc822;<a@x", "rfc822; <a@x>", "; a@x", "a@x>"] {
            assert_eq!(recipient(text).as_deref(), Some("a@x"), "{text}");
            assert_eq!(original_recipient(text).as_deref(), Some("a@x"), "{text}");
        }
    }

    #[test]
    fn original_recipients_are_decoded_where_they_are_encoded() {
        let original = |text| original_recipient(text).unwrap();
        assert_eq!(original("rfc822;joe+2Btag@x"), "joe+tag@x");
        assert_eq!(original("rfc822;joe+tag@x"), "joe+tag@x");
        assert_eq!(original("rfc822;joe+20@x"), "joe+20@x");
        assert_eq!(original("utf-8;j\\x{FC}rg@x"), "j\u{fc}rg@x");
        assert_eq!(original("utf-8;j\\x{FFFFFFFF}rg@x"), "j\\x{FFFFFFFF}rg@x");
    }

    #[test]
    fn envelope_ids_are_xtext() {
        assert_eq!(envelope_id(" QQ+2B3 ").as_deref(), Some("QQ+3"));
        assert_eq!(envelope_id("QQ+3").as_deref(), Some("QQ+3"));
        assert_eq!(envelope_id("a+00b").as_deref(), Some("a+00b"));
    }

    #[test]
    fn message_ids_lose_their_brackets() {
        assert_eq!(message_id(" <a.b@x> (odd)").as_deref(), Some("a.b@x"));
        assert_eq!(message_id("a@x").as_deref(), Some("a@x"));
        assert_eq!(message_id("<>"), None);
    }
}
