//! Messages that were sent again from an incoming report alone, noted so that a second time needs confirmation.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::sys::error::PathError;
use crate::values::time::Timestamp;

use crate::spool::Spool;
use crate::spool::error::SpoolError;
use crate::spool::transport_state::ResourceLock;

/// Age at which a note expires, in seconds.
const RETENTION_SECS: u64 = 60 * 86_400;

const FILE: &str = "resent";

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct ResentNote {
    messages: Vec<(String, String, Timestamp)>,
}

impl Spool {
    /// Locks sending again; `None` if another run holds the lock.
    pub fn lock_resend(&self) -> Result<Option<ResourceLock>, PathError> {
        self.lock_file("resend.lock")
    }

    /// Returns the addresses to which the message with this `Message-ID` was sent again.
    pub fn resent_for(&self, message_id: &str) -> Result<HashSet<String>, SpoolError> {
        let resent: ResentNote = self.state_file(FILE)?;
        let messages = resent.messages.into_iter().filter(|(known, _, _)| known == message_id);
        Ok(messages.map(|(_, address, _)| address).collect())
    }

    /// Notes that the message with this `Message-ID` was sent again to these addresses. Removes expired notes.
    pub fn remember_resent(
        &self,
        message_id: &str,
        addresses: &HashSet<String>,
        now: Timestamp,
    ) -> Result<(), SpoolError> {
        self.change_state_file(FILE, |resent: &mut ResentNote| {
            let again = |known: &str, address: &str| known == message_id && addresses.contains(address);
            resent
                .messages
                .retain(|(known, address, at)| !again(known, address) && now.since(*at).as_secs() < RETENTION_SECS);
            resent.messages.extend(addresses.iter().map(|address| (message_id.to_owned(), address.clone(), now)));
        })
    }
}
