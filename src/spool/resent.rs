//! Messages that were sent again from a report alone, so that nobody does so twice without knowing.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::sys::error::PathError;
use crate::values::time::Timestamp;

use crate::spool::Spool;
use crate::spool::error::SpoolError;
use crate::spool::transport_state::ResourceLock;

/// How long they are remembered.
const REMEMBERED: u64 = 60 * 86_400;

const FILE: &str = "resent";

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct ResentNote {
    messages: Vec<(String, String, Timestamp)>,
}

impl Spool {
    /// The right to send messages again; `None` while another run does.
    pub fn lock_resend(&self) -> Result<Option<ResourceLock>, PathError> {
        self.lock_file("resend.lock")
    }

    /// The addresses for which the message with this Message-ID is remembered.
    pub fn resent_for(&self, message_id: &str) -> Result<HashSet<String>, SpoolError> {
        let resent: ResentNote = self.state_file(FILE)?;
        let messages = resent.messages.into_iter().filter(|(known, _, _)| known == message_id);
        Ok(messages.map(|(_, address, _)| address).collect())
    }

    /// Remembers a message by its Message-ID, for these addresses.
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
                .retain(|(known, address, at)| !again(known, address) && now.since(*at).as_secs() < REMEMBERED);
            resent.messages.extend(addresses.iter().map(|address| (message_id.to_owned(), address.clone(), now)));
        })
    }
}
