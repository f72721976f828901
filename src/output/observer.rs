//! Events of a run, and the counts at its end.

use serde::Serialize;

use crate::mail::address::Address;
use crate::mail::envelope::id::QueueId;
use crate::mail::history::state::{RecipientEventKind, RecipientState};
use crate::mail::status::Status;
use crate::values::time::Timestamp;

/// Result for one recipient.
#[derive(Clone, Debug)]
pub struct RecipientEvent {
    /// Queue id of the message.
    pub id: QueueId,
    /// Address of the recipient.
    pub address: Address,
    /// Name of the transport that gave the result; `None` for a decision of mspool itself.
    pub transport: Option<String>,
    /// New state of the recipient.
    pub state: RecipientState,
    /// Status code (RFC 3463).
    pub status: Status,
    /// Explanation of the status; may be empty.
    pub text: String,
    /// Time of the next attempt, if there is one.
    pub next: Option<Timestamp>,
}

/// Received message that was filed. All texts are safe for a terminal.
#[derive(Clone, Debug, Serialize)]
pub struct NewMail {
    /// Queue id.
    pub id: QueueId,
    /// Path of the filed message.
    pub path: String,
    /// Folder; empty for the inbox itself.
    pub folder: String,
    /// Message class.
    pub class: String,
    /// Flags that the classification found.
    pub flags: Vec<&'static str>,
    /// Author, from the `From` field.
    pub from: String,
    /// Subject, from the `Subject` field.
    pub subject: String,
}

impl NewMail {
    /// Returns one line about the message.
    pub fn sentence(&self) -> String {
        let folder = if self.folder.is_empty() { "the inbox" } else { &self.folder };
        format!("{}: new mail in {folder}, class {}, from {}: {}", self.id, self.class, self.from, self.subject)
    }
}

/// Receiver of a run's events, which come from any of its threads.
pub trait RunObserver: Sync {
    /// A recipient was handled; the result is durable.
    fn handled(&self, handled: &RecipientEvent);
    /// An error that needs the operator's attention.
    fn error(&self, text: &str);
    /// Work on a message begins, for the first time in this run.
    fn message_started(&self, _id: &QueueId) {}
    /// Work on a message ends, for this run.
    fn message_done(&self) {}
    /// A received message was filed.
    fn new_mail(&self, _news: &NewMail) {}
    /// An inbound hook dropped a received message.
    fn dropped(&self, _id: &QueueId, _hook: &str) {}
    /// An incoming report changed a recipient.
    fn reported(&self, _handled: &RecipientEvent) {}
    /// A transport reported its progress: `done` of `all` steps.
    fn progress(&self, _transport: &str, _done: u64, _all: u64, _text: &str) {}
}

/// Counts of a run. Except where noted, the unit is recipients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunTally {
    /// Number of delivered recipients.
    pub delivered: usize,
    /// Number of recipients that another system accepted for relaying.
    pub relayed: usize,
    /// Number of recipients that were attempted and are still owed, or whose result comes later.
    pub deferred: usize,
    /// Number of permanently failed recipients.
    pub failed: usize,
    /// Number of recipients that were not attempted because their transport is unavailable.
    pub skipped: usize,
    /// Number of recipients without a configured transport. These stay owed and do not bounce.
    pub unconfigured: usize,
    /// Number of transports, messages and programs that were left alone, since another user could have written them.
    pub untrusted: usize,
    /// Number of errors of the spool itself.
    pub errors: usize,
    /// Messages that another run was working on.
    pub busy: Vec<QueueId>,
    /// Messages that are due, but cannot be attempted until a transport or the configuration changes.
    pub left: Vec<QueueId>,
}

impl RunTally {
    /// Adds the counts of another run.
    pub fn add(&mut self, other: RunTally) {
        self.delivered += other.delivered;
        self.relayed += other.relayed;
        self.deferred += other.deferred;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.unconfigured += other.unconfigured;
        self.untrusted += other.untrusted;
        self.errors += other.errors;
        self.busy.extend(other.busy);
        self.left.extend(other.left);
    }

    /// Counts one recipient by its new state.
    pub fn count(&mut self, state: RecipientState) {
        match state.properties().event {
            RecipientEventKind::Delivered => self.delivered += 1,
            RecipientEventKind::Relayed => self.relayed += 1,
            RecipientEventKind::Failed => self.failed += 1,
            RecipientEventKind::Deferred => self.deferred += 1,
            RecipientEventKind::Changed => {}
        }
    }
}
