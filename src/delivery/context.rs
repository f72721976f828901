//! What deliveries and the inbox are given: the spool, the settings, the time, and those who listen.

use crate::delivery::transport_control::TransportControl;
use crate::mail::envelope::id::IdGenerator;
use crate::output::observer::RunObserver;
use crate::session::Session;
use crate::settings::Settings;
use crate::spool::Spool;
use crate::sys::clock::Clock;
use crate::sys::signals::Signals;
use crate::transports::program::ProgramControl;
use crate::values::time::Timestamp;

/// What runs have in common.
#[derive(Clone, Copy)]
pub struct DeliveryContext<'e> {
    /// The spool.
    pub spool: &'e Spool,
    /// What was configured.
    pub settings: &'e Settings,
    /// The time.
    pub clock: &'e Clock,
    /// Who may interrupt.
    pub signals: &'e Signals,
    /// Who looks on.
    pub observer: &'e dyn RunObserver,
    /// Where the ids of reports come from.
    pub ids: &'e IdGenerator,
}

impl<'e> DeliveryContext<'e> {
    /// From a session, for work on this spool.
    pub fn new(
        session: &'e Session,
        spool: &'e Spool,
        signals: &'e Signals,
        observer: &'e dyn RunObserver,
    ) -> DeliveryContext<'e> {
        DeliveryContext {
            spool,
            settings: &session.settings,
            clock: &session.clock,
            signals,
            observer,
            ids: &session.ids,
        }
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        self.clock.now().into()
    }

    /// Conditions under which programs run.
    pub fn program_control(&self) -> ProgramControl<'e> {
        ProgramControl { signals: self.signals, trust: &self.settings.trust }
    }

    /// What sees to the needs of transports.
    pub fn control(&self) -> TransportControl<'e> {
        TransportControl {
            spool: self.spool,
            schedule: self.settings.queue.retry,
            programs: self.program_control(),
            now: self.now(),
        }
    }
}
