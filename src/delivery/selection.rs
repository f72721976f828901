//! What a run works on.

use crate::mail::address::pattern::Pattern;
use crate::session::Reach;

/// What a run is asked to do.
#[derive(Clone, Debug)]
pub struct Orders {
    /// Only mail for this transport.
    pub transport: Option<usize>,
    /// Only these recipients.
    pub to: Option<Pattern>,
    /// What does not count.
    pub force: Force,
    /// What may be used.
    pub reach: Reach,
    /// Hand-offs at once, all transports together; `None` is as many as they allow.
    pub jobs: Option<usize>,
    /// Messages taken up at most.
    pub limit: Option<usize>,
}

impl Orders {
    /// Everything that is due, with everything there is.
    pub fn all() -> Orders {
        Orders { transport: None, to: None, force: Force::No, reach: Reach::Online, jobs: None, limit: None }
    }
}

/// How far an operator overrides what was learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// Not at all.
    No,
    /// Back-off does not count, for these messages were named.
    Backoff,
    /// Neither back-off nor breakers count.
    BackoffAndBreaker,
}
