//! Table `[queue]` of the configuration.

use std::time::Duration;

use toml::Spanned;

use crate::config::checker::ValueChecker;
use crate::config::error::ConfigError;
use crate::config::raw;
use crate::settings::{DelayWarning, DelayWarningAudience, QueueSettings};
use crate::values::schedule::RetrySchedule;

const DAY: Duration = Duration::from_secs(86_400);
const DEFAULT_DELAY_WARNING: Duration = Duration::from_secs(4 * 3600);

/// Checks the table and fills in its defaults.
pub(super) fn queue(checker: &ValueChecker<'_>, raw: &raw::RawQueue) -> Result<QueueSettings, ConfigError> {
    Ok(QueueSettings {
        lifetime: checker.duration("lifetime", raw.lifetime.as_ref(), DAY * 5)?,
        retry: retry(checker, raw.retry.as_ref())?,
        max_retry_after: checker.duration("max_retry_after", raw.max_retry_after.as_ref(), DAY)?,
        keep_sent: checker.duration("keep_sent", raw.keep_sent.as_ref(), DAY * 7)?,
        keep_failed: checker.duration("keep_failed", raw.keep_failed.as_ref(), DAY * 30)?,
        message_limit: checker.size("message_limit", raw.message_limit.as_ref(), 50 << 20)?,
        reserve: checker.size("reserve", raw.reserve.as_ref(), 64 << 20)?,
        delay_warning: DelayWarning {
            after: checker.duration("delay_warning", raw.delay_warning.as_ref(), DEFAULT_DELAY_WARNING)?,
            audience: match raw.delay_warning {
                Some(_) => DelayWarningAudience::UnlessDeclined,
                None => DelayWarningAudience::OnRequest,
            },
        },
        sent: raw.sent.as_ref().map(|path| checker.path("sent", path)).transpose()?,
    })
}

fn retry(checker: &ValueChecker<'_>, raw: Option<&raw::RawRetry>) -> Result<RetrySchedule, ConfigError> {
    let default = RetrySchedule::default();
    let Some(raw) = raw else { return Ok(default) };
    let number = |key: &str, written: Option<&Spanned<f64>>, default: f64, low: f64, high: f64| match written {
        None => Ok(default),
        Some(value) if (low..=high).contains(value.get_ref()) => Ok(*value.get_ref()),
        Some(value) => Err(checker.invalid(value, format!("{key} must be from {low} to {high}"))),
    };
    Ok(RetrySchedule {
        first: checker.duration("first", raw.first.as_ref(), default.first)?,
        factor: number("factor", raw.factor.as_ref(), default.factor, 1.0, 1000.0)?,
        max: checker.duration("max", raw.max.as_ref(), default.max)?,
        jitter: number("jitter", raw.jitter.as_ref(), default.jitter, 0.0, 1.0)?,
    })
}
