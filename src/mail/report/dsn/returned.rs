//! What a returned message needs to be carried as it is (RFC 2045 section 6).

/// The least that a channel must pass for the message to arrive unchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Body {
    /// Lines of ASCII.
    #[default]
    SevenBit,
    /// Lines of any bytes.
    EightBit,
    /// Lines longer than 998 bytes, a NUL, or a CR that ends no line.
    Binary,
}

impl Body {
    /// The field that says so; nothing where nothing need be said.
    pub(super) fn field(self) -> String {
        match self {
            Body::SevenBit => String::new(),
            Body::EightBit => "Content-Transfer-Encoding: 8bit\n".to_owned(),
            Body::Binary => "Content-Transfer-Encoding: binary\n".to_owned(),
        }
    }
}

/// Longest line that is still a line (RFC 5322 section 2.1.1).
const LONGEST: usize = 998;

/// Finds out what a message needs, piece by piece.
#[derive(Debug, Default)]
pub struct Scanner {
    body: Body,
    line: usize,
    after_cr: bool,
}

impl Scanner {
    /// Looks at the next piece.
    pub fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let bare_cr = self.after_cr && *byte != b'\n';
            self.after_cr = *byte == b'\r';
            self.line = if *byte == b'\n' { 0 } else { self.line + usize::from(*byte != b'\r') };
            let needs = match byte {
                _ if bare_cr || self.line > LONGEST => Body::Binary,
                0 => Body::Binary,
                0x80.. => Body::EightBit,
                _ => Body::SevenBit,
            };
            self.body = self.body.max(needs);
        }
    }

    /// What it needs.
    pub fn body(&self) -> Body {
        if self.after_cr { Body::Binary } else { self.body }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(bytes: &[u8]) -> Body {
        let mut scanner = Scanner::default();
        bytes.chunks(3).for_each(|piece| scanner.add(piece));
        scanner.body()
    }

    #[test]
    fn the_least_that_is_enough() {
        assert_eq!(needs(b"a\r\nb\n"), Body::SevenBit);
        assert_eq!(needs("\u{e9}\n".as_bytes()), Body::EightBit);
        assert_eq!(needs(b"a\0b"), Body::Binary);
        assert_eq!(needs(b"a\rb"), Body::Binary);
        assert_eq!(needs(b"a\r"), Body::Binary);
        assert_eq!(needs(&[b'a'; 998]), Body::SevenBit);
        assert_eq!(needs(&[b'a'; 999]), Body::Binary);
    }
}
