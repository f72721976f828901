//! What time it is, from the machine or from whoever runs a test.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The environment variable that replaces the machine's clock: `@SECONDS` since the epoch, with a fraction or without, or the absolute path of
/// a file that holds such a number and is read anew each time.
pub const VARIABLE: &str = "MSPOOL_CLOCK";

/// A source of wall-clock time. Every deadline in the spool is a wall-clock instant, so that it holds across reboots
/// and suspended machines.
#[derive(Clone, Debug)]
pub enum Clock {
    /// The machine's own.
    Machine,
    /// A time that stands still.
    Fixed(Duration),
    /// A file with seconds since the epoch in it, so that a test can move the time of a running process.
    File(PathBuf),
}

impl Clock {
    /// The clock that the environment asks for, the machine's when it asks for none or for nonsense.
    pub fn from_env() -> Clock {
        let Some(value) = std::env::var_os(VARIABLE) else { return Clock::Machine };
        if PathBuf::from(&value).is_absolute() {
            return Clock::File(value.into());
        }
        let fixed = value.to_str().and_then(|text| text.strip_prefix('@')).and_then(parse);
        fixed.map_or(Clock::Machine, Clock::Fixed)
    }

    /// Time since the epoch; zero when the machine's clock stands before it.
    pub fn now(&self) -> Duration {
        match self {
            Clock::Machine => machine(),
            Clock::Fixed(time) => *time,
            Clock::File(path) => std::fs::read_to_string(path)
                .ok()
                .and_then(|text| text.trim().parse().ok())
                .map_or_else(machine, Duration::from_secs),
        }
    }
}

/// Seconds, and up to six digits of a fraction.
fn parse(text: &str) -> Option<Duration> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = (1..=6).contains(&fraction.len()) && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let micros = format!("{fraction:0<6}").parse().ok().filter(|_| digits)?;
    Some(Duration::from_secs(seconds.parse().ok()?) + Duration::from_micros(micros))
}

fn machine() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
