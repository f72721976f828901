//! Decoding of MIME fields and parts (RFC 2045 to 2047). The only module that uses `mail-parser`.
//!
//! The parser gets a single field or part, never a whole message. A panic in it counts as an unreadable field, so that
//! untrusted mail cannot end a run.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::decoders::{base64::base64_decode, html::html_to_text, quoted_printable::quoted_printable_decode};
use mail_parser::{MessageParser, MimeHeaders};

use crate::mail::message::header::{Header, HeaderField, InputSupply, MAX_HEADER_BYTES};

/// Maximum length of a field that is given to the parser, in bytes.
const LONGEST_FIELD: usize = 1 << 16;

/// Content type of a part (RFC 2045 section 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentType {
    name: String,
    parameters: Vec<(String, String)>,
}

impl Default for ContentType {
    fn default() -> ContentType {
        ContentType { name: "text/plain".to_owned(), parameters: Vec::new() }
    }
}

impl ContentType {
    /// Parses the `Content-Type` field of a header; returns `text/plain` if it is missing or invalid (RFC 2045 section
    /// 5.2).
    pub fn of(header: &Header<'_>) -> ContentType {
        let read = header.all("Content-Type").next().and_then(|field| {
            let block = as_header_block(field)?;
            without_panic(|| {
                let message = MessageParser::default().parse_headers(&block)?;
                let found = message.content_type()?;
                let pairs = found.attributes().unwrap_or_default().iter();
                let parameters = pairs.map(|pair| (pair.name.to_ascii_lowercase(), pair.value.to_string()));
                let name = format!("{}/{}", found.ctype(), found.subtype().unwrap_or_default());
                Some(ContentType { name: name.to_ascii_lowercase(), parameters: parameters.collect() })
            })
        });
        read.unwrap_or_default()
    }

    /// Returns true for this type and subtype, given in lower case: `text/plain`.
    pub fn is(&self, name: &str) -> bool {
        self.name == name
    }

    /// Returns true for every subtype of this type, given in lower case.
    pub fn is_any(&self, kind: &str) -> bool {
        self.name.split('/').next() == Some(kind)
    }

    /// Returns the value of a parameter. `name` is in lower case.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Transfer encoding of a part's body (RFC 2045 section 6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferEncoding {
    /// No encoding: `7bit`, `8bit`, `binary`, or an unknown word.
    Identity,
    /// Encoding `base64`.
    Base64,
    /// Encoding `quoted-printable`.
    QuotedPrintable,
}

impl TransferEncoding {
    /// Parses the `Content-Transfer-Encoding` field of a header.
    pub fn of(header: &Header<'_>) -> TransferEncoding {
        let word = header.all("Content-Transfer-Encoding").next().map(HeaderField::value).unwrap_or_default();
        match word.to_ascii_lowercase().as_str() {
            "base64" => TransferEncoding::Base64,
            "quoted-printable" => TransferEncoding::QuotedPrintable,
            _ => TransferEncoding::Identity,
        }
    }

    /// Returns the decoded body. A body that cannot be decoded is returned unchanged.
    pub fn decode(self, body: &[u8]) -> Cow<'_, [u8]> {
        let decoded = match self {
            TransferEncoding::Identity => None,
            TransferEncoding::Base64 => without_panic(|| base64_decode(body)),
            TransferEncoding::QuotedPrintable => without_panic(|| quoted_printable_decode(body)),
        };
        decoded.map_or(Cow::Borrowed(body), Cow::Owned)
    }
}

/// Returns the text of a `text/…` part: decoded, converted from its character set if that is known, and without HTML
/// tags.
pub fn text(kind: &ContentType, encoding: TransferEncoding, body: &[u8]) -> String {
    let bytes = encoding.decode(body);
    let charset = kind.parameter("charset").unwrap_or("utf-8");
    let foreign = (!charset.eq_ignore_ascii_case("utf-8") && !bytes.is_ascii())
        .then(|| without_panic(|| charset_decoder(charset.as_bytes()).map(|decode| decode(&bytes))))
        .flatten();
    let text = foreign.unwrap_or_else(|| String::from_utf8_lossy(&bytes).into_owned());
    if !kind.is("text/html") {
        return text;
    }
    without_panic(|| Some(html_to_text(&text))).unwrap_or_default()
}

/// Returns the value of a field with encoded words decoded (RFC 2047). The field is parsed as a `Subject`, because the
/// parser decodes that one as plain text.
fn decoded(field: &HeaderField<'_>) -> Option<String> {
    let mut block = b"Subject:".to_vec();
    block.extend(field.raw().iter().skip_while(|byte| **byte != b':').skip(1).take(LONGEST_FIELD));
    block.extend_from_slice(b"\r\n\r\n");
    without_panic(|| {
        let message = MessageParser::default().parse_headers(&block)?;
        message.subject().map(str::to_owned)
    })
}

