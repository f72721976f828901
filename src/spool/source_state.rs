//! Persistent state of a source: the time of the last poll, and the messages that are filed but perhaps not
//! acknowledged, which the source may send again.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::mail::envelope::id::QueueId;
use crate::sys::dir;
use crate::sys::error::{AtPath, PathError};
use crate::values::time::Timestamp;

use crate::spool::error::SpoolError;
use crate::spool::transport_state::ResourceLock;
use crate::spool::{Spool, SpoolDirectory};

/// Persistent state of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceState {
    /// Time of the last complete poll.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub polled: Option<Timestamp>,
    /// Error of the last poll, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Messages that were filed, and whose acknowledgement is not confirmed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unacknowledged: Vec<UnacknowledgedMessage>,
}

/// Message that the source may send again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnacknowledgedMessage {
    /// Reference of the source for the message, if it gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Hash of the message's bytes.
    pub hash: String,
    /// Queue id of the message.
    pub id: QueueId,
    /// Time of filing.
    pub at: Timestamp,
}

/// Age at which an entry expires, in seconds: longer than mail systems keep mail that is not fetched.
const RETENTION_SECS: u64 = 60 * 86_400;

impl SourceState {
    /// True if a message with this reference and hash was filed before.
    pub fn knows(&self, reference: Option<&str>, hash: &str) -> bool {
        self.unacknowledged.iter().any(|known| known.reference.as_deref() == reference && known.hash == hash)
    }

    /// Adds a message and removes expired entries.
    pub fn remember(&mut self, message: UnacknowledgedMessage) {
        self.unacknowledged.retain(|known| message.at.since(known.at).as_secs() < RETENTION_SECS);
        if !self.knows(message.reference.as_deref(), &message.hash) {
            self.unacknowledged.push(message);
        }
    }

    /// Removes a message whose acknowledgement is confirmed.
    pub fn forget(&mut self, reference: Option<&str>, hash: &str) {
        self.unacknowledged.retain(|known| known.reference.as_deref() != reference || known.hash != hash);
    }
}

impl Spool {
    /// Returns the state of a source; the default if it was never polled.
    pub fn source_state(&self, inbound: &str) -> Result<SourceState, SpoolError> {
        self.state_file(&file_name(inbound))
    }

    /// Changes the state of a source, under a lock against other runs.
    pub fn update_source_state(&self, inbound: &str, change: impl FnOnce(&mut SourceState)) -> Result<(), SpoolError> {
        self.change_state_file(&file_name(inbound), change)
    }

    /// Returns the path of the file with references of messages that the source gave and keeps, and those references.
    pub fn seen_messages(&self, inbound: &str) -> Result<(PathBuf, HashSet<String>), PathError> {
        let dir = self.dir(SpoolDirectory::Transports)?;
        let name = seen_name(inbound);
        let mut text = String::new();
        dir.append_to_own(&name)?.read_to_string(&mut text).at("read", dir.path_of(&name))?;
        Ok((dir.path_of(&name), text.lines().map(str::to_owned).collect()))
    }

    /// Appends a reference to that file and syncs it, so that a crash does not fetch the message twice.
    pub fn remember_seen(&self, inbound: &str, reference: &str) -> Result<(), PathError> {
        let dir = self.dir(SpoolDirectory::Transports)?;
        let name = seen_name(inbound);
        let mut file = dir.append_to_own(&name)?;
        file.write_all(format!("{reference}\n").as_bytes()).at("write", dir.path_of(&name))?;
        dir::sync(&file, &dir.path_of(&name))
    }

    /// Locks polling of a source; `None` if another run holds the lock.
    pub fn lock_source(&self, inbound: &str) -> Result<Option<ResourceLock>, PathError> {
        self.lock_file(&format!("inbound.{inbound}.lock"))
    }
}

fn seen_name(inbound: &str) -> String {
    format!("inbound.{inbound}.seen")
}

/// File name of a source's state. It cannot collide with that of a transport, whose name has no dot.
fn file_name(inbound: &str) -> String {
    format!("inbound.{inbound}.json")
}
