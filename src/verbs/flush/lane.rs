//! A transport during a run: who may use it now, and what waits for it.

use std::collections::VecDeque;

use anyhow::Result;

use crate::agents::child::Finished;
use crate::agents::transport::Transport;
use crate::mail::answer::Ending;
use crate::mail::schedule::Schedule;
use crate::mail::time::Timestamp;
use crate::spool::Spool;
use crate::spool::gate::{Breaker, Gate, Probe, Resource};
use crate::sys::signals::Signals;

/// Whether a transport may be given mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ready {
    /// It may.
    Yes,
    /// It failed before and may be given one message, to see whether it works again.
    OneTrial,
    /// A resource, a connection or a probe comes first.
    Unprepared,
    /// Someone is seeing to that now.
    Preparing,
    /// Not in this run: why.
    No(String),
}

/// A transport during a run.
#[derive(Debug)]
pub struct Lane<'e> {
    /// The transport.
    pub transport: &'e Transport,
    /// Whether it may be given mail.
    pub ready: Ready,
    /// Hand-offs under way.
    pub running: usize,
    /// Messages that wait for it, as places in the list of what is due.
    pub backlog: VecDeque<usize>,
    /// The resource it has taken.
    pub resource: Option<Resource>,
    /// True between connect and disconnect.
    pub connected: bool,
    /// True while its disconnect command runs.
    pub leaving: bool,
    /// True when its breaker was open as the run began.
    pub broke_before: bool,
}

/// What stands between a run and its transports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Everything may be used.
    Online,
    /// Nothing that reaches beyond this machine may.
    Offline,
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

/// Whether a transport may be given mail now, by what is known without asking it.
pub fn known(transport: &Transport, gate: &Gate, reach: Reach, force: Force, now: Timestamp) -> Ready {
    if reach == Reach::Offline && transport.is_remote() {
        return Ready::No("offline".to_owned());
    }
    if let Some(reason) = paused(gate, now) {
        return Ready::No(reason);
    }
    let breaker = gate
        .breaker
        .as_ref()
        .filter(|breaker| breaker.config == transport.fingerprint && force != Force::BackoffAndBreaker);
    let prepares = transport.probe.is_some() || transport.resource.is_some() || transport.connect.is_some();
    match breaker {
        Some(breaker) if transport.probe.is_none() && breaker.until > now => {
            Ready::No(format!("broken until {}: {}", breaker.until, breaker.text))
        }
        _ if prepares => Ready::Unprepared,
        Some(_) => Ready::OneTrial,
        None => Ready::Yes,
    }
}

/// Why the operator's pause keeps mail from the transport, if it does.
pub fn paused(gate: &Gate, now: Timestamp) -> Option<String> {
    let pause = gate.pause.as_ref().filter(|pause| pause.until.is_none_or(|until| until > now))?;
    let until = pause.until.map_or(String::new(), |until| format!(" until {until}"));
    let reason = if pause.reason.is_empty() { String::new() } else { format!(": {}", pause.reason) };
    Some(format!("paused{until}{reason}"))
}

impl<'e> Lane<'e> {
    /// A lane that nothing waits for.
    pub fn new(transport: &'e Transport, ready: Ready, broke_before: bool) -> Lane<'e> {
        let backlog = VecDeque::new();
        Lane { transport, ready, running: 0, backlog, resource: None, connected: false, leaving: false, broke_before }
    }

    /// True when one more hand-off may begin now.
    pub fn has_room(&self) -> bool {
        match self.ready {
            _ if self.leaving => false,
            Ready::Yes => self.running < self.transport.parallel,
            Ready::OneTrial => self.running == 0,
            Ready::Unprepared | Ready::Preparing | Ready::No(_) => false,
        }
    }

    /// True when mail for it would be of use now or soon.
    pub fn wants_mail(&self) -> bool {
        self.backlog.is_empty() && (self.has_room() || self.ready == Ready::Unprepared)
    }

    /// True when it has taken something that must be given back.
    pub fn has_something(&self) -> bool {
        self.resource.is_some() || self.connected
    }

    /// It has given everything back, and would have to be prepared again.
    pub fn left(&mut self) {
        (self.resource, self.connected, self.leaving) = (None, false, false);
        if !matches!(self.ready, Ready::No(_)) {
            self.ready = Ready::Unprepared;
        }
    }

    /// It answered sensibly. True when that is news, and its breaker should close.
    pub fn works_again(&mut self) -> bool {
        if self.ready == Ready::OneTrial {
            self.ready = Ready::Yes;
        }
        std::mem::take(&mut self.broke_before)
    }

    /// True when nothing is under way and nothing waits.
    pub fn is_idle(&self) -> bool {
        self.running == 0 && self.backlog.is_empty()
    }
}

/// What preparing a transport came to.
#[derive(Debug)]
pub struct Prepared {
    /// Whether it may be given mail.
    pub ready: Ready,
    /// The resource that was taken for it.
    pub resource: Option<Resource>,
    /// True when its connect command has run.
    pub connected: bool,
    /// What somebody should look into. A resource in use, or a probe that says "not now", is no trouble.
    pub trouble: Option<String>,
}

/// The people who see to a transport's needs.
#[derive(Clone, Copy, Debug)]
pub struct Keeper<'e> {
    /// Where its state is kept.
    pub spool: &'e Spool,
    /// Which waits follow failures.
    pub schedule: Schedule,
    /// Who may interrupt.
    pub signals: &'e Signals,
    /// The time.
    pub now: Timestamp,
}

