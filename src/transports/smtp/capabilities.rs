//! Service extensions that a server offers in its reply to EHLO or LHLO.

use crate::transports::smtp::login::Mechanism;
use crate::transports::smtp::reply::Reply;

/// Extensions that the server offers and mspool uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// PIPELINING (RFC 2920).
    pub pipelining: bool,
    /// 8BITMIME (RFC 6152).
    pub eight_bit: bool,
    /// SMTPUTF8 (RFC 6531).
    pub utf8: bool,
    /// DSN (RFC 3461).
    pub dsn: bool,
    /// STARTTLS (RFC 3207).
    pub starttls: bool,
    /// SIZE (RFC 1870) with the limit in bytes; a limit of 0 means none.
    pub size: Option<u64>,
    /// Mechanisms of AUTH (RFC 4954) that mspool knows.
    pub mechanisms: Vec<Mechanism>,
}

impl Capabilities {
    /// Reads the reply to EHLO. Its first line is the greeting of the server; unknown extensions are ignored.
    pub fn read(reply: &Reply) -> Capabilities {
        let mut found = Capabilities::default();
        for line in reply.lines.iter().skip(1) {
            let mut words = line.split_ascii_whitespace();
            let keyword = words.next().unwrap_or_default().to_ascii_uppercase();
            match keyword.as_str() {
                "PIPELINING" => found.pipelining = true,
                "8BITMIME" => found.eight_bit = true,
                "SMTPUTF8" => found.utf8 = true,
                "DSN" => found.dsn = true,
                "STARTTLS" => found.starttls = true,
                "SIZE" => found.size = Some(words.next().and_then(|limit| limit.parse().ok()).unwrap_or(0)),
                "AUTH" => found.add_mechanisms(words),
                // Servers for old clients repeat the mechanisms in this form.
                other => {
                    if let Some(first) = other.strip_prefix("AUTH=") {
                        found.add_mechanisms([first].into_iter().chain(words));
                    }
                }
            }
        }
        found
    }

    fn add_mechanisms<'w>(&mut self, words: impl Iterator<Item = &'w str>) {
        for mechanism in words.filter_map(|word| Mechanism::parse(&word.to_ascii_lowercase())) {
            if !self.mechanisms.contains(&mechanism) {
                self.mechanisms.push(mechanism);
            }
        }
    }

    /// True if a message of this size in bytes is within the limit that the server declared.
    pub fn takes_size(&self, bytes: u64) -> bool {
        self.size.is_none_or(|limit| limit == 0 || bytes <= limit)
    }

    /// Returns the words for the extensions, as `report check --probe` shows them.
    pub fn words(&self) -> Vec<String> {
        let plain = [
            (self.pipelining, "PIPELINING"),
            (self.eight_bit, "8BITMIME"),
            (self.utf8, "SMTPUTF8"),
            (self.dsn, "DSN"),
            (self.starttls, "STARTTLS"),
        ];
        let mut words: Vec<String> =
            plain.iter().filter(|(offered, _)| *offered).map(|(_, word)| (*word).to_owned()).collect();
        if let Some(limit) = self.size {
            words.push(if limit == 0 { "SIZE".to_owned() } else { format!("SIZE {limit}") });
        }
        if !self.mechanisms.is_empty() {
            let names: Vec<&str> = self.mechanisms.iter().map(|mechanism| mechanism.sasl_name()).collect();
            words.push(format!("AUTH {}", names.join(" ")));
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Capabilities {
        let lines = ["mail.example.org"].iter().chain(lines).map(|line| (*line).to_owned()).collect();
        Capabilities::read(&Reply { code: 250, lines })
    }

    #[test]
    fn extensions_of_a_server() {
        let found =
            read(&["PIPELINING", "size 1000", "AUTH PLAIN LOGIN X-NEW", "AUTH=LOGIN SCRAM-SHA-256", "8bitmime", "X"]);
        assert_eq!(found.words(), ["PIPELINING", "8BITMIME", "SIZE 1000", "AUTH PLAIN LOGIN SCRAM-SHA-256"]);
        assert!(found.takes_size(1000) && !found.takes_size(1001));
        assert!(read(&["SIZE", "SIZE 0"]).takes_size(u64::MAX) && read(&[]).takes_size(u64::MAX));
    }

    #[test]
    fn the_greeting_is_no_extension() {
        let reply = Reply { code: 250, lines: vec!["PIPELINING".to_owned()] };
        assert_eq!(Capabilities::read(&reply), Capabilities::default());
    }
}
