//! Transports: whatever takes a message for some recipients and says what became of it.

use std::path::PathBuf;
use std::time::Duration;

use crate::mail::address::route::AcceptedAddresses;
use crate::mail::history::record::RecipientState;
use crate::transports::argv::{CommandTemplate, RecipientBatch};
use crate::transports::program::ResultChannel;

/// A configured transport.
#[derive(Clone, Debug, Hash)]
pub struct Transport {
    /// Its name: lower-case letters, digits, `-` and `_`.
    pub name: String,
    /// What it takes.
    pub accepts: AcceptedAddresses,
    /// How it delivers.
    pub method: DeliveryMethod,
    /// When a run of its command is killed.
    pub timeout: Duration,
    /// Hand-offs at once, in one run of the spooler.
    pub parallel: usize,
    /// What its success means.
    pub success_meaning: SuccessMeaning,
    /// A command that says whether it can be used now.
    pub probe: Option<Vec<String>>,
    /// What it needs for itself while it works.
    pub resource: Option<String>,
    /// Run once the resource is taken.
    pub connect: Option<Vec<String>>,
    /// Run before the resource is given back.
    pub disconnect: Option<Vec<String>>,
    /// Put into the environment of its commands.
    pub env: Vec<(String, String)>,
    /// How long a result that comes later is waited for.
    pub async_timeout: Duration,
    /// Filters that make what it is given, in order.
    pub preprocess: Vec<CommandTemplate>,
    /// Run once the message is finished, to undo what the filters did elsewhere.
    pub undo: Option<CommandTemplate>,
    /// Changes with its configuration.
    pub fingerprint: String,
}

/// How a transport delivers.
#[derive(Clone, Debug, Hash)]
pub enum DeliveryMethod {
    /// By running a command.
    Command {
        /// The command line.
        template: CommandTemplate,
        /// Where it says what became of the recipients.
        results: ResultChannel,
    },
    /// By filing in this Maildir.
    Maildir(PathBuf),
}

/// What taking responsibility means for the recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SuccessMeaning {
    /// It has the message.
    Delivered,
    /// Another system takes it further.
    Relayed,
}

impl Transport {
    /// How many recipients one hand-off takes.
    pub fn recipient_batch(&self) -> RecipientBatch {
        if self.preprocess.iter().any(|filter| filter.batch() == RecipientBatch::One) {
            return RecipientBatch::One;
        }
        match &self.method {
            DeliveryMethod::Command { template, .. } => template.batch(),
            DeliveryMethod::Maildir(_) => RecipientBatch::All,
        }
    }

    /// True when it reaches beyond this machine, as far as we can know: any command may.
    pub fn reaches_beyond_host(&self) -> bool {
        matches!(self.method, DeliveryMethod::Command { .. })
    }

    /// The word for how it delivers.
    pub fn kind(&self) -> &'static str {
        match self.method {
            DeliveryMethod::Command { .. } => "command",
            DeliveryMethod::Maildir(_) => "maildir",
        }
    }

    /// What a recipient is after success.
    pub fn success_state(&self) -> RecipientState {
        match self.success_meaning {
            SuccessMeaning::Delivered => RecipientState::Delivered,
            SuccessMeaning::Relayed => RecipientState::Relayed,
        }
    }
}
