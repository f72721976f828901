//! The queue of one transport during a run: whether the transport may be given mail now, and what waits for it.
//!
//! Everything here is a value: no clock, no files, no threads. So a simulation can drive it with any transports.

use std::collections::VecDeque;
use std::time::Duration;

use crate::delivery::plan::FailedTrials;
use crate::delivery::selection::ForceLevel;
use crate::session::Network;
use crate::spool::Spool;
use crate::spool::error::SpoolError;
use crate::spool::listing::MessageIndex;
use crate::spool::running_time::SpoolTime;
use crate::spool::transport_state::{BreakerCause, FailedTrial, TransportState};
use crate::transports::transport::{Transport, Transports};

/// Answer to whether a transport may be given mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Yes.
    Yes,
    /// Yes, one message: the transport failed before, and this is a trial.
    OneTrial,
    /// Not before a resource, a connection or a probe is seen to.
    Unprepared,
    /// Not yet: a thread is seeing to that now.
    Preparing,
    /// Not in this run, with the reason.
    No(String),
}

/// Configured limits of a transport that the scheduler keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// Hand-offs at once.
    pub parallel: usize,
    /// Name of the resource that the transport needs for itself.
    pub resource: Option<String>,
}

/// Queue of one transport during a run.
#[derive(Clone, Debug)]
pub struct TransportQueue {
    /// Configured limits.
    pub limits: QueueLimits,
    /// Answer to whether the transport may be given mail.
    pub readiness: Readiness,
    /// Hand-offs under way.
    pub running: usize,
    /// Messages whose hand-offs began, and whose turn at the server is still to come, in the order of their turns.
    pub turns: Vec<MessageIndex>,
    /// Messages that wait for the transport, in the order of their turns, none twice.
    pub backlog: VecDeque<MessageIndex>,
    /// True while the transport has its resource.
    pub holds_resource: bool,
    /// True between connect and disconnect.
    pub connected: bool,
    /// True while the transport is being released.
    pub releasing: bool,
    /// True when the circuit breaker was open as the run began, and no answer has closed it since.
    pub was_broken: bool,
    /// True when only we or root can have written its programs.
    pub trusted: bool,
}

/// Returns whether a transport may be given mail now, by what is known without asking it. `longest_wait` is the longest
/// time that a circuit breaker stays open.
pub fn readiness(
    transport: &Transport,
    state: &TransportState,
    network: Network,
    force: ForceLevel,
    time: SpoolTime,
    longest_wait: Duration,
) -> Readiness {
    if network == Network::Offline && transport.reaches_beyond_host() {
        return Readiness::No("offline".to_owned());
    }
    if let Some(reason) = pause_reason(state, time) {
        return Readiness::No(reason);
    }
    let breaker = state
        .breaker
        .as_ref()
        .filter(|breaker| breaker.config == transport.fingerprint && force != ForceLevel::BackoffAndBreaker);
    let prepares = transport.probe.is_some() || transport.resource.is_some() || transport.connect.is_some();
    match breaker {
        // A probe replaces the back-off of a broken transport, but need not show whether a login works again.
        Some(breaker)
            if (transport.probe.is_none() || breaker.cause == BreakerCause::Auth)
                && breaker.blocks(time.now, longest_wait) =>
        {
            Readiness::No(match breaker.cause {
                BreakerCause::Failure => format!("broken until {}: {}", breaker.until, breaker.text),
                BreakerCause::Auth => {
                    format!("waiting for a working login, next trial {}: {}", breaker.until, breaker.text)
                }
            })
        }
        _ if prepares => Readiness::Unprepared,
        Some(_) => Readiness::OneTrial,
        None => Readiness::Yes,
    }
}

/// Returns why an operator's pause keeps mail from the transport, if one does.
pub fn pause_reason(state: &TransportState, time: SpoolTime) -> Option<String> {
    let pause = state.pause.as_ref().filter(|pause| pause.lasts(time.now, time.running))?;
    let until = pause.until.map_or(String::new(), |until| format!(" until {until}"));
    let reason = if pause.reason.is_empty() { String::new() } else { format!(": {}", pause.reason) };
    Some(format!("paused{until}{reason}"))
}

