//! The first line of a queue file: the envelope as one JSON object, with fields of fixed width at its beginning.
//!
//! ```text
//! {"size":<20>,"sum":"<8>","line":"<8>",<the other members>}
//! ```
//!
//! The size and the checksum of the message are written over when the message is complete, since it may be streamed.
//! `line` is the checksum of the line itself, without its own eight digits. In files of the first versions both checksums
//! are missing, and `"id"` follows the size.

use crate::mail::envelope::Envelope;
use crate::values::checksum::Checksum;

/// Width of the size, padded with blanks.
const SIZE_WIDTH: usize = 20;

const BEFORE_SIZE: &[u8] = b"{\"size\":";
const BEFORE_SUM: &[u8] = b",\"sum\":\"";
const BEFORE_LINE: &[u8] = b"\",\"line\":\"";

/// What follows the size in a line without checksums.
const UNCHECKED: &[u8] = b",\"id\":";

const SIZE_END: usize = BEFORE_SIZE.len() + SIZE_WIDTH;
const SUM_AT: usize = SIZE_END + BEFORE_SUM.len();
const SUM_END: usize = SUM_AT + Checksum::CHARS;
const LINE_AT: usize = SUM_END + BEFORE_LINE.len();
const LINE_END: usize = LINE_AT + Checksum::CHARS;

/// Number of bytes that [`EnvelopeLine::head`] returns, from the start of the file.
pub const HEAD_BYTES: usize = LINE_END;

/// Envelope line of a message that is being written.
#[derive(Clone, Debug)]
pub struct EnvelopeLine {
    /// Line after its head, with the newline.
    rest: Vec<u8>,
}

impl EnvelopeLine {
    /// Formats an envelope. Returns the line as it is before the message is complete, with its newline.
    pub fn begin(envelope: &Envelope) -> serde_json::Result<(EnvelopeLine, Vec<u8>)> {
        let members = serde_json::to_vec(envelope)?;
        debug_assert!(members.starts_with(b"{\"id\":"), "the id is the first of the other members");
        let mut rest = b"\",".to_vec();
        rest.extend_from_slice(&members[1..]);
        rest.push(b'\n');
        debug_assert_eq!(rest.iter().position(|byte| *byte == b'\n'), Some(rest.len() - 1), "an envelope is one line");
        let line = EnvelopeLine { rest };
        let mut bytes = line.head(envelope.size, Checksum::default()).to_vec();
        bytes.extend_from_slice(&line.rest);
        debug_assert!(Envelope::from_line(&bytes).is_ok(), "an envelope is read back");
        Ok((line, bytes))
    }

    /// Returns the first bytes of the line of a complete message, of this size in bytes and with this checksum.
    pub fn head(&self, size: u64, sum: Checksum) -> [u8; HEAD_BYTES] {
        let size = format!("{size:<SIZE_WIDTH$}");
        let parts = [BEFORE_SIZE, size.as_bytes(), BEFORE_SUM, sum.to_string().as_bytes(), BEFORE_LINE].concat();
        debug_assert_eq!(parts.len(), LINE_AT, "the size fits the field, which is filled in last");
        let line = sum_of(&parts, &self.rest);
        let mut head = [0; HEAD_BYTES];
        head[..LINE_AT].copy_from_slice(&parts);
        head[LINE_AT..].copy_from_slice(line.to_string().as_bytes());
        head
    }
}

/// Returns the checksum of a line, from what stands before and after its own digits. Checksums of the parts could be
/// combined, but that takes longer than to go over a line again.
fn sum_of(before: &[u8], after: &[u8]) -> Checksum {
    let mut sum = Checksum::of(before);
    sum.add(after);
    sum
}

/// Checks of an envelope line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineCheck {
    /// The line has its checksum; this is the text of the checksum of the message.
    Good(Vec<u8>),
    /// The line is one of the first versions, and has no checksum.
    Unchecked,
    /// The line is damaged.
    Damaged,
}

/// Checks a line, with its newline.
pub fn check(line: &[u8]) -> LineCheck {
    let has = |at: usize, text: &[u8]| line.get(at..).is_some_and(|rest| rest.starts_with(text));
    if has(0, BEFORE_SIZE) && has(SIZE_END, UNCHECKED) {
        return LineCheck::Unchecked;
    }
    let (Some(before), Some(own), Some(rest)) =
        (line.get(..LINE_AT), line.get(LINE_AT..LINE_END), line.get(LINE_END..))
    else {
        return LineCheck::Damaged;
    };
    if !sum_of(before, rest).is(own) {
        return LineCheck::Damaged;
    }
    LineCheck::Good(line[SUM_AT..SUM_END].to_vec())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::mail::address::{Address, Sender};
    use crate::mail::envelope::Envelope;
    use crate::mail::envelope::id::QueueId;
    use crate::mail::envelope::line::{EnvelopeLine, HEAD_BYTES, LineCheck, check};
    use crate::values::checksum::Checksum;
    use crate::values::time::Timestamp;

    fn line(size: u64, sum: Checksum) -> Vec<u8> {
        let id = QueueId::parse("1795308431.M123456P42Q0R00c0ffee.host").unwrap();
        let recipient = Address::parse("bob@example.com").unwrap().into();
        let sender = Sender::parse("joe@example.org").unwrap();
        let envelope = Envelope::new(id, Timestamp::from_seconds(1_795_308_431), sender, vec![recipient]);
        let (line, mut bytes) = EnvelopeLine::begin(&envelope).unwrap();
        bytes[..HEAD_BYTES].copy_from_slice(&line.head(size, sum));
        bytes
    }

    #[test]
    fn size_and_checksum_are_filled_in_last() {
        let bytes = line(u64::MAX, Checksum::of(b"Hello.\n"));
        assert_eq!(check(&bytes), LineCheck::Good(Checksum::of(b"Hello.\n").to_string().into_bytes()));
        assert_eq!(Envelope::from_line(&bytes).unwrap().size, u64::MAX);
    }

    #[test]
    fn a_line_of_the_first_versions_has_no_checksum() {
        let text = String::from_utf8(line(7, Checksum::default())).unwrap();
        let old = format!("{}{}", &text[..28], &text[HEAD_BYTES + 1..]);
        assert!(old.contains(",\"id\":") && !old.contains("sum"), "{old}");
        assert_eq!(check(old.as_bytes()), LineCheck::Unchecked);
        assert_eq!(Envelope::from_line(old.as_bytes()).unwrap().size, 7);
    }

    proptest! {
        #[test]
        fn no_flipped_bit_passes(size: u64, at in 0usize..10_000, bit in 0u8..8) {
            let mut bytes = line(size, Checksum::of(b"x"));
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            prop_assert_eq!(check(&bytes), LineCheck::Damaged);
        }

        #[test]
        fn any_bytes_can_be_checked(bytes: Vec<u8>) {
            let _ = check(&bytes);
        }
    }
}
