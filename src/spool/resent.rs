//! Messages that were sent again from an incoming report alone, noted so that a second time needs confirmation.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::mail::envelope::id::QueueId;
use crate::sys::error::PathError;
use crate::values::time::Timestamp;

use crate::spool::Spool;
use crate::spool::error::SpoolError;
use crate::spool::transport_state::ResourceLock;

/// Age at which a note expires, in seconds.
const RETENTION_SECS: u64 = 60 * 86_400;

const FILE: &str = "resent";

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct ResentNotes {
    messages: Vec<ResentNote>,
}

/// Note that a message was sent again for one address, or was about to be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResentNote {
    /// Its Message-ID.
    message: String,
    /// The address.
    pub address: String,
    /// When.
    at: Timestamp,
    /// The new message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<QueueId>,
    /// True once the new message is in the queue.
    #[serde(default)]
    pub queued: bool,
}

impl Spool {
    /// Locks sending again; `None` if another run holds the lock.
    pub fn lock_resend(&self) -> Result<Option<ResourceLock>, PathError> {
        self.lock_file("resend.lock")
    }

    /// Returns the notes on the message with this `Message-ID`.
    pub fn resent_notes(&self, message_id: &str) -> Result<Vec<ResentNote>, SpoolError> {
        let notes: ResentNotes = self.state_file(FILE)?;
        Ok(notes.messages.into_iter().filter(|note| note.message == message_id).collect())
    }

    /// Notes that the message with this `Message-ID` is resent to these addresses as this new message. Removes expired
    /// notes.
    pub fn remember_resent(
        &self,
        message_id: &str,
        addresses: &HashSet<String>,
        id: &QueueId,
        queued: bool,
        now: Timestamp,
    ) -> Result<(), SpoolError> {
        self.change_state_file(FILE, |notes: &mut ResentNotes| {
            let is_same = |note: &ResentNote| note.message == message_id && note.id.as_ref() == Some(id);
            notes.messages.retain(|note| !is_same(note) && now.since(note.at).as_secs() < RETENTION_SECS);
            notes.messages.extend(addresses.iter().map(|address| ResentNote {
                message: message_id.to_owned(),
                address: address.clone(),
                at: now,
                id: Some(id.clone()),
                queued,
            }));
        })
    }
}
