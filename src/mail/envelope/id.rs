//! Queue ids: the permanent name of a message.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Maximum length of an id of earlier versions, in bytes. Leaves room in a file name for the marks after it.
const LONGEST: usize = 200;

/// Digits of a queue id, in the order of their bytes, so that ids sort by time.
const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Length of a queue id, in bytes.
const LENGTH: usize = 23;

/// Queue id: three groups of 6, 11 and 4 digits of base 62, in the shape of the ids of Exim 4.97. The first 6 digits are
/// the second of the arrival, the next 4 its microsecond, and the other 11 are random. Ids sort by arrival time and are
/// never reused.
///
/// Ids of earlier versions have the format of Maildir file names, `SECONDS.MmicrosecondsPpidQcounterRrandom.host`, and
/// stay valid.
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
    /// Source of random bits, so that no id tells another one.
    random: fn() -> u64,
    last_micros: Mutex<u64>,
}

impl IdGenerator {
    /// Builds a generator from a source of random bits.
    pub fn new(random: fn() -> u64) -> IdGenerator {
        IdGenerator { random, last_micros: Mutex::default() }
    }

    /// Returns a new id for a message that arrived at `now` (time since the Unix epoch). It sorts after every earlier
    /// id of this generator.
    pub fn next_id(&self, now: Duration) -> QueueId {
        let mut last = self.last_micros.lock().unwrap_or_else(PoisonError::into_inner);
        *last = (now.as_micros() as u64).max(*last + 1);
        let random = (self.random)();
        let mut id = String::with_capacity(LENGTH);
        push_digits(&mut id, *last / 1_000_000, 6);
        id.push('-');
        push_digits(&mut id, *last % 1_000_000, 4);
        push_digits(&mut id, random, 7);
        id.push('-');
        push_digits(&mut id, random / 62u64.pow(7), 4);
        debug_assert!(is_id(&id), "{id} is read back as an id");
        QueueId(id)
    }
}

/// Appends the last `count` digits of a number.
fn push_digits(text: &mut String, number: u64, count: u32) {
    for place in (0..count).rev() {
        let digit = number / 62u64.pow(place) % 62;
        text.push(char::from(DIGITS[digit as usize]));
    }
}

/// Returns the number that these digits stand for; `None` for anything else.
fn number(digits: &str) -> Option<u64> {
    digits.bytes().try_fold(0u64, |number, byte| {
        let digit = DIGITS.binary_search(&byte).ok()?;
        number.checked_mul(62)?.checked_add(digit as u64)
    })
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
    /// comparing the ids, and is right between ids of different versions too.
    pub fn micros(&self) -> u64 {
        let (seconds, micros) = match self.time_digits() {
            Some((seconds, micros)) => (number(seconds), number(micros)),
            None => {
                let mut parts = self.0.split(['.', 'P']);
                let seconds = parts.next().and_then(|seconds| seconds.parse().ok());
                (seconds, parts.next().and_then(|micros| micros.strip_prefix('M')?.parse().ok()))
            }
        };
        seconds.unwrap_or(0).saturating_mul(1_000_000).saturating_add(micros.unwrap_or(0))
    }

    /// Returns the arrival time in seconds since the Unix epoch.
    pub fn seconds(&self) -> u64 {
        self.micros() / 1_000_000
    }

    /// Returns the digits of the second and of the microsecond; `None` for an id of an earlier version.
    fn time_digits(&self) -> Option<(&str, &str)> {
        (self.0.as_bytes().get(6) == Some(&b'-') && self.0.len() == LENGTH).then(|| (&self.0[..6], &self.0[7..11]))
    }

    /// Returns the part of the id that is unique without the host, which ids of earlier versions end with.
    pub fn without_host(&self) -> &str {
        &self.0[..self.host_at()]
    }

    fn host_at(&self) -> usize {
        self.0.match_indices('.').nth(1).map_or(self.0.len(), |(at, _)| at)
    }

    /// Returns the name of a message in a Maildir, `SECONDS.UNIQUE.mspool`. `copy` is added to the middle part, where a
    /// message has several copies. The same id always gives the same name, so that a copy is found again.
    pub fn maildir_name(&self, copy: &str) -> String {
        match self.time_digits() {
            Some(_) => format!("{}.{}{copy}.mspool", self.seconds(), self.0),
            None => format!("{}{copy}{}", self.without_host(), &self.0[self.host_at()..]),
        }
    }
}