/// Returns the failed trial that may end messages now: none where mail may not even be tried.
pub fn failed_trial(
    transport: &Transport,
    state: &TransportState,
    network: Network,
    time: SpoolTime,
) -> Option<FailedTrial> {
    let unused =
        (network == Network::Offline && transport.reaches_beyond_host()) || pause_reason(state, time).is_some();
    state.failed_trial.clone().filter(|_| !unused && !state.waits_for_person(&transport.fingerprint))
}

/// Reads the failed trial of each transport that may end messages now.
pub fn failed_trials(
    spool: &Spool,
    transports: &Transports,
    network: Network,
    time: SpoolTime,
) -> Result<FailedTrials, SpoolError> {
    let read =
        |transport: &Transport| Ok(failed_trial(transport, &spool.transport_state(&transport.name)?, network, time));
    transports.iter().map(read).collect()
}

impl TransportQueue {
    /// Makes an empty queue.
    pub fn new(limits: QueueLimits, readiness: Readiness, was_broken: bool) -> TransportQueue {
        TransportQueue {
            limits,
            readiness,
            running: 0,
            turns: Vec::new(),
            backlog: VecDeque::new(),
            holds_resource: false,
            connected: false,
            releasing: false,
            was_broken,
            trusted: false,
        }
    }

    /// Returns true when the transport is given no more mail in this run.
    pub fn is_closed(&self) -> bool {
        matches!(self.readiness, Readiness::No(_))
    }

    /// Returns true when one more hand-off may begin now.
    pub fn has_room(&self) -> bool {
        match self.readiness {
            _ if self.releasing => false,
            Readiness::Yes => self.running < self.limits.parallel,
            Readiness::OneTrial => self.running == 0,
            Readiness::Unprepared | Readiness::Preparing | Readiness::No(_) => false,
        }
    }

    /// Returns true when mail for the transport would be of use now or soon.
    pub fn wants_mail(&self) -> bool {
        self.backlog.is_empty() && (self.has_room() || self.readiness == Readiness::Unprepared)
    }

    /// Returns true when the transport holds something that must be given back.
    pub fn holds_something(&self) -> bool {
        self.holds_resource || self.connected
    }

    /// Returns true when nothing is under way and nothing waits.
    pub fn is_idle(&self) -> bool {
        self.running == 0 && self.backlog.is_empty()
    }

    /// Puts a message into the backlog, by its turn. A message that is there already stays there once.
    pub fn add(&mut self, message: MessageIndex) {
        let at = self.backlog.partition_point(|other| *other < message);
        if self.backlog.get(at) != Some(&message) {
            self.backlog.insert(at, message);
        }
        debug_assert!(self.backlog.iter().is_sorted(), "a backlog keeps the order of submission");
    }

    /// Returns true when a message waits in the backlog.
    pub fn has_waiting(&self, message: MessageIndex) -> bool {
        self.backlog.binary_search(&message).is_ok()
    }

    /// Counts a hand-off that begins.
    pub fn begin_hand_off(&mut self, message: MessageIndex) {
        debug_assert!(self.has_room(), "a hand-off begins only where there is room");
        self.running += 1;
        self.turns.push(message);
    }

    /// Returns true when the hand-offs that began earlier have had their turns.
    pub fn has_turn(&self, message: MessageIndex) -> bool {
        self.turns.first().is_none_or(|first| *first == message) || !self.turns.contains(&message)
    }

    /// Notes that a hand-off has had its turn.
    pub fn end_turn(&mut self, message: MessageIndex) {
        if let Some(at) = self.turns.iter().position(|waiting| *waiting == message) {
            self.turns.remove(at);
        }
    }

    /// Counts a hand-off that ended.
    pub fn end_hand_off(&mut self, message: MessageIndex) {
        debug_assert!(self.running > 0, "a hand-off ends once");
        self.running -= 1;
        self.end_turn(message);
    }

    /// Notes that the transport has given everything back; it is prepared again before it is given more.
    pub fn released(&mut self) {
        debug_assert!(self.running == 0, "a transport is released when no hand-off uses it");
        (self.holds_resource, self.connected, self.releasing) = (false, false, false);
        if !self.is_closed() {
            self.readiness = Readiness::Unprepared;
        }
    }

    /// Notes that the transport answered sensibly. Returns true when the circuit breaker should be closed.
    pub fn works_again(&mut self) -> bool {
        if self.readiness == Readiness::OneTrial {
            self.readiness = Readiness::Yes;
        }
        std::mem::take(&mut self.was_broken)
    }
}
