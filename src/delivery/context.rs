//! Context of deliveries and of the inbox: the spool, the settings, the time, and what listens.

use anyhow::Result;

use crate::delivery::transport_control::TransportControl;
use crate::mail::envelope::id::IdGenerator;
use crate::output::observer::RunObserver;
use crate::session::Session;
use crate::settings::Settings;
use crate::spool::Spool;
use crate::spool::running_time::SpoolTime;
use crate::sys::clock::Clock;
use crate::sys::signals::Signals;
use crate::transports::program::ProgramControl;
use crate::transports::smtp::pools::SessionPools;
use crate::values::time::Timestamp;

/// Context that deliveries and the inbox share.
#[derive(Clone, Copy)]
pub struct DeliveryContext<'e> {
    /// Spool that is worked on.
    pub spool: &'e Spool,
    /// Configuration.
    pub settings: &'e Settings,
    /// Clock, the machine's or a given one.
    pub clock: &'e Clock,
    /// Signals that stop the work.
    pub signals: &'e Signals,
    /// Listener for events and errors.
    pub observer: &'e dyn RunObserver,
    /// Generator of the ids of DSNs and received messages.
    pub ids: &'e IdGenerator,
    /// Sessions with servers, which outlive a run.
    pub sessions: &'e SessionPools,
    /// Time of the spool when the context was made.
    begun: SpoolTime,
}

impl<'e> DeliveryContext<'e> {
    /// Makes the context of a session for work on this spool. A runner counts the running time before.
    pub fn new(
        session: &'e Session,
        spool: &'e Spool,
        signals: &'e Signals,
        observer: &'e dyn RunObserver,
    ) -> Result<DeliveryContext<'e>> {
        Ok(DeliveryContext {
            spool,
            settings: &session.settings,
            clock: &session.clock,
            signals,
            observer,
            ids: &session.ids,
            sessions: &session.sessions,
            begun: spool.time(session.now(), session.settings.queue.retry.max)?,
        })
    }

    /// Returns the wall-clock time of now.
    pub fn now(&self) -> Timestamp {
        self.clock.now().into()
    }

    /// Returns the time of the spool: long runs age messages as they go on.
    pub fn time(&self) -> SpoolTime {
        let now = self.now();
        let step = now.since(self.begun.now).min(self.settings.queue.retry.max);
        SpoolTime { now, running: self.begun.running.after(step), clock: self.begun.clock }
    }

    /// Returns the conditions under which programs run.
    pub fn program_control(&self) -> ProgramControl<'e> {
        ProgramControl { signals: self.signals, trust: &self.settings.trust, observer: None }
    }

    /// Returns the control of transports.
    pub fn control(&self) -> TransportControl<'e> {
        TransportControl {
            spool: self.spool,
            schedule: self.settings.queue.retry,
            programs: self.program_control(),
            time: self.time(),
        }
    }
}
