//! SCRAM-SHA-256 (RFC 5802, RFC 7677) without channel binding: the messages of the client.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use zeroize::Zeroizing;

use crate::values::digest::{keyed_digest, sha256};

/// Most iterations that a server may ask for: each costs about a microsecond.
const MOST_ITERATIONS: u32 = 2_000_000;

/// Fewest iterations (RFC 7677 section 4): fewer make it cheap to guess the password from what was sent.
const FEWEST_ITERATIONS: u32 = 4096;

/// Client of one exchange.
#[derive(Debug)]
pub(super) struct ScramClient {
    /// First message without its GS2 header.
    first_bare: String,
    nonce: String,
    state: ScramState,
}

#[derive(Debug)]
enum ScramState {
    /// The server sends salt and iterations next.
    Begun,
    /// The server proves next that it knows the password, by this signature.
    Proving(Vec<u8>),
    /// The server has proven it.
    Proven,
}

impl ScramClient {
    /// Begins an exchange. The nonce is printable ASCII without a comma, and used once.
    pub(super) fn new(user: &str, nonce: &str) -> ScramClient {
        let user = user.replace('=', "=3D").replace(',', "=2C");
        let state = ScramState::Begun;
        ScramClient { first_bare: format!("n={user},r={nonce}"), nonce: nonce.to_owned(), state }
    }

    /// Returns the first message of the client.
    pub(super) fn first_message(&self) -> String {
        format!("n,,{}", self.first_bare)
    }

    /// Returns true when the server has proven that it knows the password.
    pub(super) fn is_server_proven(&self) -> bool {
        matches!(self.state, ScramState::Proven)
    }

    /// Takes a message of the server and returns the next one of the client.
    ///
    /// # Errors
    /// The reason why the message cannot be accepted.
    pub(super) fn take(&mut self, message: &str, password: &str) -> Result<String, String> {
        match &self.state {
            ScramState::Begun => self.answer_challenge(message, password),
            ScramState::Proving(signature) => {
                let proof = message.strip_prefix("v=").and_then(|text| BASE64.decode(text).ok());
                if proof.as_ref() != Some(signature) {
                    return Err("the server did not prove that it knows the password".to_owned());
                }
                self.state = ScramState::Proven;
                Ok(String::new())
            }
            ScramState::Proven => Err("the server asks for more than the login needs".to_owned()),
        }
    }

    fn answer_challenge(&mut self, message: &str, password: &str) -> Result<String, String> {
        let invalid = || "the server's SCRAM challenge is not valid".to_owned();
        let mut parts = message.splitn(4, ',');
        let mut part = |prefix: &str| parts.next().and_then(|part| part.strip_prefix(prefix)).ok_or_else(invalid);
        let (nonce, salt, count) = (part("r=")?, part("s=")?, part("i=")?);
        let salt = BASE64.decode(salt).map_err(|_| invalid())?;
        let count: u32 = count.parse().map_err(|_| invalid())?;
        if !nonce.starts_with(&self.nonce) || nonce.len() <= self.nonce.len() {
            return Err(invalid());
        }
        if !(FEWEST_ITERATIONS..=MOST_ITERATIONS).contains(&count) {
            return Err(format!("the server asks for {count} SCRAM iterations; allowed are 4096 to 2000000"));
        }
        let salted = salted_password(password, &salt, count);
        let client_key = Zeroizing::new(keyed_digest(&*salted, b"Client Key"));
        let server_key = Zeroizing::new(keyed_digest(&*salted, b"Server Key"));
        let without_proof = format!("c=biws,r={nonce}");
        let signed = format!("{},{message},{without_proof}", self.first_bare);
        let client_signature = keyed_digest(&sha256(&*client_key), signed.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(client_signature).map(|(key, byte)| key ^ byte).collect();
        self.state = ScramState::Proving(keyed_digest(&*server_key, signed.as_bytes()).to_vec());
        Ok(format!("{without_proof},p={}", BASE64.encode(proof)))
    }
}

/// `Hi` of RFC 5802 section 2.2: PBKDF2 with one block.
fn salted_password(password: &str, salt: &[u8], count: u32) -> Zeroizing<[u8; 32]> {
    let mut last = keyed_digest(password.as_bytes(), &[salt, &[0, 0, 0, 1]].concat());
    let mut all = Zeroizing::new(last);
    for _ in 1..count {
        last = keyed_digest(password.as_bytes(), &last);
        all.iter_mut().zip(last).for_each(|(sum, byte)| *sum ^= byte);
    }
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn challenges_of_hostile_servers() {
        for challenge in [
            "",
            "r=abc,s=AAAA,i=4096",
            "r=abcX,s=AAAA,i=1",
            "r=abcX,s=AAAA,i=4294967295",
            "r=abcX,s=@,i=4096",
            "r=otherX,s=AAAA,i=4096",
            "e=invalid-proof",
        ] {
            assert!(ScramClient::new("user", "abc").take(challenge, "pencil").is_err(), "{challenge}");
        }
        assert!(ScramClient::new("u,s=r", "abc").first_message().starts_with("n,,n=u=2Cs=3Dr,r="));
    }

    proptest! {
        #[test]
        fn no_message_panics(message in "[ -~]{0,60}") {
            let _ = ScramClient::new("user", "abc").take(&message, "pencil");
        }
    }
}
