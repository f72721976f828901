//! Getting transports ready and releasing them: resources, connect, probe, disconnect, and the circuit breaker.

use anyhow::Result;

use crate::delivery::transport_queue::Readiness;
use crate::spool::Spool;
use crate::spool::running_time::SpoolTime;
use crate::spool::transport_state::{BreakerCause, CircuitBreaker, FailedTrial, ProbeResult, ResourceLock};
use crate::sys::random;
use crate::transports::answer::TroubleKind;
use crate::transports::finished::{FinishedProgram, ProgramEnding};
use crate::transports::program::ProgramControl;
use crate::transports::smtp::probe;
use crate::transports::smtp::settings::ClientSettings;
use crate::transports::transport::Transport;
use crate::values::schedule::RetrySchedule;

/// Transport after its preparation.
#[derive(Debug)]
pub struct PreparedTransport {
    /// Answer to whether it may be given mail.
    pub readiness: Readiness,
    /// Lock of the resource that was taken for it.
    pub resource: Option<ResourceLock>,
    /// True when its connect command has run.
    pub connected: bool,
    /// Failure that needs attention. A resource in use, or a probe that says "not now", is none.
    pub trouble: Option<String>,
}

/// Control of transports: prepares and releases them, and keeps their circuit breakers.
#[derive(Clone, Copy, Debug)]
pub struct TransportControl<'e> {
    /// Spool that keeps the state of the transports.
    pub spool: &'e Spool,
    /// Delays of the circuit breaker.
    pub schedule: RetrySchedule,
    /// Conditions under which its commands run.
    pub programs: ProgramControl<'e>,
    /// Time of the spool.
    pub time: SpoolTime,
}

