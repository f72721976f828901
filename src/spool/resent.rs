//! Messages that were sent again from a report alone, so that nobody does so twice without knowing.

use serde::{Deserialize, Serialize};

use crate::mail::time::Timestamp;
use crate::sys::error::PathError;

use super::Spool;
use super::error::SpoolError;
use super::gate::Resource;

/// How long they are remembered.
const REMEMBERED: u64 = 60 * 86_400;

const FILE: &str = "resent";

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Resent {
    messages: Vec<(String, Timestamp)>,
}

impl Spool {
    /// The right to send messages again; `None` while another run does.
    pub fn take_resend(&self) -> Result<Option<Resource>, PathError> {
        self.take("resend.lock")
    }

    /// True when the message with this Message-ID is remembered.
    pub fn was_resent(&self, message_id: &str) -> Result<bool, SpoolError> {
        let resent: Resent = self.state_file(FILE)?;
        Ok(resent.messages.iter().any(|(known, _)| known == message_id))
    }

    /// Remembers a message by its Message-ID.
    pub fn remember_resent(&self, message_id: &str, now: Timestamp) -> Result<(), SpoolError> {
        self.change_state_file(FILE, |resent: &mut Resent| {
            resent.messages.retain(|(known, at)| known != message_id && now.since(*at).as_secs() < REMEMBERED);
            resent.messages.push((message_id.to_owned(), now));
        })
    }
}
