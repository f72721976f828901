//! A transport during a run: whether it may be given mail now, and what waits for it.

use std::collections::VecDeque;

use crate::delivery::selection::ForceLevel;
use crate::session::Network;
use crate::spool::transport_state::{ResourceLock, TransportState};
use crate::transports::transport::Transport;
use crate::values::time::Timestamp;

/// Whether a transport may be given mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
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
pub struct TransportQueue<'e> {
    /// The transport.
    pub transport: &'e Transport,
    /// Whether it may be given mail.
    pub ready: Readiness,
    /// Hand-offs under way.
    pub running: usize,
    /// Messages that wait for it, as places in the list of what is due.
    pub backlog: VecDeque<usize>,
    /// The resource it has taken.
    pub resource: Option<ResourceLock>,
    /// True between connect and disconnect.
    pub connected: bool,
    /// True while its disconnect command runs.
    pub releasing: bool,
    /// True when its breaker was open as the run began.
    pub was_broken: bool,
    /// True when only we or root can have written its programs.
    pub trusted: bool,
}

/// Whether a transport may be given mail now, by what is known without asking it.
pub fn readiness(
    transport: &Transport,
    transport_state: &TransportState,
    reach: Network,
    force: ForceLevel,
    now: Timestamp,
) -> Readiness {
    if reach == Network::Offline && transport.reaches_beyond_host() {
        return Readiness::No("offline".to_owned());
    }
    if let Some(reason) = pause_reason(transport_state, now) {
        return Readiness::No(reason);
    }
    let breaker = transport_state
        .breaker
        .as_ref()
        .filter(|breaker| breaker.config == transport.fingerprint && force != ForceLevel::BackoffAndBreaker);
    let prepares = transport.probe.is_some() || transport.resource.is_some() || transport.connect.is_some();
    match breaker {
        Some(breaker) if transport.probe.is_none() && breaker.until > now => {
            Readiness::No(format!("broken until {}: {}", breaker.until, breaker.text))
        }
        _ if prepares => Readiness::Unprepared,
        Some(_) => Readiness::OneTrial,
        None => Readiness::Yes,
    }
}

/// Why the operator's pause keeps mail from the transport, if it does.
pub fn pause_reason(transport_state: &TransportState, now: Timestamp) -> Option<String> {
    let pause = transport_state.pause.as_ref().filter(|pause| pause.until.is_none_or(|until| until > now))?;
    let until = pause.until.map_or(String::new(), |until| format!(" until {until}"));
    let reason = if pause.reason.is_empty() { String::new() } else { format!(": {}", pause.reason) };
    Some(format!("paused{until}{reason}"))
}

impl<'e> TransportQueue<'e> {
    /// A lane that nothing waits for.
    pub fn new(transport: &'e Transport, ready: Readiness, was_broken: bool) -> TransportQueue<'e> {
        let backlog = VecDeque::new();
        TransportQueue {
            transport,
            ready,
            running: 0,
            backlog,
            resource: None,
            connected: false,
            releasing: false,
            was_broken,
            trusted: false,
        }
    }

    /// True when one more hand-off may begin now.
    pub fn has_room(&self) -> bool {
        match self.ready {
            _ if self.releasing => false,
            Readiness::Yes => self.running < self.transport.parallel,
            Readiness::OneTrial => self.running == 0,
            Readiness::Unprepared | Readiness::Preparing | Readiness::No(_) => false,
        }
    }

    /// True when mail for it would be of use now or soon.
    pub fn wants_mail(&self) -> bool {
        self.backlog.is_empty() && (self.has_room() || self.ready == Readiness::Unprepared)
    }

    /// True when it has taken something that must be given back.
    pub fn holds_something(&self) -> bool {
        self.resource.is_some() || self.connected
    }

    /// It has given everything back, and would have to be prepared again.
    pub fn released(&mut self) {
        (self.resource, self.connected, self.releasing) = (None, false, false);
        if !matches!(self.ready, Readiness::No(_)) {
            self.ready = Readiness::Unprepared;
        }
    }

    /// It answered sensibly. True when that is news, and its breaker should close.
    pub fn works_again(&mut self) -> bool {
        if self.ready == Readiness::OneTrial {
            self.ready = Readiness::Yes;
        }
        std::mem::take(&mut self.was_broken)
    }

    /// True when nothing is under way and nothing waits.
    pub fn is_idle(&self) -> bool {
        self.running == 0 && self.backlog.is_empty()
    }
}