impl TransportControl<'_> {
    /// Takes the resource of a transport, connects and probes it.
    pub fn prepare(&self, transport: &Transport) -> Result<PreparedTransport> {
        let no = |reason: String, trouble: Option<String>| PreparedTransport {
            readiness: Readiness::No(reason),
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
        debug_assert_eq!(resource.is_some(), transport.resource.is_some(), "a transport has the resource it needs");
        // A good probe does not show that a refused login works again: one message does.
        let waits_for_person = self.spool.transport_state(&transport.name)?.waits_for_person(&transport.fingerprint);
        let readiness = if waits_for_person { Readiness::OneTrial } else { Readiness::Yes };
        Ok(PreparedTransport { readiness, resource, connected, trouble: None })
    }

    /// Runs the disconnect command of a transport that was connected. Returns its failure in words, if it failed.
    pub fn release(&self, transport: &Transport, connected: bool) -> Result<Option<String>> {
        let Some(argv) = transport.disconnect.as_ref().filter(|_| connected || transport.connect.is_none()) else {
            return Ok(None);
        };
        let finished = transport.run_control_command(argv, self.spool.path(), self.programs);
        let failed = finished.ending != ProgramEnding::Exited(0);
        Ok(failed.then(|| format!("transport {}: disconnect {}", transport.name, finished.failure_text())))
    }

    /// Judges the answer of a connect or probe command. A broken one opens the circuit breaker. The inner error is why the
    /// transport cannot be used.
    fn judge(&self, transport: &Transport, what: &str, finished: &FinishedProgram) -> Result<Result<(), String>> {
        let reason = || format!("{what} {}", finished.failure_text());
        match finished.ending {
            ProgramEnding::Exited(0) => Ok(Ok(())),
            ProgramEnding::Exited(70 | 78) | ProgramEnding::NotStarted(_) => {
                self.open_breaker(transport, TroubleKind::Broken, &reason())?;
                Ok(Err(reason()))
            }
            _ => Ok(Err(reason())),
        }
    }

    /// Probes a transport outside of a run and records the answer. The inner error is why the transport cannot be used.
    pub fn probe(&self, transport: &Transport, argv: &[String]) -> Result<Result<(), String>> {
        let finished = transport.run_control_command(argv, self.spool.path(), self.programs);
        let verdict = self.judge(transport, "probe", &finished)?;
        self.note_probe(transport, verdict.as_ref().err())?;
        Ok(verdict)
    }

    /// Probes the server of a transport outside of a run, and records the answer. Returns what the server offers. A good
    /// probe of a server that wants a login has logged in, so that it ends the wait for a person as well. The inner error is
    /// why the transport cannot be used.
    pub fn probe_server(&self, transport: &Transport, client: &ClientSettings) -> Result<Result<String, String>> {
        let answer = probe::probe(client, self.programs);
        if let Err(trouble) = &answer {
            self.open_breaker(transport, trouble.kind, &trouble.text)?;
        } else if client.login.is_some() {
            self.close_breaker(transport)?;
        }
        let answer = answer.map_err(|trouble| trouble.text);
        self.note_probe(transport, answer.as_ref().err())?;
        Ok(answer)
    }

    fn note_probe(&self, transport: &Transport, trouble: Option<&String>) -> Result<()> {
        debug_assert!(trouble.is_none_or(|text| !text.is_empty()), "a failed probe says why");
        let probe =
            ProbeResult { at: self.time.now, ok: trouble.is_none(), text: trouble.cloned().unwrap_or_default() };
        Ok(self.spool.update_transport_state(&transport.name, |transport_state| {
            let waits_for_person = transport_state.waits_for_person(&transport.fingerprint);
            if probe.ok && waits_for_person {
                // A probe need not log in: a good one does not show that the login works.
            } else if probe.ok {
                (transport_state.breaker, transport_state.failed_trial) = (None, None);
            } else if !waits_for_person {
                transport_state.failed_trial = Some(self.failed_trial(&probe.text));
            }
            // A good answer after a good one changes nothing, and is not worth a write.
            if transport_state.probe.as_ref().is_none_or(|last| !last.ok || !probe.ok) {
                transport_state.probe = Some(probe);
            }
        })?)
    }

    /// Opens the circuit breaker: the transport is broken, and no mail is handed to it before the next trial.
    ///
    /// After a refused login the next trial is as far away as can be, so that the account is not locked, and no mail ends
    /// for its age: a person has to correct something first.
    pub fn open_breaker(&self, transport: &Transport, kind: TroubleKind, text: &str) -> Result<()> {
        let random = random();
        Ok(self.spool.update_transport_state(&transport.name, |transport_state| {
            let before = transport_state.breaker.take().filter(|before| before.config == transport.fingerprint);
            let waited_for_person = before.as_ref().is_some_and(|before| before.cause == BreakerCause::Auth);
            let cause = match kind {
                // No other failure shows that the login works again.
                TroubleKind::Broken if waited_for_person => BreakerCause::Auth,
                TroubleKind::Broken => BreakerCause::Failure,
                TroubleKind::LoginRefused => BreakerCause::Auth,
            };
            transport_state.failed_trial = match cause {
                BreakerCause::Failure => Some(self.failed_trial(text)),
                BreakerCause::Auth => None,
            };
            let is_same = |before: &&CircuitBreaker| {
                before.cause == cause && before.blocks(self.time.now, self.schedule.longest_delay())
            };
            if let Some(before) = before.as_ref().filter(is_same) {
                // A hand-off beside the one that opened it: the same failure, not one more.
                transport_state.breaker = Some(before.clone());
                return;
            }
            debug_assert!(before.as_ref().is_none_or(|before| before.failures > 0), "an open breaker has a failure");
            let failures = before.as_ref().map_or(0, |before| before.failures) + 1;
            transport_state.breaker = Some(CircuitBreaker {
                since: before.map_or(self.time.now, |before| before.since),
                until: self.time.now.after(match cause {
                    BreakerCause::Failure => self.schedule.delay(failures, random),
                    BreakerCause::Auth => self.schedule.max,
                }),
                cause,
                failures,
                text: text.to_owned(),
                config: transport.fingerprint.clone(),
            });
        })?)
    }

    /// Puts the next trial of a transport that waits for a person off: this one did not come to a login.
    pub fn put_trial_off(&self, transport: &Transport) -> Result<()> {
        let until = self.time.now.after(self.schedule.max);
        Ok(self.spool.update_transport_state(&transport.name, |transport_state| {
            if let Some(breaker) = &mut transport_state.breaker {
                breaker.until = until;
            }
        })?)
    }

    /// Closes the circuit breaker: the transport works again.
    pub fn close_breaker(&self, transport: &Transport) -> Result<()> {
        Ok(self.spool.update_transport_state(&transport.name, |transport_state| {
            (transport_state.breaker, transport_state.failed_trial) = (None, None);
        })?)
    }

    fn failed_trial(&self, text: &str) -> FailedTrial {
        FailedTrial { running: self.time.running, text: text.to_owned() }
    }
}
