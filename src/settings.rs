//! The configuration as the verbs see it: checked, complete, every default filled in.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;

use crate::exit::{ExitStatus, refuse};
use crate::mail::address::pattern::AddressPattern;
use crate::mail::address::rewrite::RewriteRules;
use crate::mail::address::route;
use crate::mail::address::{Address, Sender};
use crate::mail::message::class::ClassFolders;
use crate::sys;
use crate::sys::trust::Trust;
use crate::transports::hook::Hook;
use crate::transports::notify::NotifyCommand;
use crate::transports::source::MailSource;
use crate::transports::transport::Transport;
use crate::values::quoting::quoted;
use crate::values::schedule::RetrySchedule;

/// Everything that was configured.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The spool's absolute path.
    pub spool: PathBuf,
    /// This host's name in ids and Message-IDs.
    pub hostname: String,
    /// The envelope sender of mail that comes without one.
    pub sender: Option<Sender>,
    /// How the queue is kept.
    pub queue: QueueSettings,
    /// The transports, in the order in which they are asked.
    pub transports: Vec<Transport>,
    /// Rules by which configured files and programs are trusted.
    pub trust: Arc<Trust>,
    /// Where this comes from.
    pub source: SettingsSource,
    /// True when no transport was written down, and only this host's own mail can be delivered.
    pub has_no_transports: bool,
    /// The Maildir that received mail is filed in.
    pub store: PathBuf,
    /// Addresses that are ours; `None` leaves it to the sender's and this user's own.
    pub identities: Option<Vec<AddressPattern>>,
    /// Where mail is fetched from.
    pub sources: Vec<MailSource>,
    /// Asked before received mail is filed.
    pub inbound_hooks: Vec<Hook>,
    /// Asked when sent mail is filed.
    pub outbound_hooks: Vec<Hook>,
    /// Which folder takes which message class.
    pub folders: ClassFolders,
    /// How the user is told of new mail.
    pub notify: Option<NotifyCommand>,
    /// Where reports to senders go.
    pub reports: ReportSettings,
    /// What becomes of addresses at the door.
    pub addresses: AddressSettings,
    /// What sendmail(1) does with a message once it is queued.
    pub sendmail: AfterSubmission,
}

/// What becomes of addresses at the door.
#[derive(Clone, Debug, Default)]
pub struct AddressSettings {
    /// The domain that addresses without one get; `None` leaves them to the transports.
    pub qualify: Option<String>,
    /// Alias files.
    pub aliases: Vec<PathBuf>,
    /// The `:include:` files, commands and files that aliases may stand for, as they stand there.
    pub allowed: Vec<String>,
    /// Rules for recipients.
    pub recipient_rules: RewriteRules,
    /// Rules for the envelope sender, and for `From` where sendmail(1) completes a header.
    pub sender_rules: RewriteRules,
}

/// What sendmail(1) does with a message once it is queued, if its caller does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterSubmission {
    /// Nothing: a flush or a watch will come.
    Queue,
    /// It starts a flush in the background.
    Background,
    /// It attempts the message before it ends.
    Attempt,
}

/// Where reports to senders go, and what they carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReportSettings {
    /// The way they take.
    pub via: ReportRoute,
    /// Bytes of a message up to which a report carries all of it.
    pub return_limit: u64,
}

/// The way that reports take to the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportRoute {
    /// They are received here: the senders are this spool's own user.
    Inbox,
    /// They are queued and routed like any mail.
    Queue,
}

/// When senders are told that mail is late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DelayWarning {
    /// After how long.
    pub after: Duration,
    /// Which senders.
    pub audience: DelayWarningAudience,
}

/// Which senders are told that mail is late.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DelayWarningAudience {
    /// Those who asked for it.
    OnRequest,
    /// All who did not say otherwise.
    UnlessDeclined,
}

/// How the queue is kept.
#[derive(Clone, Debug)]
pub struct QueueSettings {
    /// How long a message is tried.
    pub lifetime: Duration,
    /// When it is tried again.
    pub retry: RetrySchedule,
    /// How long finished mail is kept.
    pub keep_sent: Duration,
    /// How long mail that failed is kept.
    pub keep_failed: Duration,
    /// Largest message taken, in bytes.
    pub message_limit: u64,
    /// Free bytes below which no mail is taken.
    pub reserve: u64,
    /// When senders are told that mail is late.
    pub delay_warning: DelayWarning,
    /// The Maildir that a copy of sent mail is filed in, where its sender named none.
    pub sent: Option<PathBuf>,
}

/// Where the settings come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SettingsSource {
    /// This file.
    File(PathBuf),
    /// There is none; this is where the first one looked for would be.
    BuiltIn(PathBuf),
}

impl Settings {
    /// The transport that somebody named, or a refusal that lists those there are.
    pub fn known_transport(&self, name: &str) -> Result<usize> {
        match self.transport(name) {
            Some(place) => Ok(place),
            None => {
                let names: Vec<&str> = self.transports.iter().map(|transport| transport.name.as_str()).collect();
                refuse(
                    ExitStatus::Usage,
                    format!("there is no transport {}; configured: {}", quoted(name), names.join(", ")),
                )
            }
        }
    }

    /// Why mail that no transport takes is kept, and what to do.
    pub fn why_unconfigured(&self) -> String {
        match &self.source {
            SettingsSource::BuiltIn(path) => format!(
                "mail for other hosts is kept, for no transport is configured; write {} (`mspool init` makes one to start from)",
                path.display()
            ),
            SettingsSource::File(path) if self.has_no_transports => {
                format!("mail for other hosts is kept, for {} names no transport", path.display())
            }
            SettingsSource::File(path) => format!("mail is kept for a transport that {} does not name", path.display()),
        }
    }

    /// The place of the transport with this name.
    pub fn transport(&self, name: &str) -> Option<usize> {
        self.transports.iter().position(|transport| transport.name == name)
    }

    /// This user's address at this host.
    pub fn own_address(&self) -> String {
        format!("{}@{}", sys::user_name(), self.hostname)
    }

    /// Who is asked to take an address, first to last; the sender may have named the only one.
    pub fn candidates(&self, address: &Address, named: Option<&str>) -> Vec<usize> {
        match named {
            Some(name) => self.transport(name).into_iter().collect(),
            None => route::candidates(self.transports.iter().map(|transport| &transport.accepts), address),
        }
    }
}
