//! Header of a message: its end and its fields (RFC 5322 sections 2.2 and 3.6).

/// Maximum size of a header that is parsed, in bytes. A message with a longer header is delivered unparsed.
pub const MAX_HEADER_BYTES: usize = 1 << 20;

/// Header field with its continuation lines and line end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderField<'a> {
    raw: &'a [u8],
    colon: usize,
}

impl<'a> HeaderField<'a> {
    /// Returns the bytes of the field, including the line end.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// Returns true if the field has this name. Names are case-insensitive.
    pub fn is(&self, name: &str) -> bool {
        self.raw[..self.colon].trim_ascii_end().eq_ignore_ascii_case(name.as_bytes())
    }

    /// Returns the unfolded value after the colon. Bytes that are not UTF-8 become U+FFFD.
    pub fn value(&self) -> String {
        let text = String::from_utf8_lossy(&self.raw[self.colon + 1..]);
        let unfolded: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
        unfolded.trim().to_owned()
    }
}

/// Header at the beginning of a message.
#[derive(Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// `From ` lines of an mbox before the first field.
    pub marker: &'a [u8],
    /// Fields in their order.
    pub fields: Vec<HeaderField<'a>>,
    /// Length of marker and fields in bytes. The empty line or the body follows.
    pub len: usize,
    /// True if an empty line or the end of the message follows; false if a body follows without an empty line.
    pub closed: bool,
}

/// Completeness of the available bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputSupply {
    /// More bytes can follow.
    More,
    /// The message ends here.
    End,
}

impl<'a> Header<'a> {
    /// Parses a header. Returns `None` if the bytes do not contain its end and more can follow.
    pub fn scan(bytes: &'a [u8], supply: InputSupply) -> Option<Header<'a>> {
        let mut header = Header { marker: &[], fields: Vec::new(), len: 0, closed: true };
        loop {
            let rest = &bytes[header.len..];
            let line = match rest.iter().position(|byte| *byte == b'\n') {
                Some(end) => &rest[..=end],
                None if supply == InputSupply::End => rest,
                None => return None,
            };
            if line.trim_ascii().is_empty() && !line.starts_with(b" ") && !line.starts_with(b"\t") {
                return Some(header);
            }
            let start = header.len;
            if line[0] == b' ' || line[0] == b'\t' {
                let Some(field) = header.fields.last_mut() else { break };
                let begin = start - field.raw.len();
                field.raw = &bytes[begin..start + line.len()];
            } else if header.fields.is_empty() && (line.starts_with(b"From ") || line.starts_with(b">From ")) {
                header.marker = &bytes[..start + line.len()];
            } else if let Some(colon) = colon_position(line) {
                header.fields.push(HeaderField { raw: line, colon });
            } else {
                break;
            }
            header.len = start + line.len();
        }
        header.closed = false;
        Some(header)
    }

    /// Returns the fields of this name, in order.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &HeaderField<'a>> {
        self.fields.iter().filter(move |field| field.is(name))
    }

    /// Returns true if the header has a field of this name.
    pub fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|field| field.is(name))
    }

    /// Returns the fields without those of this name; `None` if the header has none of this name.
    pub fn fields_without(&self, name: &str) -> Option<Vec<u8>> {
        let kept = || self.fields.iter().filter(|field| !field.is(name)).flat_map(|field| field.raw.iter().copied());
        self.has(name).then(|| kept().collect())
    }

    /// Returns true for automatic or list mail (RFC 3834 section 2), which gets no automatic response.
    pub fn is_automatic(&self) -> bool {
        let auto = self.all("Auto-Submitted").any(|field| !field.value().to_ascii_lowercase().starts_with("no"));
        let bulk =
            |field: &HeaderField<'_>| ["bulk", "list", "junk"].contains(&field.value().to_ascii_lowercase().as_str());
        auto || self.all("Precedence").any(bulk) || self.has("List-Id")
    }

    /// Returns the line end that this header uses.
    pub fn line_end(&self) -> &'static str {
        let first = self.fields.first().map_or(&b""[..], |field| field.raw);
        if first.ends_with(b"\r\n") { "\r\n" } else { "\n" }
    }

    /// Returns the fields that list the recipients: the `Resent-` fields if there are any (RFC 5322 section 3.6.6).
    pub fn recipient_fields(&self) -> impl Iterator<Item = &HeaderField<'a>> {
        let resent = ["Resent-To", "Resent-Cc", "Resent-Bcc"];
        let plain = ["To", "Cc", "Bcc"];
        let names =
            if self.fields.iter().any(|field| resent.iter().any(|name| field.is(name))) { resent } else { plain };
        self.fields.iter().filter(move |field| names.iter().any(|name| field.is(name)))
    }
}

/// Returns the offset of the colon if the line begins a field: a name of printable ASCII (RFC 5322 section 2.2), then
/// blanks, which are obsolete syntax (section 4.5), then the colon.
fn colon_position(line: &[u8]) -> Option<usize> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = line[..colon].trim_ascii_end();
    (!name.is_empty() && name.iter().all(u8::is_ascii_graphic)).then_some(colon)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(header: &Header<'_>) -> Vec<String> {
        let name = |field: &HeaderField<'_>| String::from_utf8_lossy(&field.raw[..field.colon]).into_owned();
        header.fields.iter().map(name).collect()
    }

    #[test]
    fn finds_fields_and_their_continuations() {
        let bytes = b"From joe Mon\nTo: a@x,\n b@x\nSubject : hi\n\nbody: no\n";
        let header = Header::scan(bytes, InputSupply::More).unwrap();
        assert_eq!(header.marker, b"From joe Mon\n");
        assert_eq!(names(&header), ["To", "Subject "]);
        assert_eq!(header.fields[0].value(), "a@x, b@x");
        assert!(header.fields[1].is("subject"));
        assert_eq!(&bytes[header.len..], b"\nbody: no\n");
        assert!(header.closed);
    }

    #[test]
    fn fields_of_a_name_are_left_out() {
        let header =
            Header::scan(b"From joe Mon\nX: 1\n 2\nreturn-path: <a@x>,\n more\nY: 3\n\nbody\n", InputSupply::End)
                .unwrap();
        assert_eq!(header.fields_without("Return-Path").unwrap(), b"X: 1\n 2\nY: 3\n");
        assert_eq!(header.fields_without("Z"), None);
    }

    #[test]
    fn waits_for_the_end_of_the_header() {
        assert_eq!(Header::scan(b"To: a@x\nCc", InputSupply::More), None);
        assert_eq!(names(&Header::scan(b"To: a@x\nCc: b", InputSupply::End).unwrap()), ["To", "Cc"]);
        assert_eq!(Header::scan(b"", InputSupply::End).unwrap().len, 0);
    }

    #[test]
    fn a_body_without_an_empty_line_ends_the_header() {
        let header = Header::scan(b"To: a@x\nhello there\n", InputSupply::End).unwrap();
        assert!(!header.closed);
        assert_eq!(header.len, 8);
    }

    #[test]
    fn resent_fields_replace_the_first_recipients() {
        let bytes = b"To: a@x\nResent-To: b@x\nResent-Bcc: c@x\n\n";
        let header = Header::scan(bytes, InputSupply::End).unwrap();
        let values: Vec<String> = header.recipient_fields().map(HeaderField::value).collect();
        assert_eq!(values, ["b@x", "c@x"]);
    }
}
