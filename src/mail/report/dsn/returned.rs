//! Transfer encoding that a returned message needs to stay unchanged (RFC 2045 section 6).

/// Minimum channel that carries a message unchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReturnedEncoding {
    /// Lines of ASCII characters.
    #[default]
    SevenBit,
    /// Lines of 8-bit bytes.
    EightBit,
    /// Lines longer than 998 bytes, NUL bytes, or a CR without LF.
    Binary,
}

impl ReturnedEncoding {
    /// Returns the `Content-Transfer-Encoding` field; empty for 7-bit text, which needs none.
    pub(super) fn field(self) -> String {
        match self {
            ReturnedEncoding::SevenBit => String::new(),
            ReturnedEncoding::EightBit => "Content-Transfer-Encoding: 8bit\n".to_owned(),
            ReturnedEncoding::Binary => "Content-Transfer-Encoding: binary\n".to_owned(),
        }
    }
}

/// Maximum length of a line (RFC 5322 section 2.1.1).
const LONGEST: usize = 998;

/// Scanner that finds the encoding a message needs, chunk by chunk.
#[derive(Debug, Default)]
pub struct ReturnedScanner {
    body: ReturnedEncoding,
    line: usize,
    after_cr: bool,
}

impl ReturnedScanner {
    /// Scans the next chunk of bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let bare_cr = self.after_cr && *byte != b'\n';
            self.after_cr = *byte == b'\r';
            self.line = if *byte == b'\n' { 0 } else { self.line + usize::from(*byte != b'\r') };
            let needs = match byte {
                _ if bare_cr || self.line > LONGEST => ReturnedEncoding::Binary,
                0 => ReturnedEncoding::Binary,
                0x80.. => ReturnedEncoding::EightBit,
                _ => ReturnedEncoding::SevenBit,
            };
            self.body = self.body.max(needs);
        }
    }

    /// Returns the encoding that the bytes so far need.
    pub fn body(&self) -> ReturnedEncoding {
        if self.after_cr { ReturnedEncoding::Binary } else { self.body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(bytes: &[u8]) -> ReturnedEncoding {
        let mut scanner = ReturnedScanner::default();
        bytes.chunks(3).for_each(|piece| scanner.add(piece));
        scanner.body()
    }

    #[test]
    fn the_least_that_is_enough() {
        assert_eq!(needs(b"a\r\nb\n"), ReturnedEncoding::SevenBit);
        assert_eq!(needs("\u{e9}\n".as_bytes()), ReturnedEncoding::EightBit);
        assert_eq!(needs(b"a\0b"), ReturnedEncoding::Binary);
        assert_eq!(needs(b"a\rb"), ReturnedEncoding::Binary);
        assert_eq!(needs(b"a\r"), ReturnedEncoding::Binary);
        assert_eq!(needs(&[b'a'; 998]), ReturnedEncoding::SevenBit);
        assert_eq!(needs(&[b'a'; 999]), ReturnedEncoding::Binary);
    }
}
