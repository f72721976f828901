//! The table `[reports]`.

use crate::config::checker::Checker;
use crate::config::error::ConfigError;
use crate::config::raw;
use crate::settings::{Reports, Via};

pub(super) fn reports(checker: &Checker<'_>, raw: &raw::Reports) -> Result<Reports, ConfigError> {
    let via = match raw.via.as_ref().map(|via| (via, via.get_ref().as_str())) {
        // Root's spool sends for everybody, a user's own sends for the one who reads its inbox.
        None if checker.locations.root => Via::Queue,
        None => Via::Inbox,
        Some((_, "inbox")) => Via::Inbox,
        Some((_, "queue")) => Via::Queue,
        Some((at, _)) => return Err(checker.bad(at, "via must be \"inbox\" or \"queue\"")),
    };
    Ok(Reports { via, return_limit: checker.size("return_limit", raw.return_limit.as_ref(), 64 << 10)? })
}
