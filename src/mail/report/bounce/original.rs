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
    /// Byte range of the header, possibly incomplete. Also used for a truncated message, and for one without a body: some
    /// systems return only the header, labelled as the full message.
    Header(Range<usize>),
    /// Byte range of the unchanged message, which has a body.
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

/// Bytes of a report, as it was received and as it is parsed. Both have the same length.
pub struct ReportBytes<'b> {
    /// Bytes as they were received.
    pub received: &'b [u8],
    /// Bytes with the line ends LF or CRLF.
    pub plain: &'b [u8],
}

/// Returned message that was found in a report.
pub struct FoundOriginal {
    /// Position in the report.
    pub place: ReturnedOriginal,
    /// Value of its `Message-ID`, without brackets.
    pub message_id: Option<String>,
}

/// Finds the returned message: after part `teller`, which has the status, or else before it.
pub fn find(report: &ReportBytes<'_>, parts: &[MimePart], teller: usize) -> FoundOriginal {
    let (before, behind) = parts.split_at_checked(teller).unwrap_or((parts, &[]));
    let returned = |part: &&MimePart| is_message(part) || is_header(part);
    match behind.iter().find(returned).or_else(|| before.iter().find(returned)) {
        Some(part) => FoundOriginal { place: place(report, part), message_id: message_id(report.plain, part) },
        None => FoundOriginal { place: ReturnedOriginal::None, message_id: None },
    }
}

/// Returns the decoded header of the first returned message among the parts.
pub fn returned_header(report: &ReportBytes<'_>, parts: &[MimePart]) -> Option<Vec<u8>> {
    let part = parts.iter().find(|part| is_message(part) || is_header(part))?;
    let body = part.encoding.decode(report.plain.get(part.body.clone())?);
    Some(body.get(..MAX_HEADER_BYTES).unwrap_or(&body).to_vec())
}

/// Returns true for a part that contains a message.
pub fn is_message(part: &MimePart) -> bool {
    part.kind.is("message/rfc822") || part.kind.is("message/global")
}

fn is_header(part: &MimePart) -> bool {
    part.kind.is("text/rfc822-headers") || part.kind.is("message/global-headers")
}

fn place(report: &ReportBytes<'_>, part: &MimePart) -> ReturnedOriginal {
    // An encoded body differs from the message that was sent. RFC 2046 section 5.2.1 forbids it.
    if part.body.is_empty() || part.encoding != TransferEncoding::Identity {
        return ReturnedOriginal::None;
    }
    if is_header(part) {
        return ReturnedOriginal::Header(part.body.clone());
    }
    if part.extent == PartExtent::Whole && has_body(report.received.get(part.body.clone()).unwrap_or_default()) {
        return ReturnedOriginal::Full(part.body.clone());
    }
    match header(report.plain.get(part.body.clone()).unwrap_or_default()) {
        Some(header) if header.len > 0 => ReturnedOriginal::Header(part.body.start..part.body.start + header.len),
        _ => ReturnedOriginal::None,
    }
}

/// Returns true for a message with a body. One whose lines end in a lone CR has none: no mail system could read it if it
/// were sent again.
fn has_body(message: &[u8]) -> bool {
    let end = header(message).map_or(message.len(), |header| header.len);
    !message.get(end..).unwrap_or_default().trim_ascii().is_empty()
}

fn message_id(bytes: &[u8], part: &MimePart) -> Option<String> {
    let body = part.encoding.decode(bytes.get(part.body.clone())?);
    value::message_id(&header(&body)?.all("Message-ID").next().map(HeaderField::value)?)
}

fn header(body: &[u8]) -> Option<Header<'_>> {
    Header::scan(body.get(..MAX_HEADER_BYTES).unwrap_or(body), InputSupply::End)
}
