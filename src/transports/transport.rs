//! Transports: the sending side of the configuration.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::mail::address::AddressType;
use crate::mail::address::route::AcceptedAddresses;
use crate::mail::history::state::RecipientState;
use crate::transports::argv::{CommandTemplate, RecipientBatch};
use crate::transports::exits::ExitMeanings;
use crate::transports::program::ResultChannel;
use crate::transports::smtp::settings::ClientSettings;
use crate::values::table::Table;

crate::index_type! {
    /// Position of a transport in the order in which transports are asked, counted from 0.
    TransportIndex
}

/// Configured transports, in the order in which they are asked.
pub type Transports = Table<TransportIndex, Transport>;

/// Configured transport (`[transport.NAME]`).
#[derive(Clone, Debug, Hash)]
pub struct Transport {
    /// Name: lower-case letters, digits, `-` and `_`.
    pub name: String,
    /// Accepted types and addresses.
    pub accepts: AcceptedAddresses,
    /// Method of delivery.
    pub method: DeliveryMethod,
    /// Time limit for each run of a command.
    pub timeout: Duration,
    /// Maximum number of parallel hand-offs in one run; for a server the maximum number of sessions.
    pub parallel: usize,
    /// State of a recipient after success.
    pub success_meaning: SuccessMeaning,
    /// `probe`: command that checks if the transport is available.
    pub probe: Option<Vec<String>>,
    /// Resource that no other transport uses at the same time.
    pub resource: Option<String>,
    /// `connect`: command to run after the resource is locked.
    pub connect: Option<Vec<String>>,
    /// `disconnect`: command to run before the resource is released.
    pub disconnect: Option<Vec<String>>,
    /// Configured environment variables, as names and values.
    pub env: Vec<(String, String)>,
    /// Time limit for an asynchronous result.
    pub async_timeout: Duration,
    /// Filters (`preprocess`), in the order of their runs.
    pub preprocess: Vec<CommandTemplate>,
    /// `undo`: command to run after the message is finished, which reverts side effects of the filters.
    pub undo: Option<CommandTemplate>,
    /// Hash of the transport's configuration; a changed one closes the circuit breaker.
    pub fingerprint: String,
}

/// Method of delivery.
#[derive(Clone, Debug, Hash)]
pub enum DeliveryMethod {
    /// Run of a command.
    Command {
        /// Command line.
        template: CommandTemplate,
        /// Channel by which the command reports results.
        results: ResultChannel,
        /// Meanings of exit statuses that differ from the usual ones.
        exits: ExitMeanings,
    },
    /// Delivery to this Maildir.
    Maildir(PathBuf),
    /// Delivery to a server by SMTP or LMTP.
    Client(Box<ClientSettings>),
}

/// State of a recipient after the transport accepted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SuccessMeaning {
    /// `delivered`: the recipient has the message.
    Delivered,
    /// `relayed`: another system has accepted the message.
    Relayed,
}

/// Properties of a kind of transport, apart from its delivery code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MethodProperties {
    /// Word for the kind, as `report status` shows it.
    pub kind: &'static str,
    /// True if it may send mail to other hosts, and is not used with `--offline`.
    pub reaches_beyond_host: bool,
    /// Number of recipients that one hand-off takes.
    pub recipient_batch: RecipientBatch,
}

impl DeliveryMethod {
    /// Returns the properties of the kind. The match is exhaustive, so that a new kind cannot omit one.
    pub fn properties(&self) -> MethodProperties {
        match self {
            // Any command may reach beyond this machine: mspool cannot know.
            DeliveryMethod::Command { template, .. } => {
                MethodProperties { kind: "command", reaches_beyond_host: true, recipient_batch: template.batch() }
            }
            DeliveryMethod::Maildir(_) => {
                MethodProperties { kind: "maildir", reaches_beyond_host: false, recipient_batch: RecipientBatch::All }
            }
            DeliveryMethod::Client(client) => MethodProperties {
                kind: client.kind(),
                reaches_beyond_host: !client.is_local(),
                recipient_batch: RecipientBatch::All,
            },
        }
    }
}

/// Hand-offs that keep one session of a server busy.
const HAND_OFFS_PER_SESSION: usize = 3;

/// Exit status of msmtp(1) when the relay refuses the login.
const MSMTP_LOGIN_REFUSED: u8 = 77;

impl Transport {
    /// Returns the number of recipients per hand-off.
    pub fn recipient_batch(&self) -> RecipientBatch {
        if self.preprocess.iter().any(|filter| filter.batch() == RecipientBatch::One) {
            return RecipientBatch::One;
        }
        self.method.properties().recipient_batch
    }

    /// Returns the number of hand-offs that may be under way at once. A session of a server can have three: one whose
    /// final reply is awaited, one whose envelope is on its way, and one that is ready to follow.
    pub fn hand_offs_at_once(&self) -> usize {
        match &self.method {
            DeliveryMethod::Command { .. } | DeliveryMethod::Maildir(_) => self.parallel,
            DeliveryMethod::Client(_) => self.parallel * HAND_OFFS_PER_SESSION,
        }
    }

    /// True if programs get the messages: its command, or its filters.
    pub fn runs_programs(&self) -> bool {
        match &self.method {
            DeliveryMethod::Command { .. } => true,
            DeliveryMethod::Maildir(_) | DeliveryMethod::Client(_) => !self.preprocess.is_empty(),
        }
    }

    /// True if the transport may send mail to other hosts, which holds for every command.
    pub fn reaches_beyond_host(&self) -> bool {
        self.method.properties().reaches_beyond_host
    }

    /// Returns what is probably a mistake in the configuration of the transport, as sentences for the operator.
    pub fn warnings(&self) -> Vec<String> {
        let takes_all = self.accepts.patterns.is_empty() && self.accepts.types.contains(&AddressType::smtp());
        let text = match &self.method {
            DeliveryMethod::Maildir(_) if takes_all => {
                "takes all internet mail into a Maildir and calls it delivered; set match to the addresses of this host"
            }
            DeliveryMethod::Command { template, exits, .. }
                if Path::new(&template.program()).file_name().is_some_and(|name| name == "msmtp")
                    && !exits.contains_key(&MSMTP_LOGIN_REFUSED) =>
            {
                "a login that the relay refuses fails all mail for good; set exits = { 77 = \"auth\" }"
            }
            DeliveryMethod::Client(client) if client.sends_password_unencrypted() => {
                "sends its password unencrypted; remove tls = \"off\""
            }
            DeliveryMethod::Command { .. } | DeliveryMethod::Maildir(_) | DeliveryMethod::Client(_) => {
                return Vec::new();
            }
        };
        vec![format!("{}: {text}", self.name)]
    }

    /// Returns the word for the kind of transport, as `report status` shows it.
    pub fn kind(&self) -> &'static str {
        self.method.properties().kind
    }

    /// Returns the state of a recipient after success.
    pub fn success_state(&self) -> RecipientState {
        match self.success_meaning {
            SuccessMeaning::Delivered => RecipientState::Delivered,
            SuccessMeaning::Relayed => RecipientState::Relayed,
        }
    }
}
