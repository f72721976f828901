//! Messages that were sent again from a report alone, so that nobody does so twice without knowing.

use serde::{Deserialize, Serialize};

use crate::mail::time::Timestamp;

use super::Spool;
use super::error::SpoolError;

/// How long they are remembered.
const REMEMBERED: u64 = 60 * 86_400;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Resent {
    messages: Vec<(String, Timestamp)>,
}

impl Spool {
    /// Remembers a message by its Message-ID; true when it was remembered before.
    pub fn remember_resent(&self, message_id: &str, now: Timestamp) -> Result<bool, SpoolError> {
        let mut known = false;
        self.change_state_file("resent", |resent: &mut Resent| {
            resent.messages.retain(|(_, at)| now.since(*at).as_secs() < REMEMBERED);
            known = resent.messages.iter().any(|(known, _)| known == message_id);
            if !known {
                resent.messages.push((message_id.to_owned(), now));
            }
        })?;
        Ok(known)
    }
}
