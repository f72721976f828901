//! Input that ends at a line with a single dot, as sendmail(1) reads it without `-i`.

use anyhow::Result;

use crate::submission::input::MessageInput;

/// Input that ends at a line with a single dot.
pub struct UntilDot<'i> {
    inner: &'i mut dyn MessageInput,
    position: DotPosition,
    /// Bytes that can still turn out to be the last line.
    held: Vec<u8>,
    /// Bytes of the message that did not fit into the caller's buffer.
    ready: Vec<u8>,
}

/// Position in the input, relative to a line with a single dot.
#[derive(Clone, Copy, PartialEq, Eq)]
enum DotPosition {
    LineStart,
    Dot,
    DotCr,
    InLine,
    Ended,
}

impl<'i> UntilDot<'i> {
    /// Creates the input. Does not read.
    pub fn new(inner: &'i mut dyn MessageInput) -> UntilDot<'i> {
        UntilDot { inner, position: DotPosition::LineStart, held: Vec::new(), ready: Vec::new() }
    }
}

impl MessageInput for UntilDot<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            if !self.ready.is_empty() || buffer.is_empty() {
                let count = self.ready.len().min(buffer.len());
                buffer[..count].copy_from_slice(&self.ready[..count]);
                self.ready.drain(..count);
                return Ok(count);
            }
            if self.position == DotPosition::Ended {
                return Ok(0);
            }
            let mut piece = vec![0; buffer.len()];
            let count = self.inner.read(&mut piece)?;
            if count == 0 {
                // A dot as the last bytes of the input ends the message too, with or without a line end.
                self.position = DotPosition::Ended;
            }
            for byte in &piece[..count] {
                self.position = match (self.position, byte) {
                    (DotPosition::LineStart, b'.') => DotPosition::Dot,
                    (DotPosition::Dot | DotPosition::DotCr, b'\n') => DotPosition::Ended,
                    (DotPosition::Dot, b'\r') => DotPosition::DotCr,
                    (_, b'\n') => DotPosition::LineStart,
                    _ => DotPosition::InLine,
                };
                self.held.push(*byte);
                match self.position {
                    DotPosition::Ended => break,
                    DotPosition::Dot | DotPosition::DotCr => {}
                    _ => self.ready.append(&mut self.held),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    struct Pieces(Vec<Vec<u8>>);

    impl MessageInput for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
            if self.0.is_empty() {
                return Ok(0);
            }
            let piece = self.0.remove(0);
            buffer[..piece.len()].copy_from_slice(&piece);
            Ok(piece.len())
        }
    }

    fn until_dot(text: &[u8], size: usize) -> Vec<u8> {
        let mut pieces = Pieces(text.chunks(size.max(1)).map(<[u8]>::to_vec).collect());
        let mut input = UntilDot::new(&mut pieces);
        let (mut all, mut buffer) = (Vec::new(), [0; 100]);
        loop {
            match input.read(&mut buffer).unwrap() {
                0 => return all,
                count => all.extend_from_slice(&buffer[..count]),
            }
        }
    }

    #[test]
    fn a_lone_dot_ends_the_message() {
        for size in 1..8 {
            assert_eq!(until_dot(b"a\n.\nb\n", size), b"a\n");
            assert_eq!(until_dot(b"a\r\n.\r\nb\n", size), b"a\r\n");
            assert_eq!(until_dot(b".\nb", size), b"");
            assert_eq!(until_dot(b"a\n.", size), b"a\n");
            assert_eq!(until_dot(b"a\n..\n.b\n. \n.\rx\n", size), b"a\n..\n.b\n. \n.\rx\n");
        }
    }

    proptest! {
        #[test]
        fn without_a_lone_dot_every_byte_comes_through(text in "([a.\r\n]|x\n){0,40}", size in 1usize..9) {
            prop_assume!(!format!("\n{text}\n").replace("\r\n", "\n").contains("\n.\n"));
            prop_assert_eq!(until_dot(text.as_bytes(), size), text.as_bytes());
        }
    }
}
