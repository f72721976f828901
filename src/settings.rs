//! Checked configuration as the commands use it, with every default filled in.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use crate::exit::{RefusalKind, refuse};
use crate::mail::address::pattern::AddressPattern;
use crate::mail::address::rewrite::RewriteRules;
use crate::mail::address::route;
use crate::mail::address::{Address, Sender};
use crate::mail::message::class::ClassFolders;
use crate::spool::SpoolSharing;
use crate::sys;
use crate::sys::trust::Trust;
use crate::transports::hook::Hook;
use crate::transports::notify::NotifyCommand;
use crate::transports::source::MailSource;
use crate::transports::transport::{TransportIndex, Transports};
use crate::values::quoting::quoted;
use crate::values::schedule::RetrySchedule;

/// Complete settings of mspool.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Absolute path of the spool directory.
    pub spool: PathBuf,
    /// Name of this host in queue ids and `Message-ID` fields.
    pub hostname: String,
    /// Envelope sender of messages submitted without one.
    pub sender: Option<Sender>,
    /// Limits, retry schedule and retention of the queue.
    pub queue: QueueSettings,
    /// Transports, in the order in which they are tried.
    pub transports: Transports,
    /// Use of a filesystem that several machines can have mounted.
    pub sharing: SpoolSharing,
    /// Rules by which configured files and programs are trusted.
    pub trust: Arc<Trust>,
    /// Origin of these settings: a file or the defaults.
    pub source: SettingsSource,
    /// True if no transport is configured. Then only mail for this host can be delivered.
    pub has_no_transports: bool,
    /// Maildir that received mail is filed in.
    pub store: PathBuf,
    /// Addresses of this user; `None` means the default envelope sender and the login address.
    pub identities: Option<Vec<AddressPattern>>,
    /// Sources that mail is fetched from.
    pub sources: Vec<MailSource>,
    /// Hooks that run before received mail is filed.
    pub inbound_hooks: Vec<Hook>,
    /// Hooks that run before the copy of sent mail is filed.
    pub outbound_hooks: Vec<Hook>,
    /// Folder for each message class.
    pub folders: ClassFolders,
    /// Command that notifies the user of new mail.
    pub notify: Option<NotifyCommand>,
    /// Route and size limit of reports to senders.
    pub reports: ReportSettings,
    /// Alias files and rewrite rules for submitted addresses.
    pub addresses: AddressSettings,
    /// Action of sendmail(1) after a message is queued.
    pub sendmail: AfterSubmission,
}

/// Alias files and rewrite rules for submitted addresses.
#[derive(Clone, Debug, Default)]
pub struct AddressSettings {
    /// Domain added to addresses without one; `None` leaves them unchanged for the transports.
    pub qualify: Option<String>,
    /// Paths of the alias files, searched in order.
    pub aliases: Vec<PathBuf>,
    /// Permitted alias targets other than addresses: `:include:/FILE`, `|COMMAND` or `/FILE`, exactly as written in the
    /// alias file.
    pub allowed: Vec<String>,
    /// Rewrite rules for recipients.
    pub recipient_rules: RewriteRules,
    /// Rewrite rules for the envelope sender, and for `From` if sendmail(1) completes the header.
    pub sender_rules: RewriteRules,
}

/// Action of sendmail(1) after a message is queued, if the caller does not choose one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterSubmission {
    /// No action: the next flush or watch delivers the message.
    Queue,
    /// Start a flush in the background.
    Background,
    /// Attempt delivery before sendmail(1) exits.
    Attempt,
}

/// Route and size limit of reports to senders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportSettings {
    /// Route of a report to the sender.
    pub via: ReportRoute,
    /// Maximum size in bytes of a message that is returned in full.
    pub return_limit: u64,
    /// Address that is told of failed mail from the null sender, such as reports; `None` tells no one.
    pub double_bounce_to: Option<Address>,
}

/// Route of a report to the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportRoute {
    /// The report is received into this spool's own inbox.
    Inbox,
    /// The report is queued and delivered like other mail.
    Queue,
}

/// Delay warning: a report that a message is not delivered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DelayWarning {
    /// Age of the message at which the warning is sent.
    pub after: Duration,
    /// Senders who get a warning.
    pub audience: DelayWarningAudience,
}

/// Senders who get a delay warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DelayWarningAudience {
    /// Senders who requested delay reports.
    OnRequest,
    /// All senders except those who declined delay reports.
    UnlessDeclined,
}

/// Limits, retry schedule and retention of the queue.
#[derive(Clone, Debug)]
pub struct QueueSettings {
    /// Running time after which a failed attempt ends a message.
    pub lifetime: Duration,
    /// Delay before each further attempt.
    pub retry: RetrySchedule,
    /// Upper limit of the delay that a transport asks for with `retry-after`.
    pub max_retry_after: Duration,
    /// Retention time of delivered messages, in running time.
    pub keep_sent: Duration,
    /// Retention time of failed messages, in running time.
    pub keep_failed: Duration,
    /// Maximum size of a message, in bytes.
    pub message_limit: u64,
    /// Free disk space below which no mail is accepted, in bytes.
    pub reserve: u64,
    /// Time and audience of delay warnings.
    pub delay_warning: DelayWarning,
    /// Maildir for copies of sent mail whose sender named none.
    pub sent: Option<PathBuf>,
}

/// Origin of the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingsSource {
    /// This configuration file was read.
    File(PathBuf),
    /// No configuration file exists; this is the default path for one.
    BuiltIn(PathBuf),
}

impl Settings {
    /// Returns the index of the named transport.
    ///
    /// # Errors
    ///
    /// A refusal with [`RefusalKind::Usage`] that lists the configured transports.
    pub fn known_transport(&self, name: &str) -> Result<TransportIndex> {
        match self.transport(name) {
            Some(index) => Ok(index),
            None => {
                let names: Vec<&str> = self.transports.iter().map(|transport| transport.name.as_str()).collect();
                refuse(
                    RefusalKind::Usage,
                    format!("unknown transport {}; configured: {}", quoted(name), names.join(", ")),
                )
            }
        }
    }

    /// Returns the reason why mail without a transport is kept, and what to do.
    pub fn why_unconfigured(&self) -> String {
        match &self.source {
            SettingsSource::BuiltIn(path) => format!(
                "mail for other hosts stays queued: no transport is configured; create {} with \"mspool init\"",
                path.display()
            ),
            SettingsSource::File(path) if self.has_no_transports => {
                format!("mail for other hosts stays queued: {} has no [transport.NAME]", path.display())
            }
            SettingsSource::File(path) => format!("mail stays queued: its transport is not in {}", path.display()),
        }
    }

    /// Returns the index of the transport with this name.
    pub fn transport(&self, name: &str) -> Option<TransportIndex> {
        self.transports.find(|transport| transport.name == name)
    }

    /// Returns the address of this user at this host.
    pub fn own_address(&self) -> String {
        format!("{}@{}", sys::user_name(), self.hostname)
    }

    /// Returns the indices of the transports that accept an address, in the order in which they are tried. `named` is
    /// the transport that the sender chose; then it is the only one.
    pub fn candidates(&self, address: &Address, named: Option<&str>) -> Vec<TransportIndex> {
        match named {
            Some(name) => self.transport(name).into_iter().collect(),
            None => route::candidates(
                self.transports.entries().map(|(index, transport)| (index, &transport.accepts)),
                address,
            ),
        }
    }
}
