//! What is known of an inbound transport between runs: when it was asked, and which messages are safe here of which it
//! may not know that.

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

/// The state of one inbound transport.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceState {
    /// When it was last asked to the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub polled: Option<Timestamp>,
    /// Why that failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
    /// Messages that were filed before the source was told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unacknowledged: Vec<UnacknowledgedMessage>,
}

/// A message that may come again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnacknowledgedMessage {
    /// The source's name for it, if it gave one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// A hash of its bytes.
    pub hash: String,
    /// Our name for it.
    pub id: QueueId,
    /// When it was filed.
    pub at: Timestamp,
}

/// How long such a message is remembered: longer than mail systems keep what nobody takes.
const REMEMBERED: u64 = 60 * 86_400;

impl SourceState {
    /// True when this message was filed before.
    pub fn knows(&self, reference: Option<&str>, hash: &str) -> bool {
        self.unacknowledged.iter().any(|known| known.reference.as_deref() == reference && known.hash == hash)
    }

    /// Remembers a message, and forgets those that are too old to come again.
    pub fn remember(&mut self, message: UnacknowledgedMessage) {
        self.unacknowledged.retain(|known| message.at.since(known.at).as_secs() < REMEMBERED);
        if !self.knows(message.reference.as_deref(), &message.hash) {
            self.unacknowledged.push(message);
        }
    }

    /// The source knows that the message is safe.
    pub fn forget(&mut self, reference: Option<&str>, hash: &str) {
        self.unacknowledged.retain(|known| known.reference.as_deref() != reference || known.hash != hash);
    }
}

impl Spool {
    /// What is known of an inbound transport.
    pub fn source_state(&self, inbound: &str) -> Result<SourceState, SpoolError> {
        self.state_file(&file_name(inbound))
    }

    /// Changes what is known of an inbound transport, one run at a time.
    pub fn update_source_state(&self, inbound: &str, change: impl FnOnce(&mut SourceState)) -> Result<(), SpoolError> {
        self.change_state_file(&file_name(inbound), change)
    }

    /// The file with the names of messages that an inbound transport gave and keeps, and those names.
    pub fn seen_messages(&self, inbound: &str) -> Result<(PathBuf, HashSet<String>), PathError> {
        let dir = self.dir(SpoolDirectory::Transports)?;
        let name = seen_name(inbound);
        let mut text = String::new();
        dir.append_to_own(&name)?.read_to_string(&mut text).at("read", dir.path_of(&name))?;
        Ok((dir.path_of(&name), text.lines().map(str::to_owned).collect()))
    }

    /// Adds a name to them, durably.
    pub fn remember_seen(&self, inbound: &str, reference: &str) -> Result<(), PathError> {
        let dir = self.dir(SpoolDirectory::Transports)?;
        let name = seen_name(inbound);
        let mut file = dir.append_to_own(&name)?;
        file.write_all(format!("{reference}\n").as_bytes()).at("write", dir.path_of(&name))?;
        dir::sync(&file, &dir.path_of(&name))
    }

    /// The right to ask an inbound transport; `None` while another run does.
    pub fn lock_source(&self, inbound: &str) -> Result<Option<ResourceLock>, PathError> {
        self.lock_file(&format!("inbound.{inbound}.lock"))
    }
}

fn seen_name(inbound: &str) -> String {
    format!("inbound.{inbound}.seen")
}

/// No transport is called so: their names have no dot.
fn file_name(inbound: &str) -> String {
    format!("inbound.{inbound}.json")
}
