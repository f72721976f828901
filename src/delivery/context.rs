//! What deliveries and the inbox are given: the spool, the settings, the time, and those who listen.

use crate::delivery::transport_control::Keeper;
use crate::mail::envelope::id::Mint;
use crate::output::observer::Observer;
use crate::session::Session;
use crate::settings::Settings;
use crate::spool::Spool;
use crate::sys::clock::Clock;
use crate::sys::signals::Signals;
use crate::values::time::Timestamp;

/// What runs have in common.
#[derive(Clone, Copy)]
pub struct Engine<'e> {
    /// The spool.
    pub spool: &'e Spool,
    /// What was configured.
    pub settings: &'e Settings,
    /// The time.
    pub clock: &'e Clock,
    /// Who may interrupt.
    pub signals: &'e Signals,
    /// Who looks on.
    pub observer: &'e dyn Observer,
    /// Where the ids of reports come from.
    pub mint: &'e Mint,
}

impl<'e> Engine<'e> {
    /// From a session, for work on this spool.
    pub fn new(session: &'e Session, spool: &'e Spool, signals: &'e Signals, observer: &'e dyn Observer) -> Engine<'e> {
        Engine { spool, settings: &session.settings, clock: &session.clock, signals, observer, mint: &session.mint }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.clock.now().into()
    }

    /// What sees to the needs of transports.
    pub fn keeper(&self) -> Keeper<'e> {
        Keeper { spool: self.spool, schedule: self.settings.queue.retry, signals: self.signals, now: self.now() }
    }
}
