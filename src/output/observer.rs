//! Whoever wants to know what a run does.

use serde::Serialize;

use crate::mail::address::Address;
use crate::mail::envelope::id::QueueId;
use crate::mail::history::record::RecipientState;
use crate::mail::status::Status;
use crate::values::time::Timestamp;

/// What became of one recipient.
#[derive(Clone, Debug)]
pub struct RecipientEvent {
    /// The message.
    pub id: QueueId,
    /// The recipient.
    pub address: Address,
    /// Who said so; `None` when we did.
    pub transport: Option<String>,
    /// Where the recipient stands now.
    pub state: RecipientState,
    /// The status code.
    pub status: Status,
    /// What was said.
    pub text: String,
    /// When it is tried again, if it is.
    pub next: Option<Timestamp>,
}

/// A received message that was filed; texts are safe for a terminal.
#[derive(Clone, Debug, Serialize)]
pub struct NewMail {
    /// Its queue id.
    pub id: QueueId,
    /// Where it is.
    pub path: String,
    /// The folder; empty for the inbox itself.
    pub folder: String,
    /// Its message class.
    pub class: String,
    /// What holds of it.
    pub flags: Vec<&'static str>,
    /// Whom it is from, by its header.
    pub from: String,
    /// Its subject.
    pub subject: String,
}

impl NewMail {
    /// One line about it.
    pub fn sentence(&self) -> String {
        let folder = if self.folder.is_empty() { "the inbox" } else { &self.folder };
        format!("{}: new mail in {folder}, class {}, from {}: {}", self.id, self.class, self.from, self.subject)
    }
}

/// What a run tells while it goes on, from any of its threads.
pub trait RunObserver: Sync {
    /// A recipient was handled, and that is durable.
    fn handled(&self, handled: &RecipientEvent);
    /// Something is wrong that somebody should look into.
    fn error(&self, text: &str);
    /// A message that was not seen before is being looked at.
    fn message_started(&self, _id: &QueueId) {}
    /// A message is done with for this run.
    fn message_done(&self) {}
    /// A received message was filed.
    fn new_mail(&self, _news: &NewMail) {}
    /// A hook dropped a received message.
    fn dropped(&self, _id: &QueueId, _hook: &str) {}
    /// Another system has reported on a recipient.
    fn reported(&self, _handled: &RecipientEvent) {}
    /// A transport says how far it is.
    fn progress(&self, _transport: &str, _done: u64, _all: u64, _text: &str) {}
}

/// What a run came to, in recipients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunTally {
    /// Delivered.
    pub delivered: usize,
    /// Handed to a system that takes them further.
    pub relayed: usize,
    /// Tried, and still owed.
    pub deferred: usize,
    /// Given up.
    pub failed: usize,
    /// Not tried, for their transport cannot be used now.
    pub skipped: usize,
    /// Kept, for nobody has configured how they leave this machine.
    pub unconfigured: usize,
    /// Transports, messages and programs that were left alone, for another user could have written them.
    pub untrusted: usize,
    /// Things that went wrong with the spool itself.
    pub errors: usize,
    /// Messages at which somebody else was at work.
    pub busy: Vec<QueueId>,
    /// Messages that are due and were left: nothing to do for them before something changes.
    pub left: Vec<QueueId>,
}

impl RunTally {
    /// Takes the counts of another run in.
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

    /// Counts one recipient.
    pub fn count(&mut self, state: RecipientState) {
        match state {
            RecipientState::Delivered => self.delivered += 1,
            RecipientState::Relayed => self.relayed += 1,
            RecipientState::Failed => self.failed += 1,
            RecipientState::Owed | RecipientState::Async => self.deferred += 1,
            RecipientState::Cancelled | RecipientState::Read => {}
        }
    }
}
