//! Transport state: pause, circuit breaker and last probe. One state file per transport, so that runs of cron share it
//! and a report can read it without a running process.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::sys::error::{AtPath, PathError};
use crate::sys::lock;
use crate::values::time::{RunningTime, Timestamp};

use crate::spool::error::SpoolError;
use crate::spool::{Spool, SpoolDirectory};

/// Persistent state of a transport.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransportState {
    /// Pause by the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<TransportPause>,
    /// Circuit breaker, open after the transport reported that it is broken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<CircuitBreaker>,
    /// Result of the last probe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<ProbeResult>,
    /// Last failed trial, if none has succeeded and no pause has begun or ended since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_trial: Option<FailedTrial>,
}

/// Failed trial of a transport: a connection, a probe, or a hand-off that showed the transport broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedTrial {
    /// Running time of the spool at the trial.
    pub running: RunningTime,
    /// Error text of the transport.
    pub text: String,
}

/// Pause of a transport by the operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransportPause {
    /// Time of the pause.
    pub since: Timestamp,
    /// Time at which the pause ends; `None` until the operator resumes the transport.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Running time at which the pause ends, if that comes first: a clock that was wrong must not prolong it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_running: Option<RunningTime>,
    /// Reason that the operator gave; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// Open circuit breaker: no message is handed to the transport until the next trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CircuitBreaker {
    /// Time at which the breaker first opened.
    pub since: Timestamp,
    /// Time of the next trial, with one message.
    pub until: Timestamp,
    /// Number of consecutive failures of the transport.
    pub failures: u32,
    /// Cause of the last failure.
    #[serde(default, skip_serializing_if = "BreakerCause::is_failure")]
    pub cause: BreakerCause,
    /// Error text of the transport.
    pub text: String,
    /// Fingerprint of the failed configuration; a changed configuration closes the breaker.
    pub config: String,
}

/// Cause of an open circuit breaker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BreakerCause {
    /// The transport does not work.
    #[default]
    Failure,
    /// The next system refuses the login: the transport waits for a person.
    Auth,
}

impl BreakerCause {
    fn is_failure(&self) -> bool {
        *self == BreakerCause::Failure
    }
}

/// Result of a probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeResult {
    /// Time of the probe.
    pub at: Timestamp,
    /// True if the transport is available.
    pub ok: bool,
    /// Output of the probe; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// Lock of a resource that one transport uses at a time. Dropping it releases the resource.
#[derive(Debug)]
pub struct ResourceLock(std::fs::File);

impl TransportPause {
    /// Returns true while the pause lasts.
    pub fn lasts(&self, now: Timestamp, running: RunningTime) -> bool {
        self.until.is_none_or(|until| until > now) && self.until_running.is_none_or(|until| until > running)
    }
}

impl TransportState {
    /// Returns true if the transport with this configuration waits for a person, since its login was refused.
    pub fn waits_for_person(&self, config: &str) -> bool {
        self.breaker.as_ref().is_some_and(|breaker| breaker.cause == BreakerCause::Auth && breaker.config == config)
    }
}

impl CircuitBreaker {
    /// Returns true while no trial is due. A time further ahead than `longest_wait` comes from a clock that was wrong.
    pub fn blocks(&self, now: Timestamp, longest_wait: Duration) -> bool {
        self.until > now && self.until.since(now) <= longest_wait
    }
}

impl Spool {
    /// Returns the state of a transport; the default if it has no state file.
    pub fn transport_state(&self, transport: &str) -> Result<TransportState, SpoolError> {
        self.state_file(&file_name(transport))
    }

    /// Changes the state of a transport, under a lock against other runs.
    pub fn update_transport_state(
        &self,
        transport: &str,
        change: impl FnOnce(&mut TransportState),
    ) -> Result<(), SpoolError> {
        self.change_state_file(&file_name(transport), change)
    }

    /// Locks a resource; `None` if another run holds it.
    pub fn lock_resource(&self, name: &str) -> Result<Option<ResourceLock>, PathError> {
        self.lock_file(&format!("resource.{name}"))
    }

    /// Takes the lock file of this name; `None` if another run holds it.
    pub(super) fn lock_file(&self, name: &str) -> Result<Option<ResourceLock>, PathError> {
        let dir = self.dir(SpoolDirectory::Transports)?;
        let file = dir.open_or_create_own(name)?;
        Ok(lock::try_exclusive(&file).at("lock", dir.path_of(name))?.then_some(ResourceLock(file)))
    }
}

impl Drop for ResourceLock {
    fn drop(&mut self) {
        let _ = lock::unlock(&self.0);
    }
}

fn file_name(transport: &str) -> String {
    format!("{transport}.json")
}
