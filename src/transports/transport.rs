//! Transports: whatever takes a message for some recipients and says what became of it.

use std::path::PathBuf;
use std::time::Duration;

use crate::mail::address::route::AcceptedAddresses;
use crate::mail::history::record::RecipientState;
use crate::transports::argv::{CommandTemplate, RecipientBatch};
use crate::transports::program::ResultChannel;
use crate::values::table::Table;

crate::index_type! {
    /// Position of a transport in the order in which transports are asked, counted from 0.
    TransportIndex
}

/// Configured transports, in the order in which they are asked.
pub type Transports = Table<TransportIndex, Transport>;

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

/// Properties of a kind of transport: what the program must know of it besides how to deliver, in one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MethodProperties {
    /// Word for the kind, as `report status` shows it.
    pub kind: &'static str,
    /// True when it may reach beyond this machine, and is not used with `--offline`.
    pub reaches_beyond_host: bool,
    /// Number of recipients that one hand-off takes.
    pub recipient_batch: RecipientBatch,
}

impl DeliveryMethod {
    /// Returns the properties of the kind. A new kind gets them here, and the compiler asks for all of them.
    pub fn properties(&self) -> MethodProperties {
        match self {
            // Any command may reach beyond this machine: mspool cannot know.
            DeliveryMethod::Command { template, .. } => {
                MethodProperties { kind: "command", reaches_beyond_host: true, recipient_batch: template.batch() }
            }
            DeliveryMethod::Maildir(_) => {
                MethodProperties { kind: "maildir", reaches_beyond_host: false, recipient_batch: RecipientBatch::All }
            }
        }
    }
}

impl Transport {
    /// How many recipients one hand-off takes.
    pub fn recipient_batch(&self) -> RecipientBatch {
        if self.preprocess.iter().any(|filter| filter.batch() == RecipientBatch::One) {
            return RecipientBatch::One;
        }
        self.method.properties().recipient_batch
    }

    /// Returns true when the transport reaches beyond this machine, as far as mspool can know.
    pub fn reaches_beyond_host(&self) -> bool {
        self.method.properties().reaches_beyond_host
    }

    /// Returns the word for the kind of transport, as `report status` shows it.
    pub fn kind(&self) -> &'static str {
        self.method.properties().kind
    }

    /// What a recipient is after success.
    pub fn success_state(&self) -> RecipientState {
        match self.success_meaning {
            SuccessMeaning::Delivered => RecipientState::Delivered,
            SuccessMeaning::Relayed => RecipientState::Relayed,
        }
    }
}
