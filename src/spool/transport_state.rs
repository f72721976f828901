//! What is known of a transport between runs: paused, broken, last probe. One small file a transport, so that runs of
//! cron remember, and so that a report can read it without asking anybody.

use serde::{Deserialize, Serialize};

use crate::sys::error::{AtPath, PathError};
use crate::sys::lock;
use crate::values::time::Timestamp;

use crate::spool::error::SpoolError;
use crate::spool::{Spool, SpoolDirectory};

/// The state of one transport.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransportState {
    /// Set by the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<TransportPause>,
    /// Set when the transport says that it does not work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub breaker: Option<CircuitBreaker>,
    /// What its probe last said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<ProbeResult>,
}

/// An operator's pause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransportPause {
    /// When it began.
    pub since: Timestamp,
    /// When it ends by itself; `None` is never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// An open breaker: nothing is handed to the transport until it may be tried again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CircuitBreaker {
    /// When it first opened.
    pub since: Timestamp,
    /// When one message may be tried again.
    pub until: Timestamp,
    /// How often in a row the transport failed.
    pub failures: u32,
    /// What it said.
    pub text: String,
    /// The configuration that it failed with; another one closes the breaker.
    pub config: String,
}

/// A probe's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeResult {
    /// When it was asked.
    pub at: Timestamp,
    /// Whether the transport can be used.
    pub ok: bool,
    /// What it said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// A resource that one transport has at a time. Dropping it gives it back.
#[derive(Debug)]
pub struct ResourceLock(std::fs::File);

impl Spool {
    /// What is known of a transport. A name that has no file has no past.
    pub fn transport_state(&self, transport: &str) -> Result<TransportState, SpoolError> {
        self.state_file(&file_name(transport))
    }

    /// Changes what is known of a transport, one run at a time.
    pub fn update_transport_state(
        &self,
        transport: &str,
        change: impl FnOnce(&mut TransportState),
    ) -> Result<(), SpoolError> {
        self.change_state_file(&file_name(transport), change)
    }

    /// Takes a resource for this run; `None` when another has it.
    pub fn lock_resource(&self, name: &str) -> Result<Option<ResourceLock>, PathError> {
        self.lock_file(&format!("resource.{name}"))
    }

    /// Takes the lock of that name.
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
