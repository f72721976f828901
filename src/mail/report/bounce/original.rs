//! The returned message, or its header, among the parts of a report (RFC 6522 section 3).

use std::ops::Range;

use crate::mail::message::header::{Field, Header, LONGEST, Supply};
use crate::mail::message::mime::Encoding;
use crate::mail::report::bounce::parts::{Extent, Part};
use crate::mail::report::bounce::value;

/// Where a returned message stands in the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Original {
    /// Nothing was returned, or only quoted in a text, or encoded.
    None,
    /// Its header, or as much of it as there is; also of a message that was cut off.
    Header(Range<usize>),
    /// All of it, byte for byte.
    Full(Range<usize>),
}

impl Original {
    /// The original in one word.
    pub fn word(&self) -> &'static str {
        match self {
            Original::None => "none",
            Original::Header(_) => "header",
            Original::Full(_) => "full",
        }
    }
}

/// What was returned.
pub struct Returned {
    /// Where it stands.
    pub place: Original,
    /// Its `Message-ID`.
    pub message_id: Option<String>,
}

/// Finds the returned message: behind the part that tells of it, or else before.
pub fn find(bytes: &[u8], parts: &[Part], teller: usize) -> Returned {
    let (before, behind) = parts.split_at_checked(teller).unwrap_or((parts, &[]));
    let returned = |part: &&Part| is_message(part) || is_header(part);
    match behind.iter().find(returned).or_else(|| before.iter().find(returned)) {
        Some(part) => Returned { place: place(bytes, part), message_id: message_id(bytes, part) },
        None => Returned { place: Original::None, message_id: None },
    }
}

fn is_message(part: &Part) -> bool {
    part.kind.is("message/rfc822") || part.kind.is("message/global")
}

fn is_header(part: &Part) -> bool {
    part.kind.is("text/rfc822-headers") || part.kind.is("message/global-headers")
}

fn place(bytes: &[u8], part: &Part) -> Original {
    // In another encoding, what stands here is not what was sent (RFC 2046 section 5.2.1 forbids it).
    if part.body.is_empty() || part.encoding != Encoding::Identity {
        return Original::None;
    }
    if is_header(part) {
        return Original::Header(part.body.clone());
    }
    match (part.extent, header(bytes.get(part.body.clone()).unwrap_or_default())) {
        (Extent::Whole, _) => Original::Full(part.body.clone()),
        (Extent::Cut, Some(header)) if header.len > 0 => {
            Original::Header(part.body.start..part.body.start + header.len)
        }
        (Extent::Cut, _) => Original::None,
    }
}

fn message_id(bytes: &[u8], part: &Part) -> Option<String> {
    let body = part.encoding.decode(bytes.get(part.body.clone())?);
    value::message_id(&header(&body)?.all("Message-ID").next().map(Field::value)?)
}

fn header(body: &[u8]) -> Option<Header<'_>> {
    Header::scan(body.get(..LONGEST).unwrap_or(body), Supply::End)
}
