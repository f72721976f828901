//! Parts of a MIME message with exact byte ranges (RFC 2046 section 5.1.1).
//!
//! A returned message can be resent, so its exact bytes are needed; a MIME parser returns only decoded text. Depth and
//! number of parts are limited, and each level reads its bytes once.

use std::borrow::Cow;
use std::ops::Range;

use crate::mail::message::header::{Header, InputSupply, MAX_HEADER_BYTES};
use crate::mail::message::mime::{ContentType, TransferEncoding};

/// Maximum depth of nested multiparts.
const DEEPEST: usize = 6;

/// Maximum number of parts.
const MOST: usize = 200;

/// Minimum length of a line that is guessed to be a boundary.
const SHORTEST_GUESS: usize = 8;

/// Completeness of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartExtent {
    /// The multipart around the part ends with its closing boundary line.
    Whole,
    /// The message ends before the closing boundary line.
    Cut,
}

/// Part that is not a multipart.
#[derive(Debug)]
pub struct MimePart {
    /// Content type of the part.
    pub kind: ContentType,
    /// Transfer encoding of the body.
    pub encoding: TransferEncoding,
    /// Byte range of the body, without the line break before the next boundary line.
    pub body: Range<usize>,
    /// Completeness of the body.
    pub extent: PartExtent,
}

/// Message and its parts, in order.
#[derive(Debug)]
pub struct MimeParts {
    /// Content type of the whole message.
    pub kind: ContentType,
    /// Parts of the message. A message that is not a multipart, or cannot be divided, is its own only part.
    pub list: Vec<MimePart>,
}

impl MimeParts {
    /// Divides a message whose line ends are LF or CRLF.
    pub fn of(bytes: &[u8]) -> MimeParts {
        let root = OpenedMultipart::at(bytes, 0..bytes.len());
        let kind = root.kind.clone();
        let mut parts = MimeParts { kind, list: Vec::new() };
        parts.divide(bytes, root, PartExtent::Cut, 0);
        parts
    }

    fn divide(&mut self, bytes: &[u8], part: OpenedMultipart, extent: PartExtent, depth: usize) {
        if self.list.len() >= MOST {
            return;
        }
        let divisible = part.kind.is_any("multipart") && depth < DEEPEST;
        let sections = if divisible { sections(bytes, &part) } else { Vec::new() };
        if sections.is_empty() {
            let OpenedMultipart { kind, encoding, body } = part;
            self.list.push(MimePart { kind, encoding, body, extent });
        }
        for section in sections {
            self.divide(bytes, OpenedMultipart::at(bytes, section.range), section.extent, depth + 1);
        }
    }
}

/// Returns the bytes with every lone CR replaced by LF if the first line ends in a lone CR. The length stays the same,
/// so that byte ranges stay valid.
pub fn plain_line_ends(bytes: &[u8]) -> Cow<'_, [u8]> {
    let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n')).and_then(|at| bytes.get(at..));
    let run = end.unwrap_or_default().iter().find(|byte| **byte != b'\r');
    if end.is_none_or(|end| end.first() == Some(&b'\n')) || run == Some(&b'\n') {
        return Cow::Borrowed(bytes);
    }
    let next = bytes.iter().skip(1).copied().chain([0]);
    let lone = |(byte, next)| if byte == b'\r' && next != b'\n' { b'\n' } else { byte };
    Cow::Owned(bytes.iter().copied().zip(next).map(lone).collect())
}

/// Part with a parsed header.
struct OpenedMultipart {
    kind: ContentType,
    encoding: TransferEncoding,
    body: Range<usize>,
}

impl OpenedMultipart {
    fn at(bytes: &[u8], range: Range<usize>) -> OpenedMultipart {
        let all = bytes.get(range.clone()).unwrap_or_default();
        match Header::scan(all.get(..MAX_HEADER_BYTES).unwrap_or(all), InputSupply::End) {
            Some(header) => {
                let len = header.len + if header.closed { line_at(all, header.len).len() } else { 0 };
                let (kind, encoding) = (ContentType::of(&header), TransferEncoding::of(&header));
                OpenedMultipart { kind, encoding, body: range.start + len..range.end }
            }
            None => OpenedMultipart { kind: ContentType::default(), encoding: TransferEncoding::Identity, body: range },
        }
    }
}

/// Bytes between two boundary lines.
#[derive(Debug, PartialEq, Eq)]
struct MimeSection {
    range: Range<usize>,
    extent: PartExtent,
}

/// Returns the sections of a multipart. If the declared boundary never occurs, a boundary is guessed, provided that its
/// closing line exists.
fn sections(bytes: &[u8], part: &OpenedMultipart) -> Vec<MimeSection> {
    let named = part.kind.parameter("boundary").map(str::trim_end).filter(|name| !name.is_empty());
    let found = named.map(|name| between(bytes, &part.body, name.as_bytes())).unwrap_or_default();
    if !found.is_empty() {
        return found;
    }
    let guessed = guess(bytes, &part.body).map(|name| between(bytes, &part.body, name)).unwrap_or_default();
    if guessed.iter().all(|section| section.extent == PartExtent::Whole) { guessed } else { Vec::new() }
}