impl Keeper<'_> {
    /// Takes the resource, connects, probes.
    pub fn prepare(&self, transport: &Transport) -> Result<Prepared> {
        let no = |reason: String, trouble: Option<String>| Prepared {
            ready: Ready::No(reason),
            resource: None,
            connected: false,
            trouble,
        };
        let mut resource = None;
        if let Some(name) = &transport.resource {
            resource = self.spool.take_resource(name)?;
            if resource.is_none() {
                return Ok(no(format!("resource {name} is in use"), None));
            }
        }
        if let Some(argv) = &transport.connect {
            let finished = transport.run_beside(argv, self.spool.path(), self.signals);
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
            let finished = transport.run_beside(argv, self.spool.path(), self.signals);
            let verdict = self.judge(transport, "probe", &finished)?;
            self.note_probe(transport, verdict.as_ref().err())?;
            if let Err(reason) = verdict {
                self.leave(transport, connected)?;
                return Ok(no(reason, None));
            }
        }
        Ok(Prepared { ready: Ready::Yes, resource, connected, trouble: None })
    }

    /// Runs the disconnect command of a transport that was connected.
    pub fn leave(&self, transport: &Transport, connected: bool) -> Result<Option<String>> {
        let Some(argv) = transport.disconnect.as_ref().filter(|_| connected || transport.connect.is_none()) else {
            return Ok(None);
        };
        let finished = transport.run_beside(argv, self.spool.path(), self.signals);
        let failed = finished.ending != Ending::Exited(0);
        Ok(failed.then(|| format!("transport {}: disconnect {}", transport.name, finished.trouble())))
    }

    /// Reads the answer of a connect or probe command. One that says it can never work opens the breaker.
    fn judge(&self, transport: &Transport, what: &str, finished: &Finished) -> Result<Result<(), String>> {
        let reason = || format!("{what} {}", finished.trouble());
        match finished.ending {
            Ending::Exited(0) => Ok(Ok(())),
            Ending::Exited(70 | 78) | Ending::NotStarted(_) => {
                self.open_breaker(transport, &reason())?;
                Ok(Err(reason()))
            }
            _ => Ok(Err(reason())),
        }
    }

    /// Runs a transport's probe by itself and notes the answer: `Err` is why the transport cannot be used.
    pub fn probe(&self, transport: &Transport, argv: &[String]) -> Result<Result<(), String>> {
        let finished = transport.run_beside(argv, self.spool.path(), self.signals);
        let verdict = self.judge(transport, "probe", &finished)?;
        self.note_probe(transport, verdict.as_ref().err())?;
        Ok(verdict)
    }

    fn note_probe(&self, transport: &Transport, trouble: Option<&String>) -> Result<()> {
        let probe = Probe { at: self.now, ok: trouble.is_none(), text: trouble.cloned().unwrap_or_default() };
        Ok(self.spool.change_gate(&transport.name, |gate| {
            if probe.ok {
                gate.breaker = None;
            }
            // A good answer after a good one is no news, and not worth a write.
            if gate.probe.as_ref().is_none_or(|last| !last.ok || !probe.ok) {
                gate.probe = Some(probe);
            }
        })?)
    }

    /// Notes that the transport does not work, and for how long it is left alone.
    pub fn open_breaker(&self, transport: &Transport, text: &str) -> Result<()> {
        let random = crate::sys::random();
        Ok(self.spool.change_gate(&transport.name, |gate| {
            let before = gate.breaker.take().filter(|before| before.config == transport.fingerprint);
            if let Some(before) = before.as_ref().filter(|before| self.now < before.until) {
                // Handed over beside the one that opened it: the same failure, and not one more.
                gate.breaker = Some(before.clone());
                return;
            }
            let failures = before.as_ref().map_or(0, |before| before.failures) + 1;
            gate.breaker = Some(Breaker {
                since: before.map_or(self.now, |before| before.since),
                until: self.now.after(self.schedule.wait(failures, random)),
                failures,
                text: text.to_owned(),
                config: transport.fingerprint.clone(),
            });
        })?)
    }

    /// Notes that the transport works again.
    pub fn close_breaker(&self, transport: &Transport) -> Result<()> {
        Ok(self.spool.change_gate(&transport.name, |gate| gate.breaker = None)?)
    }
}
