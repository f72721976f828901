//! Getting transports ready and releasing them: resources, connect, probe, disconnect, and the circuit breaker.

use anyhow::Result;

use crate::delivery::transport_queue::Readiness;
use crate::spool::Spool;
use crate::spool::transport_state::{CircuitBreaker, ProbeResult, ResourceLock};
use crate::transports::answer::ProgramEnding;
use crate::transports::program::{FinishedProgram, ProgramControl};
use crate::transports::transport::Transport;
use crate::values::schedule::RetrySchedule;
use crate::values::time::Timestamp;

/// What preparing a transport came to.
#[derive(Debug)]
pub struct PreparedTransport {
    /// Whether it may be given mail.
    pub ready: Readiness,
    /// The resource that was taken for it.
    pub resource: Option<ResourceLock>,
    /// True when its connect command has run.
    pub connected: bool,
    /// What somebody should look into. A resource in use, or a probe that says "not now", is no trouble.
    pub trouble: Option<String>,
}

/// The people who see to a transport's needs.
#[derive(Clone, Copy, Debug)]
pub struct TransportControl<'e> {
    /// Where its state is kept.
    pub spool: &'e Spool,
    /// Which waits follow failures.
    pub schedule: RetrySchedule,
    /// Conditions under which its commands run.
    pub programs: ProgramControl<'e>,
    /// The time.
    pub now: Timestamp,
}

impl TransportControl<'_> {
    /// Takes the resource, connects, probes.
    pub fn prepare(&self, transport: &Transport) -> Result<PreparedTransport> {
        let no = |reason: String, trouble: Option<String>| PreparedTransport {
            ready: Readiness::No(reason),
            resource: None,
            connected: false,
            trouble,
        };
        let mut resource = None;
        if let Some(name) = &transport.resource {
            resource = self.spool.lock_resource(name)?;
            if resource.is_none() {
                return Ok(no(format!("resource {name} is in use"), None));
            }
        }
        if let Some(argv) = &transport.connect {
            let finished = transport.run_control_command(argv, self.spool.path(), self.programs);
            let verdict = self.judge(transport, "connect", &finished)?;
            if transport.probe.is_none() || verdict.is_err() {
                self.note_probe(transport, verdict.as_ref().err())?;
            }
            if let Err(reason) = verdict {
                return Ok(no(reason.clone(), Some(reason)));
            }
        }
        let connected = transport.connect.is_some();
        if let Some(argv) = &transport.probe {
            let finished = transport.run_control_command(argv, self.spool.path(), self.programs);
            let verdict = self.judge(transport, "probe", &finished)?;
            self.note_probe(transport, verdict.as_ref().err())?;
            if let Err(reason) = verdict {
                self.release(transport, connected)?;
                return Ok(no(reason, None));
            }
        }
        Ok(PreparedTransport { ready: Readiness::Yes, resource, connected, trouble: None })
    }

    /// Runs the disconnect command of a transport that was connected.
    pub fn release(&self, transport: &Transport, connected: bool) -> Result<Option<String>> {
        let Some(argv) = transport.disconnect.as_ref().filter(|_| connected || transport.connect.is_none()) else {
            return Ok(None);
        };
        let finished = transport.run_control_command(argv, self.spool.path(), self.programs);
        let failed = finished.ending != ProgramEnding::Exited(0);
        Ok(failed.then(|| format!("transport {}: disconnect {}", transport.name, finished.failure_text())))
    }

    /// Reads the answer of a connect or probe command. One that says it can never work opens the breaker.
    fn judge(&self, transport: &Transport, what: &str, finished: &FinishedProgram) -> Result<Result<(), String>> {
        let reason = || format!("{what} {}", finished.failure_text());
        match finished.ending {
            ProgramEnding::Exited(0) => Ok(Ok(())),
            ProgramEnding::Exited(70 | 78) | ProgramEnding::NotStarted(_) => {
                self.open_breaker(transport, &reason())?;
                Ok(Err(reason()))
            }
            _ => Ok(Err(reason())),
        }
    }

    /// Runs a transport's probe by itself and notes the answer: `Err` is why the transport cannot be used.
    pub fn probe(&self, transport: &Transport, argv: &[String]) -> Result<Result<(), String>> {
        let finished = transport.run_control_command(argv, self.spool.path(), self.programs);
        let verdict = self.judge(transport, "probe", &finished)?;
        self.note_probe(transport, verdict.as_ref().err())?;
        Ok(verdict)
    }

    fn note_probe(&self, transport: &Transport, trouble: Option<&String>) -> Result<()> {
        let probe = ProbeResult { at: self.now, ok: trouble.is_none(), text: trouble.cloned().unwrap_or_default() };
        Ok(self.spool.update_transport_state(&transport.name, |transport_state| {
            if probe.ok {
                transport_state.breaker = None;
            }
            // A good answer after a good one is no news, and not worth a write.
            if transport_state.probe.as_ref().is_none_or(|last| !last.ok || !probe.ok) {
                transport_state.probe = Some(probe);
            }
        })?)
    }

    /// Notes that the transport does not work, and for how long it is left alone.
    pub fn open_breaker(&self, transport: &Transport, text: &str) -> Result<()> {
        let random = crate::sys::random();
        Ok(self.spool.update_transport_state(&transport.name, |transport_state| {
            let before = transport_state.breaker.take().filter(|before| before.config == transport.fingerprint);
            if let Some(before) = before.as_ref().filter(|before| self.now < before.until) {
                // Handed over beside the one that opened it: the same failure, and not one more.
                transport_state.breaker = Some(before.clone());
                return;
            }
            let failures = before.as_ref().map_or(0, |before| before.failures) + 1;
            transport_state.breaker = Some(CircuitBreaker {
                since: before.map_or(self.now, |before| before.since),
                until: self.now.after(self.schedule.delay(failures, random)),
                failures,
                text: text.to_owned(),
                config: transport.fingerprint.clone(),
            });
        })?)
    }

    /// Notes that the transport works again.
    pub fn close_breaker(&self, transport: &Transport) -> Result<()> {
        Ok(self.spool.update_transport_state(&transport.name, |transport_state| transport_state.breaker = None)?)
    }
}
