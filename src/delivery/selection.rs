//! What a run works on.

use crate::mail::address::pattern::AddressPattern;
use crate::session::Network;
use crate::transports::transport::TransportIndex;

/// What a run is asked to do.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Only mail for this transport.
    pub transport: Option<TransportIndex>,
    /// Only these recipients.
    pub to: Option<AddressPattern>,
    /// What does not count.
    pub force: ForceLevel,
    /// What may be used.
    pub network: Network,
    /// Hand-offs at once, all transports together; `None` is as many as they allow.
    pub jobs: Option<usize>,
    /// Messages taken up at most.
    pub limit: Option<usize>,
}

impl Selection {
    /// Everything that is due, with everything there is.
    pub fn all() -> Selection {
        Selection {
            transport: None,
            to: None,
            force: ForceLevel::No,
            network: Network::Online,
            jobs: None,
            limit: None,
        }
    }
}

/// How far an operator overrides what was learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForceLevel {
    /// Not at all.
    No,
    /// Back-off does not count, for these messages were named.
    Backoff,
    /// Neither back-off nor breakers count.
    BackoffAndBreaker,
}
