//! Timestamps as stored in the spool, and their three text formats. The only module that uses `jiff` and `humantime`.

use std::fmt;
use std::time::Duration;

use crate::values::quoting::quoted;
use serde::{Deserialize, Serialize};

/// Wall-clock time in whole seconds since the Unix epoch. JSON and text use RFC 3339 in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(u64);

/// Latest second that RFC 3339 can express in every time zone: its years end with 9999.
const LAST: u64 = 253_402_207_200;

/// Error for a text that is not a time. Holds the first characters of the text.
#[derive(Debug, PartialEq, Eq)]
pub struct TimeError(String);

impl fmt::Display for TimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} is not a time: give 2026-05-01T12:00:00Z, \"Fri, 1 May 2026 12:00:00 +0200\" or a span such as 2h",
            quoted(&self.0)
        )
    }
}

impl std::error::Error for TimeError {}

impl Timestamp {
    /// Builds a timestamp from seconds since the Unix epoch, limited to the end of the year 9999.
    pub fn from_seconds(seconds: u64) -> Timestamp {
        Timestamp(seconds.min(LAST))
    }

    /// Returns the seconds since the Unix epoch.
    pub fn seconds(self) -> u64 {
        self.0
    }

    /// Returns the timestamp `span` later.
    pub fn after(self, span: Duration) -> Timestamp {
        Timestamp::from_seconds(self.0.saturating_add(span.as_secs()))
    }

    /// Returns the time from `earlier` to `self`; zero if `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }

    /// Parses an RFC 3339 timestamp, an RFC 5322 date, or a time span counted from `now`.
    pub fn parse(text: &str, now: Timestamp) -> Result<Timestamp, TimeError> {
        let bad = || TimeError(text.chars().take(60).collect());
        match text.parse::<jiff::Timestamp>() {
            Ok(time) => u64::try_from(time.as_second()).map(Timestamp::from_seconds).map_err(|_| bad()),
            Err(_) => match Timestamp::parse_date(text) {
                Some(time) => Ok(time),
                None => parse_span(text).map(|span| now.after(span)).map_err(|_| bad()),
            },
        }
    }

    /// Parses an RFC 5322 date, such as the value of a `Date` field; `None` for any other text and before 1970.
    pub fn parse_date(text: &str) -> Option<Timestamp> {
        let time = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
        u64::try_from(time.as_second()).ok().map(Timestamp::from_seconds)
    }

    /// Returns the time in the format of a `Date:` field (RFC 5322 section 3.3), in UTC.
    pub fn rfc5322(self) -> String {
        jiff::fmt::rfc2822::to_string(&self.jiff().to_zoned(jiff::tz::TimeZone::UTC)).unwrap_or_default()
    }

    /// Returns the time in the format of ctime(3) without the year, in UTC: `Fri May  1 12:00:00`.
    pub fn ctime(self) -> String {
        let time = self.jiff().to_zoned(jiff::tz::TimeZone::UTC);
        let text = jiff::fmt::strtime::format("%a %b %e %H:%M:%S", &time).unwrap_or_default();
        debug_assert_eq!(text.len(), "Fri May  1 12:00:00".len(), "the columns of mailq(1) line up");
        text
    }

    fn jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_second(self.0 as i64).unwrap_or_default()
    }
}

impl From<Duration> for Timestamp {
    fn from(since_epoch: Duration) -> Timestamp {
        Timestamp::from_seconds(since_epoch.as_secs())
    }
}

impl TryFrom<String> for Timestamp {
    type Error = TimeError;

    fn try_from(text: String) -> Result<Timestamp, TimeError> {
        let time = text.parse::<jiff::Timestamp>().ok().and_then(|time| u64::try_from(time.as_second()).ok());
        time.map(Timestamp::from_seconds).ok_or(TimeError(text))
    }
}

impl From<Timestamp> for String {
    fn from(time: Timestamp) -> String {
        time.to_string()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.jiff())
    }
}

/// Running time of a spool in seconds: the time in which a runner was at work, from the first one on.
///
/// Lifetimes, delay warnings and retention are measured in it, so that a machine that is off, asleep, or without a runner
/// ages nothing, and a clock that jumps changes next to nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunningTime(u64);

impl RunningTime {
    /// Builds a running time from seconds.
    pub fn from_seconds(seconds: u64) -> RunningTime {
        RunningTime(seconds)
    }

    /// Returns the seconds.
    pub fn seconds(self) -> u64 {
        self.0
    }

    /// Returns the running time `span` later.
    pub fn after(self, span: Duration) -> RunningTime {
        RunningTime(self.0.saturating_add(span.as_secs()))
    }

    /// Returns the time from `earlier` to `self`; zero if `earlier` is later.
    pub fn since(self, earlier: RunningTime) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }
}

/// Upper limit of a time span: longer ones are cut to it.
pub const CENTURY: Duration = Duration::from_secs(100 * 366 * 86_400);

/// Parses a time span: `90s`, `15m`, `2h`, `3d`, `1w`, or several of them together (`1h 30m`). Spans above [`CENTURY`]
/// are cut to it, so that sums of them do not overflow.
pub fn parse_span(text: &str) -> Result<Duration, humantime::DurationError> {
    humantime::parse_duration(text).map(|span| span.min(CENTURY))
}

/// Formats a time span in its two largest units, rounded down: `2h5m`, `3d`.
pub fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    let units = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let first = units.iter().position(|(_, size)| seconds >= *size).unwrap_or(3);
    let mut left = seconds;
    let mut words = Vec::new();
    for (unit, size) in units.iter().skip(first).take(2) {
        let count = left / size;
        left %= size;
        if count > 0 || words.is_empty() {
            words.push(format!("{count}{unit}"));
        }
    }
    words.join("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_three_forms() {
        let now = Timestamp::from_seconds(1_000_000_000);
        let read = |text| Timestamp::parse(text, now).map(Timestamp::seconds);
        assert_eq!(read("2026-05-01T12:00:00Z"), Ok(1_777_636_800));
        assert_eq!(read("2026-05-01T14:00:00+02:00"), Ok(1_777_636_800));
        assert_eq!(read("Fri, 1 May 2026 14:00:00 +0200"), Ok(1_777_636_800));
        assert_eq!(read("2h"), Ok(1_000_007_200));
        assert_eq!(read("1w"), Ok(1_000_604_800));
        assert!(read("tomorrow").is_err());
        assert!(read("1960-01-01T00:00:00Z").is_err());
    }

    #[test]
    fn writes_what_it_reads() {
        let time = Timestamp::from_seconds(1_777_636_800);
        assert_eq!(time.to_string(), "2026-05-01T12:00:00Z");
        assert_eq!(time.rfc5322(), "Fri, 1 May 2026 12:00:00 +0000");
        let json = serde_json::to_string(&time).unwrap();
        assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), time);
        assert_eq!(Timestamp::from_seconds(u64::MAX).to_string(), "9999-12-30T22:00:00Z");
    }

    #[test]
    fn spans_are_short() {
        let text = |seconds| span(Duration::from_secs(seconds));
        assert_eq!(text(0), "0s");
        assert_eq!(text(59), "59s");
        assert_eq!(text(7_500), "2h5m");
        assert_eq!(text(86_400), "1d");
    }
}