fn is_id(text: &str) -> bool {
    is_current_id(text) || is_earlier_id(text)
}

/// True for a text that [`IdGenerator::next_id`] can make.
fn is_current_id(text: &str) -> bool {
    let mut groups = text.split('-');
    let mut has = |length| groups.next().is_some_and(|group| group.len() == length && number(group).is_some());
    text.len() == LENGTH && has(6) && has(11) && has(4) && number(&text[7..11]).is_some_and(|micros| micros < 1_000_000)
}

/// True for an id as earlier versions made it.
fn is_earlier_id(text: &str) -> bool {
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

    const EARLIER: &str = "1795308431.M123456P42Q0R00c0ffee.mail.example.org";

    fn seven() -> u64 {
        7
    }

    #[test]
    fn ids_of_one_process_sort_by_age_even_when_the_clock_stands_still_or_goes_back() {
        let ids = IdGenerator::new(seven);
        let times = [5, 5, 5, 3, 9, 4];
        let ids: Vec<QueueId> = times.iter().map(|s| ids.next_id(Duration::from_secs(1_700_000_000 + s))).collect();
        let mut sorted = ids.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(ids, sorted);
    }

    #[test]
    fn an_id_has_the_arrival_and_random_digits() {
        let id = IdGenerator::new(seven).next_id(Duration::from_micros(1_795_308_431_123_456));
        assert!(id.as_str().ends_with("0000007-0000"), "{id}");
        assert_eq!((id.micros(), id.seconds()), (1_795_308_431_123_456, 1_795_308_431));
        assert_eq!(id.maildir_name("D3"), format!("1795308431.{id}D3.mspool"));
        assert_eq!(id.without_host(), id.as_str());
    }

    #[test]
    fn an_id_of_an_earlier_version_stays_valid_and_sorts_before() {
        let earlier = QueueId::parse(EARLIER).unwrap();
        assert_eq!(earlier.micros(), 1_795_308_431_123_456);
        assert_eq!(earlier.maildir_name("D3"), "1795308431.M123456P42Q0R00c0ffeeD3.mail.example.org");
        assert_eq!(earlier.without_host(), "1795308431.M123456P42Q0R00c0ffee");
        let id = IdGenerator::new(seven).next_id(Duration::from_secs(1_795_308_432));
        assert!(earlier < id && earlier.micros() < id.micros());
    }

    #[test]
    fn a_path_is_no_id() {
        for text in [
            "",
            "a",
            "../../x",
            "1.M1P1Q1R00000000.",
            "1.M1P1Q1R00000000.a/b",
            "1.M1P1Q1R00000000.a,T=1",
            "1xUk0d-0W7E0000007-000",
            "1xUk0d-0W7E0000007-00000",
            "1xUk0d-0W7E000000/-0000",
            "1xUk0d-zzzz0000007-0000",
            "1xUk0d-0W7E00é0007-0000",
            "-----------------------",
        ] {
            assert_eq!(QueueId::parse(text), Err(QueueIdError), "{text}");
        }
        assert_eq!(QueueId::parse(&format!("1.M1P1Q1R00000000.{}", "a".repeat(10_000))), Err(QueueIdError));
    }

    proptest! {
        #[test]
        fn generated_ids_parse(micros in 0u64..9_999_999_999_000_000) {
            let id = IdGenerator::new(seven).next_id(Duration::from_micros(micros));
            prop_assert_eq!(id.micros(), micros.max(1));
            prop_assert_eq!(QueueId::parse(id.as_str()).unwrap(), id);
        }

        #[test]
        fn any_text_can_be_judged(text in "\\PC{0,30}", id in "[0-9A-Za-z]{6}-[0-9A-Za-z]{11}-[0-9A-Za-z]{4}") {
            let _ = QueueId::parse(&text);
            if let Ok(id) = QueueId::parse(&id) {
                prop_assert_eq!(id.micros() % 1_000_000, number(&id.as_str()[7..11]).unwrap());
            }
        }
    }
}
