//! A message's fingerprint: equal bytes have equal ones, and nobody can make others that have (SHA-256). The only home of
//! `sha2`.

use sha2::{Digest, Sha256};

/// Takes a message in, piece by piece.
#[derive(Clone, Debug, Default)]
pub struct Fingerprint(Sha256);

impl Fingerprint {
    /// Takes the next piece.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The fingerprint, in hexadecimal digits.
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
