//! Table `[reports]` of the configuration.

use crate::config::checker::ValueChecker;
use crate::config::error::ConfigError;
use crate::config::raw;
use crate::mail::address::Address;
use crate::settings::{ReportRoute, ReportSettings};
use crate::values::quoting::quoted;

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
    let double_bounce_to = raw.double_bounce_to.as_ref().map(|text| {
        let address = Address::parse(text.get_ref()).ok().filter(Address::is_smtp);
        address.ok_or_else(|| {
            checker.invalid(text, format!("double_bounce_to {} is not a mail address", quoted(text.get_ref())))
        })
    });
    Ok(ReportSettings {
        via,
        return_limit: checker.size("return_limit", raw.return_limit.as_ref(), 64 << 10)?,
        double_bounce_to: double_bounce_to.transpose()?,
    })
}
