//! Text of a message on the wire (RFC 5321 sections 2.3.8 and 4.5.2): every line ends in CR LF, and a leading dot is
//! doubled.
//!
//! A bare CR or LF never leaves: if two servers disagree about the end of a line, one message can carry a second one
//! inside it (SMTP smuggling).

/// Encoder of a text that is given in pieces of any size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TextEncoder {
    position: LinePosition,
}

/// Position after the last byte.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum LinePosition {
    /// At the beginning of a line.
    #[default]
    Begin,
    /// Inside a line.
    Inside,
    /// After a CR, whose line end is written already: a LF that follows belongs to it.
    AfterCr,
}

impl TextEncoder {
    /// Appends the encoded piece to `out`.
    pub fn encode(&mut self, mut piece: &[u8], out: &mut Vec<u8>) {
        out.reserve(piece.len() + piece.len() / 32 + 8);
        while let Some(first) = piece.first() {
            if self.position == LinePosition::AfterCr {
                self.position = LinePosition::Begin;
                if *first == b'\n' {
                    piece = &piece[1..];
                    continue;
                }
            }
            if self.position == LinePosition::Begin && *first == b'.' {
                out.push(b'.');
            }
            let end = piece.iter().position(|byte| matches!(byte, b'\r' | b'\n'));
            let line = &piece[..end.unwrap_or(piece.len())];
            out.extend_from_slice(line);
            let Some(end) = end else {
                self.position = LinePosition::Inside;
                return;
            };
            out.extend_from_slice(b"\r\n");
            self.position = if piece[end] == b'\r' { LinePosition::AfterCr } else { LinePosition::Begin };
            piece = &piece[end + 1..];
        }
    }

    /// Appends what ends the text: a line end where the last line has none, and the dot.
    pub fn finish(self, out: &mut Vec<u8>) {
        if self.position == LinePosition::Inside {
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b".\r\n");
    }
}

/// Properties of a text that the envelope commands declare, collected from pieces of any size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TextScan {
    size: u64,
    ascii: AsciiScan,
    after_cr: bool,
    ends_line: bool,
}

/// Presence of bytes beyond ASCII.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum AsciiScan {
    #[default]
    OnlyAscii,
    EightBit,
}

impl TextScan {
    /// Adds the next piece.
    pub fn add(&mut self, piece: &[u8]) {
        let Some(last) = piece.last() else { return };
        if !piece.is_ascii() {
            self.ascii = AsciiScan::EightBit;
        }
        self.size += piece.len() as u64;
        let mut previous = if self.after_cr { b'\r' } else { 0 };
        for byte in piece {
            match (previous, *byte) {
                (b'\r', b'\n') => {}
                // Each lone CR or LF becomes two bytes.
                (b'\r', _) | (_, b'\n') => self.size += 1,
                _ => {}
            }
            if previous == b'\r' && *byte == b'\n' {
                previous = 0;
            } else {
                // A LF without a CR before it was counted; a CR followed by another CR is, above.
                previous = *byte;
            }
        }
        self.after_cr = previous == b'\r';
        self.ends_line = matches!(last, b'\r' | b'\n');
    }

    /// Returns the size of the message on the wire in bytes, without doubled dots (RFC 1870 section 5).
    pub fn size(&self) -> u64 {
        let unfinished = self.size > 0 && !self.ends_line;
        self.size + if unfinished { 2 } else { u64::from(self.after_cr) }
    }

    /// True if the message has bytes beyond ASCII.
    pub fn is_eight_bit(&self) -> bool {
        self.ascii == AsciiScan::EightBit
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(pieces: &[&[u8]]) -> Vec<u8> {
        let (mut encoder, mut out) = (TextEncoder::default(), Vec::new());
        pieces.iter().for_each(|piece| encoder.encode(piece, &mut out));
        encoder.finish(&mut out);
        out
    }

    fn scanned(pieces: &[&[u8]]) -> TextScan {
        let mut scan = TextScan::default();
        pieces.iter().for_each(|piece| scan.add(piece));
        scan
    }

    #[test]
    fn dots_and_line_ends() {
        for (text, wire) in [
            ("", ".\r\n"),
            ("a", "a\r\n.\r\n"),
            (".", "..\r\n.\r\n"),
            ("a\n.\nb\n", "a\r\n..\r\nb\r\n.\r\n"),
            ("a\r\n.\r\nb\r\n", "a\r\n..\r\nb\r\n.\r\n"),
            ("a\n.\r\nb", "a\r\n..\r\nb\r\n.\r\n"),
            ("a\r.\rb", "a\r\n..\r\nb\r\n.\r\n"),
            ("\r\r\n\n", "\r\n\r\n\r\n.\r\n"),
            ("..x\n", "...x\r\n.\r\n"),
        ] {
            assert_eq!(String::from_utf8(encoded(&[text.as_bytes()])).unwrap(), wire, "{text:?}");
        }
    }

    /// Removes what the encoder added, as a server does.
    fn received(wire: &[u8]) -> Vec<u8> {
        let text = wire.strip_suffix(b".\r\n").unwrap();
        let lines = text.split_inclusive(|byte| *byte == b'\n');
        lines.flat_map(|line| line.strip_prefix(b".").unwrap_or(line)).copied().collect()
    }

    proptest! {
        #[test]
        fn a_server_finds_one_text_and_no_bare_line_ends(text in "[a.\r\n\u{e9}]{0,40}", cut in 0usize..40) {
            let bytes = text.as_bytes();
            let cut = cut.min(bytes.len());
            let wire = encoded(&[&bytes[..cut], &bytes[cut..]]);
            prop_assert_eq!(&wire, &encoded(&[bytes]));
            for (at, byte) in wire.iter().enumerate() {
                prop_assert_eq!(*byte == b'\n', at > 0 && wire[at - 1] == b'\r');
                prop_assert!(*byte != b'\r' || wire.get(at + 1) == Some(&b'\n'));
            }
            // The only dot that stands alone in a line is the last one.
            let ends = wire.windows(5).filter(|bytes| bytes == b"\r\n.\r\n").count();
            prop_assert!(ends <= 1 && !wire[..wire.len() - 3].starts_with(b".\r\n"));
            let normal = text.replace("\r\n", "\n").replace('\r', "\n");
            let mut lines = normal.replace('\n', "\r\n");
            if !lines.is_empty() && !lines.ends_with('\n') {
                lines.push_str("\r\n");
            }
            prop_assert_eq!(&received(&wire), lines.as_bytes());
            let scan = scanned(&[&bytes[..cut], &bytes[cut..]]);
            prop_assert_eq!(scan.size(), lines.len() as u64);
            prop_assert_eq!(scan.is_eight_bit(), !text.is_ascii());
        }
    }
}
