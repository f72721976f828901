//! SHA-256 fingerprint of a message. Recognizes a message that arrives twice; a sender cannot forge an equal one. The
//! only module that uses `sha2`.

use sha2::{Digest, Sha256};

/// Incremental SHA-256 hasher for a message that is read in chunks.
#[derive(Clone, Debug, Default)]
pub struct Fingerprint(Sha256);

impl Fingerprint {
    /// Adds the next chunk of bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Returns the fingerprint as 64 lower-case hexadecimal digits.
    pub fn finish(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::values::digest::Fingerprint;

    #[test]
    fn pieces_make_no_difference() {
        let of = |pieces: &[&str]| {
            let mut print = Fingerprint::default();
            pieces.iter().for_each(|piece| print.add(piece.as_bytes()));
            print.finish()
        };
        assert_eq!(of(&["abc"]), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(of(&["a", "", "bc"]), of(&["abc"]));
    }
}