/// Returns the decoded subject (RFC 2047) of a message that begins with these bytes. The text is not safe for a
/// terminal.
pub fn subject(bytes: &[u8]) -> Option<String> {
    field_text(&Header::scan(&bytes[..bytes.len().min(MAX_HEADER_BYTES)], InputSupply::End)?, "Subject")
}

/// Returns the decoded value (RFC 2047) of the first field with this name. The text is not safe for a terminal.
pub fn field_text(header: &Header<'_>, name: &str) -> Option<String> {
    let field = header.all(name).next()?;
    let plain = field.raw().is_ascii() && !field.raw().windows(2).any(|pair| pair == b"=?");
    if plain { Some(field.value()) } else { decoded(field) }
}

/// Encodes a text as encoded words (RFC 2047, Q encoding), separated by spaces at which they can be folded.
pub fn encoded_words(text: &str) -> String {
    let mut words = vec![String::new()];
    for c in text.chars() {
        let mut bytes = [0; 4];
        let encoded: String = c
            .encode_utf8(&mut bytes)
            .bytes()
            .map(
                |byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("={byte:02X}") },
            )
            .collect();
        if words.last().is_some_and(|word| word.len() + encoded.len() > 60) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.push_str(&encoded);
        }
    }
    words.iter().map(|word| format!("=?utf-8?q?{word}?=")).collect::<Vec<_>>().join(" ")
}

/// Returns the field as a complete header of one field.
fn as_header_block(field: &HeaderField<'_>) -> Option<Vec<u8>> {
    let mut block = field.raw().get(..field.raw().len().min(LONGEST_FIELD))?.to_vec();
    block.extend_from_slice(b"\r\n\r\n");
    Some(block)
}

fn without_panic<T>(parse: impl FnOnce() -> Option<T>) -> Option<T> {
    catch_unwind(AssertUnwindSafe(parse)).ok().flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kind(field: &str) -> ContentType {
        let bytes = format!("{field}\n\n");
        ContentType::of(&Header::scan(bytes.as_bytes(), InputSupply::End).unwrap())
    }

    #[test]
    fn a_type_has_a_name_and_parameters() {
        let report = kind("Content-Type: Multipart/Report;\n Report-Type=delivery-status; boundary=\"a b\"");
        assert!(report.is("multipart/report") && report.is_any("multipart"));
        assert_eq!(report.parameter("boundary"), Some("a b"));
        assert_eq!(report.parameter("report-type"), Some("delivery-status"));
        assert!(kind("X: y").is("text/plain"));
    }

    #[test]
    fn bodies_are_decoded_or_left_alone() {
        assert_eq!(&*TransferEncoding::Base64.decode(b"aGVs\r\nbG8=\r\n"), b"hello");
        assert_eq!(&*TransferEncoding::QuotedPrintable.decode(b"a=\nb=3D"), b"ab=");
        assert_eq!(&*TransferEncoding::QuotedPrintable.decode(b"50 =% off"), b"50 =% off");
        assert_eq!(&*TransferEncoding::Identity.decode(b"a=3D"), b"a=3D");
    }

    #[test]
    fn text_is_read_in_its_character_set() {
        let latin = kind("Content-Type: text/plain; charset=iso-8859-1");
        assert_eq!(text(&latin, TransferEncoding::QuotedPrintable, b"caf=E9"), "caf\u{e9}");
        let html = kind("Content-Type: text/html");
        assert_eq!(text(&html, TransferEncoding::Identity, b"<p>one &amp; two</p>").trim(), "one & two");
    }

    #[test]
    fn subjects_are_decoded() {
        assert_eq!(subject(b"Subject: plain\n\n").as_deref(), Some("plain"));
        assert_eq!(subject(b"A: b\nSubject: =?utf-8?q?caf=C3=A9?=\n\n").as_deref(), Some("caf\u{e9}"));
        assert_eq!(subject(b"A: b\n\n"), None);
        assert_eq!(subject(b"\xff\xfe\n"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_odd(bytes: Vec<u8>, value in ".{0,60}") {
            let kind = kind(&format!("Content-Type: {value}"));
            for encoding in [TransferEncoding::Identity, TransferEncoding::Base64, TransferEncoding::QuotedPrintable] {
                text(&kind, encoding, &bytes);
            }
        }
    }
}
