//! Table `[reports]` of the configuration.

use crate::config::checker::ValueChecker;
use crate::config::error::ConfigError;
use crate::config::raw;
use crate::settings::{ReportRoute, ReportSettings};

/// Checks the table and fills in its defaults. `via` defaults to `queue` for root, to `inbox` for other users.
pub(super) fn reports(checker: &ValueChecker<'_>, raw: &raw::RawReports) -> Result<ReportSettings, ConfigError> {
    let via = match raw.via.as_ref().map(|via| (via, via.get_ref().as_str())) {
        // The system spool sends mail for all users, so reports travel by mail. The senders of a personal spool read
        // its inbox.
        None if checker.locations.root => ReportRoute::Queue,
        None => ReportRoute::Inbox,
        Some((_, "inbox")) => ReportRoute::Inbox,
        Some((_, "queue")) => ReportRoute::Queue,
        Some((at, _)) => return Err(checker.invalid(at, "via must be \"inbox\" or \"queue\"")),
    };
    Ok(ReportSettings { via, return_limit: checker.size("return_limit", raw.return_limit.as_ref(), 64 << 10)? })
}
