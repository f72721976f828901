//! Time of day, from the system or from a test.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Environment variable that replaces the system clock: `@SECONDS` since the epoch, also with a fraction, or the
/// absolute path of a file that holds such a number and is read each time.
pub const VARIABLE: &str = "MSPOOL_CLOCK";

/// Source of wall-clock time. Every deadline in the spool is a wall-clock time, so that it survives reboots and
/// suspended machines.
#[derive(Clone, Debug)]
pub enum Clock {
    /// System clock.
    Machine,
    /// Time that stands still.
    Fixed(Duration),
    /// File that holds seconds since the epoch, so that a test can move the time of a running process.
    File(PathBuf),
}

impl Clock {
    /// Returns the clock that the environment names; the system clock if it names none or is invalid.
    pub fn from_env() -> Clock {
        let Some(value) = std::env::var_os(VARIABLE) else { return Clock::Machine };
        if PathBuf::from(&value).is_absolute() {
            return Clock::File(value.into());
        }
        let fixed = value.to_str().and_then(|text| text.strip_prefix('@')).and_then(parse);
        fixed.map_or(Clock::Machine, Clock::Fixed)
    }

    /// Returns the time since the epoch; zero if the system clock is before it.
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

/// Reads seconds with up to six digits of a fraction.
fn parse(text: &str) -> Option<Duration> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = (1..=6).contains(&fraction.len()) && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let micros = format!("{fraction:0<6}").parse().ok().filter(|_| digits)?;
    Some(Duration::from_secs(seconds.parse().ok()?) + Duration::from_micros(micros))
}

fn machine() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
