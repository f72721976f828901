//! CRC-32C checksums, against damage by disks and memory, not against people. The only module that uses `crc32c`.

use std::fmt;

/// Checksum of the bytes so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checksum {
    crc: u32,
}

impl Checksum {
    /// Number of characters of a checksum as text.
    pub const CHARS: usize = 8;

    /// Returns the checksum of these bytes.
    pub fn of(bytes: &[u8]) -> Checksum {
        let mut sum = Checksum::default();
        sum.add(bytes);
        sum
    }

    /// Adds the next bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        self.crc = crc32c::crc32c_append(self.crc, bytes);
    }

    /// True if the text is this checksum.
    pub fn is(&self, text: &[u8]) -> bool {
        self.to_string().as_bytes() == text
    }
}

/// Eight lower-case hexadecimal digits.
impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.crc)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::values::checksum::Checksum;

    #[test]
    fn it_is_the_standard_one() {
        // RFC 3720, appendix B.4.
        assert_eq!(Checksum::of(&[0; 32]).to_string(), "8a9136aa");
        assert_eq!(Checksum::of(b"123456789").to_string(), "e3069283");
        assert!(Checksum::of(b"").is(b"00000000") && !Checksum::of(b"a").is(b"00000000"));
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(first: Vec<u8>, second: Vec<u8>) {
            let whole = Checksum::of(&[first.clone(), second.clone()].concat());
            let mut pieces = Checksum::of(&first);
            pieces.add(&second);
            prop_assert_eq!(pieces, whole);
        }
    }
}