/// Splits the body at the lines of this boundary.
fn between(bytes: &[u8], body: &Range<usize>, boundary: &[u8]) -> Vec<MimeSection> {
    let mut found: Vec<MimeSection> = Vec::new();
    let mut open: Option<(usize, usize)> = None;
    let mut at = body.start;
    let within = bytes.get(..body.end).unwrap_or(bytes);
    while at < within.len() {
        let line = line_at(within, at);
        let next = at + line.len();
        let rest = line.strip_prefix(b"--").and_then(|rest| rest.strip_prefix(boundary)).map(<[u8]>::trim_ascii_end);
        if let Some(b"" | b"--") = rest {
            if let Some((start, longest_break)) = open {
                let end = at - line_break(within.get(start..at).unwrap_or_default()).min(longest_break);
                if found.len() < MOST {
                    found.push(MimeSection { range: start..end.max(start), extent: PartExtent::Cut });
                }
            }
            // The line break before a boundary line belongs to the boundary, and is not longer than that line's own
            // line break: an extra CR can belong to the message.
            open = Some((next, line_break(line)));
            if rest == Some(b"--") {
                for section in &mut found {
                    section.extent = PartExtent::Whole;
                }
                return found;
            }
        }
        at = next;
    }
    found.extend(open.map(|(start, _)| MimeSection { range: start..within.len(), extent: PartExtent::Cut }));
    found
}

/// Returns the first line that looks like a boundary, without its dashes.
fn guess<'a>(bytes: &'a [u8], body: &Range<usize>) -> Option<&'a [u8]> {
    let within = bytes.get(body.clone())?;
    let mut lines = within.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    let line = lines.find(|line| line.starts_with(b"--") && line.len() >= SHORTEST_GUESS)?;
    (!line.contains(&b' ')).then(|| line.get(2..)).flatten()
}

/// Returns the line that begins at `at`, including its line end.
fn line_at(bytes: &[u8], at: usize) -> &[u8] {
    let rest = bytes.get(at..).unwrap_or_default();
    let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |end| end + 1);
    rest.get(..end).unwrap_or_default()
}

/// Returns the length of the line break at the end of the bytes: 0, 1 or 2.
fn line_break(bytes: &[u8]) -> usize {
    if bytes.ends_with(b"\r\n") { 2 } else { usize::from(bytes.ends_with(b"\n")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bodies(text: &str) -> Vec<(&str, PartExtent)> {
        MimeParts::of(text.as_bytes()).list.into_iter().map(|part| (&text[part.body], part.extent)).collect()
    }

    #[test]
    fn the_line_break_before_a_boundary_is_not_the_parts() {
        let text =
            "Content-Type: multipart/mixed; boundary=b\n\nnobody\n--b\n\none\n\n--b  \nX: y\n\ntwo\r\n--b--\nend";
        assert_eq!(bodies(text), [("one\n", PartExtent::Whole), ("two\r", PartExtent::Whole)]);
        let text = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\n\r\n--b--";
        assert_eq!(bodies(text), [("one", PartExtent::Whole), ("", PartExtent::Whole)]);
    }

    #[test]
    fn an_inner_boundary_may_begin_like_the_outer_one() {
        let text = "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=bb\n\n\
                    --bb\n\none\n--bb--\n--b\n\ntwo\n--b--\n";
        assert_eq!(bodies(text), [("one", PartExtent::Whole), ("two", PartExtent::Whole)]);
    }

    #[test]
    fn a_multipart_that_is_not_closed_has_no_whole_part() {
        let text = "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo\n";
        assert_eq!(bodies(text), [("one", PartExtent::Cut), ("two\n", PartExtent::Cut)]);
    }

    #[test]
    fn a_boundary_may_be_guessed_from_what_it_encloses() {
        let text = "Content-Type: multipart/mixed; boundary=lost\n\n--boundary\n\none\n--boundary--\n";
        assert_eq!(bodies(text), [("one", PartExtent::Whole)]);
        assert_eq!(bodies(text.strip_suffix("--\n").unwrap()), [("--boundary\n\none\n--boundary", PartExtent::Cut)]);
    }

    #[test]
    fn a_lone_cr_ends_lines_only_where_the_first_one_does() {
        assert_eq!(&*plain_line_ends(b"a\rb\r\nc\rd"), b"a\nb\r\nc\nd");
        assert_eq!(&*plain_line_ends(b"a\nb\rc"), b"a\nb\rc");
        assert_eq!(&*plain_line_ends(b"a\r\r\nb\rc"), b"a\r\r\nb\rc");
        assert_eq!(&*plain_line_ends(b"a\r"), b"a\n");
    }

    #[test]
    fn bombs_are_bounded() {
        let mut deep = String::new();
        for n in 0..5000 {
            deep.push_str(&format!("Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n"));
        }
        assert_eq!(bodies(&deep).len(), 1);
        let wide = format!("Content-Type: multipart/mixed; boundary=b\n\n{}", "--b\n\nx\n".repeat(5000));
        assert_eq!(bodies(&wide).len(), MOST);
    }
}
