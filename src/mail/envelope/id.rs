//! Queue ids: the permanent name of a message, in the format of Maildir file names.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Maximum length of an id, in bytes. Leaves room in a file name for the marks after it.
const LONGEST: usize = 200;

/// Maximum length of the host name in a new id, in bytes: with a tag, the id is an envelope id of at most 100 characters
/// (RFC 3461, section 4.4).
const MAX_HOST: usize = 36;

/// Queue id: `SECONDS.MmicrosecondsPpidQcounterRrandom.host`. Ids sort by arrival time and are never reused.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct QueueId(String);

/// Error for a text that is not a queue id.
#[derive(Debug, PartialEq, Eq)]
pub struct QueueIdError;

impl fmt::Display for QueueIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a queue id")
    }
}

impl std::error::Error for QueueIdError {}

/// Generator of queue ids. A process has exactly one, so that its ids sort in the order of creation.
#[derive(Debug)]
pub struct IdGenerator {
    host: String,
    random: u32,
    made: Mutex<LastGenerated>,
}

/// State after the last generated id.
#[derive(Debug, Default)]
struct LastGenerated {
    count: u64,
    last_micros: u64,
}

impl IdGenerator {
    /// Builds a generator. `host` becomes the last part of each id, with every byte that is special in Maildir names
    /// replaced by `-`. `random` distinguishes two processes with the same process id on hosts with the same name.
    pub fn new(host: &str, random: u64) -> IdGenerator {
        let safe =
            |byte: u8| if byte.is_ascii_alphanumeric() || b".-_".contains(&byte) { char::from(byte) } else { '-' };
        let host: String = host.bytes().take(MAX_HOST).map(safe).collect();
        let host = if host.trim_matches('.').is_empty() { "localhost".to_owned() } else { host };
        IdGenerator { host, random: random as u32, made: Mutex::default() }
    }

    /// Returns a new id for a message that arrived at `now` (time since the Unix epoch). It sorts after every earlier
    /// id of this generator.
    pub fn next_id(&self, now: Duration) -> QueueId {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let earliest = if made.count == 0 { 0 } else { made.last_micros + 1 };
        let stamp = (now.as_micros() as u64).max(earliest);
        let number = made.count;
        *made = LastGenerated { count: number + 1, last_micros: stamp };
        let (seconds, micros) = (stamp / 1_000_000, stamp % 1_000_000);
        let pid = std::process::id();
        debug_assert!(made.last_micros >= earliest, "each id sorts after the one before");
        let id = format!("{seconds}.M{micros:06}P{pid}Q{number}R{:08x}.{}", self.random, self.host);
        debug_assert!(is_id(&id), "{id} is read back as an id");
        QueueId(id)
    }
}

impl QueueId {
    /// Parses an id; accepts only the format of [`IdGenerator::next_id`]. Anything else, above all a path, is refused
    /// before it can name a file.
    pub fn parse(text: &str) -> Result<QueueId, QueueIdError> {
        if is_id(text) { Ok(QueueId(text.to_owned())) } else { Err(QueueIdError) }
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the arrival time in microseconds since the Unix epoch. Comparing these numbers gives the same order as
    /// comparing the ids, and is faster.
    pub fn micros(&self) -> u64 {
        let mut parts = self.0.split(['.', 'P']);
        let seconds: u64 = parts.next().and_then(|seconds| seconds.parse().ok()).unwrap_or(0);
        let micros = parts.next().and_then(|micros| micros.strip_prefix('M')?.parse().ok()).unwrap_or(0);
        seconds.saturating_mul(1_000_000).saturating_add(micros)
    }

    /// Returns the arrival time in seconds since the Unix epoch.
    pub fn seconds(&self) -> u64 {
        self.0.split('.').next().and_then(|seconds| seconds.parse().ok()).unwrap_or(0)
    }
}

fn is_id(text: &str) -> bool {
    fn digits(text: &str) -> Option<&str> {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        (1..=20).contains(&end).then(|| &text[end..])
    }
    let tail = || {
        let rest = digits(text)?.strip_prefix(".M")?;
        let rest = digits(rest)?.strip_prefix('P')?;
        let rest = digits(rest)?.strip_prefix('Q')?;
        let rest = digits(rest)?.strip_prefix('R')?;
        let (random, host) = rest.split_at_checked(8)?;
        let hex = random.bytes().all(|byte| byte.is_ascii_hexdigit());
        let host = host.strip_prefix('.')?;
        let plain = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte));
        Some(hex && plain && !host.is_empty())
    };
    text.len() <= LONGEST && tail().unwrap_or(false)
}

impl TryFrom<String> for QueueId {
    type Error = QueueIdError;

    fn try_from(text: String) -> Result<QueueId, QueueIdError> {
        QueueId::parse(&text)
    }
}

impl From<QueueId> for String {
    fn from(id: QueueId) -> String {
        id.0
    }
}

impl fmt::Display for QueueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_of_one_process_sort_by_age_even_when_the_clock_stands_still_or_goes_back() {
        let ids = IdGenerator::new("host", 7);
        let times = [5, 5, 5, 3, 9, 4];
        let ids: Vec<QueueId> = times.iter().map(|s| ids.next_id(Duration::from_secs(1_700_000_000 + s))).collect();
        let mut sorted = ids.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(ids, sorted);
    }

    #[test]
    fn a_strange_host_name_stays_one_plain_file_name() {
        let id = IdGenerator::new("we/ird:host,x", 1).next_id(Duration::from_secs(1_700_000_000));
        assert!(id.as_str().ends_with(".we-ird-host-x"), "{id}");
        assert_eq!(QueueId::parse(id.as_str()).as_ref(), Ok(&id));
        assert_eq!(id.seconds(), 1_700_000_000);
        assert!(IdGenerator::new("", 1).next_id(Duration::ZERO).as_str().ends_with(".localhost"));
    }

    #[test]
    fn a_path_is_no_id() {
        for text in ["", "a", "../../x", "1.M1P1Q1R00000000.", "1.M1P1Q1R00000000.a/b", "1.M1P1Q1R00000000.a,T=1"] {
            assert_eq!(QueueId::parse(text), Err(QueueIdError), "{text}");
        }
        assert_eq!(QueueId::parse(&format!("1.M1P1Q1R00000000.{}", "a".repeat(10_000))), Err(QueueIdError));
    }

    proptest! {
        #[test]
        fn minted_ids_parse(host in ".{0,80}", random: u64, seconds in 0u64..9_999_999_999) {
            let id = IdGenerator::new(&host, random).next_id(Duration::from_secs(seconds));
            prop_assert_eq!(id.micros(), seconds * 1_000_000);
            prop_assert_eq!(QueueId::parse(id.as_str()).unwrap(), id);
        }
    }
}
