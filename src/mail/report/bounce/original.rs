//! Returned message, or its header, among the parts of a report (RFC 6522 section 3).

use std::ops::Range;

use crate::mail::message::header::{Header, HeaderField, InputSupply, MAX_HEADER_BYTES};
use crate::mail::message::mime::TransferEncoding;
use crate::mail::report::bounce::parts::{MimePart, PartExtent};
use crate::mail::report::bounce::value;

/// Position of a returned message in the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReturnedOriginal {
    /// No message was returned, or only quoted in a text, or encoded.
    None,
    /// Byte range of the header, possibly incomplete. Also used for a truncated message.
    Header(Range<usize>),
    /// Byte range of the unchanged message.
    Full(Range<usize>),
}

impl ReturnedOriginal {
    /// Returns the extent as one word: `none`, `header` or `full`.
    pub fn word(&self) -> &'static str {
        match self {
            ReturnedOriginal::None => "none",
            ReturnedOriginal::Header(_) => "header",
            ReturnedOriginal::Full(_) => "full",
        }
    }
}

/// Returned message that was found in a report.
pub struct FoundOriginal {
    /// Position in the report.
    pub place: ReturnedOriginal,
    /// Value of its `Message-ID`, without brackets.
    pub message_id: Option<String>,
}

/// Finds the returned message: after part `teller`, which has the status, or else before it.
pub fn find(bytes: &[u8], parts: &[MimePart], teller: usize) -> FoundOriginal {
    let (before, behind) = parts.split_at_checked(teller).unwrap_or((parts, &[]));
    let returned = |part: &&MimePart| is_message(part) || is_header(part);
    match behind.iter().find(returned).or_else(|| before.iter().find(returned)) {
        Some(part) => FoundOriginal { place: place(bytes, part), message_id: message_id(bytes, part) },
        None => FoundOriginal { place: ReturnedOriginal::None, message_id: None },
    }
}

fn is_message(part: &MimePart) -> bool {
    part.kind.is("message/rfc822") || part.kind.is("message/global")
}

fn is_header(part: &MimePart) -> bool {
    part.kind.is("text/rfc822-headers") || part.kind.is("message/global-headers")
}

fn place(bytes: &[u8], part: &MimePart) -> ReturnedOriginal {
    // An encoded body differs from the message that was sent. RFC 2046 section 5.2.1 forbids it.
    if part.body.is_empty() || part.encoding != TransferEncoding::Identity {
        return ReturnedOriginal::None;
    }
    if is_header(part) {
        return ReturnedOriginal::Header(part.body.clone());
    }
    match (part.extent, header(bytes.get(part.body.clone()).unwrap_or_default())) {
        (PartExtent::Whole, _) => ReturnedOriginal::Full(part.body.clone()),
        (PartExtent::Cut, Some(header)) if header.len > 0 => {
            ReturnedOriginal::Header(part.body.start..part.body.start + header.len)
        }
        (PartExtent::Cut, _) => ReturnedOriginal::None,
    }
}

fn message_id(bytes: &[u8], part: &MimePart) -> Option<String> {
    let body = part.encoding.decode(bytes.get(part.body.clone())?);
    value::message_id(&header(&body)?.all("Message-ID").next().map(HeaderField::value)?)
}

fn header(body: &[u8]) -> Option<Header<'_>> {
    Header::scan(body.get(..MAX_HEADER_BYTES).unwrap_or(body), InputSupply::End)
}
