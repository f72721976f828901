//! Meanings of exit statuses that a transport defines for itself (`exits`).

use std::collections::BTreeMap;

/// Meaning of an exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExitMeaning {
    /// Permanent failure of the message.
    Failed,
    /// Temporary failure of the message.
    Deferred,
    /// Broken transport: mail waits, and no attempt counts.
    Broken,
    /// Refused login: as a broken transport.
    Auth,
    /// Busy transport: mail waits, and no attempt counts.
    Busy,
    /// Mail for another transport.
    NotMe,
}

impl ExitMeaning {
    /// Every meaning, in the order of the manual.
    pub const ALL: [ExitMeaning; 6] = [
        ExitMeaning::Failed,
        ExitMeaning::Deferred,
        ExitMeaning::Broken,
        ExitMeaning::Auth,
        ExitMeaning::Busy,
        ExitMeaning::NotMe,
    ];

    /// Returns the word in the configuration.
    pub fn word(self) -> &'static str {
        match self {
            ExitMeaning::Failed => "failed",
            ExitMeaning::Deferred => "deferred",
            ExitMeaning::Broken => "broken",
            ExitMeaning::Auth => "auth",
            ExitMeaning::Busy => "busy",
            ExitMeaning::NotMe => "notme",
        }
    }
}

/// Meanings of exit statuses from 1 to 255 of one transport.
pub type ExitMeanings = BTreeMap<u8, ExitMeaning>;
