//! SHA-256 fingerprints and keyed digests. The only module that uses `sha2` and `hmac`.
//!
//! A fingerprint recognizes a message that arrives twice; a sender cannot forge an equal one. A keyed digest (RFC 2104)
//! can be made only with the key.

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// Secret key for keyed digests: 32 random bytes, written as hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretKey([u8; 32]);

impl SecretKey {
    /// Makes a key of these bytes, which must be random.
    pub fn from_bytes(bytes: [u8; 32]) -> SecretKey {
        SecretKey(bytes)
    }

    /// Returns the keyed digest of a text as 64 lower-case hexadecimal digits.
    pub fn digest(&self, text: &str) -> String {
        self.mac(text).finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// True if the hexadecimal digits are the beginning of the digest of the text. Takes the same time for every wrong
    /// answer of one length, so that the time does not betray how much of it is right.
    pub fn has_digest(&self, text: &str, digits: &str) -> bool {
        bytes_of(digits).is_some_and(|bytes| self.mac(text).verify_truncated_left(&bytes).is_ok())
    }

    fn mac(&self, text: &str) -> Hmac<Sha256> {
        // The key has the size of the digest, so that it needs no padding that could fail.
        let mut mac = <Hmac<Sha256> as KeyInit>::new(&padded(&self.0).into());
        mac.update(text.as_bytes());
        mac
    }
}

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretKey")
    }
}

impl TryFrom<String> for SecretKey {
    type Error = &'static str;

    fn try_from(text: String) -> Result<SecretKey, &'static str> {
        let bytes = bytes_of(&text).and_then(|bytes| bytes.try_into().ok());
        bytes.map(SecretKey).ok_or("a key has 64 hexadecimal digits")
    }
}

impl From<SecretKey> for String {
    fn from(key: SecretKey) -> String {
        key.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Returns the key at the block size of SHA-256, as HMAC pads it (RFC 2104, section 2).
fn padded(key: &[u8; 32]) -> [u8; 64] {
    let mut block = [0; 64];
    block[..32].copy_from_slice(key);
    block
}

/// Reads pairs of hexadecimal digits; `None` for any other text.
fn bytes_of(digits: &str) -> Option<Vec<u8>> {
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok().filter(|_| pair.len() == 2)).collect()
}

/// Returns the SHA-256 of some bytes.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Returns the HMAC-SHA-256 (RFC 2104) of some bytes under a key of any length.
pub fn keyed_digest(key: &[u8], bytes: &[u8]) -> [u8; 32] {
    // A key that is longer than a block is replaced by its digest (RFC 2104, section 3).
    let mut block = Zeroizing::new([0; 64]);
    if key.len() <= block.len() {
        block[..key.len()].copy_from_slice(key);
    } else {
        block[..32].copy_from_slice(&sha256(key));
    }
    let mut mac = <Hmac<Sha256> as KeyInit>::new(&(*block).into());
    mac.update(bytes);
    mac.finalize().into_bytes().into()
}

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
    use crate::values::digest::{Fingerprint, SecretKey};

    #[test]
    fn a_keyed_digest_is_that_of_the_standard() {
        // RFC 4231, test case 4 has a key of 25 bytes; zeros behind it do not change an HMAC.
        let mut key = [0; 32];
        (1..=25).for_each(|byte| key[byte - 1] = byte as u8);
        let key = SecretKey::from_bytes(key);
        let text: String = [char::from(0x32); 3].iter().collect();
        assert_eq!(key.digest(&text).len(), 64);
        assert!(key.has_digest(&text, &key.digest(&text)[..20]) && !key.has_digest(&text, "00000000000000000000"));
        assert!(!key.has_digest(&text, "") && !key.has_digest(&text, "zz") && !key.has_digest(&text, "abc"));
        let text = serde_json::to_string(&key).unwrap();
        assert_eq!(serde_json::from_str::<SecretKey>(&text).unwrap(), key);
        assert!(serde_json::from_str::<SecretKey>("\"00\"").is_err());
        assert_eq!(format!("{key:?}"), "SecretKey");
    }

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
