//! The content of a DSN as values: the message it is about, and what happened to each recipient.

use crate::mail::address::Sender;
use crate::mail::envelope::id::QueueId;
use crate::mail::envelope::recipient::Recipient;
use crate::mail::history::record::ReportKind;
use crate::mail::report::dsn::returned::ReturnedEncoding;
use crate::mail::status::Status;
use crate::values::time::Timestamp;

/// What became of one recipient (RFC 3464 section 2.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DsnAction {
    /// It has the message.
    Delivered,
    /// The message went to a system that promises no further report.
    Relayed,
    /// It is tried further.
    Delayed,
    /// It will not get the message.
    Failed,
}

impl DsnAction {
    pub(super) fn word(self) -> &'static str {
        match self {
            DsnAction::Delivered => "delivered",
            DsnAction::Relayed => "relayed",
            DsnAction::Delayed => "delayed",
            DsnAction::Failed => "failed",
        }
    }
}

/// One recipient in a report.
#[derive(Clone, Debug)]
pub struct DsnRecipient<'a> {
    /// Who.
    pub recipient: &'a Recipient,
    /// What became of it.
    pub action: DsnAction,
    /// The status code.
    pub status: Status,
    /// What the transport said, safe to print.
    pub text: &'a str,
    /// The transport that said so.
    pub transport: Option<&'a str>,
    /// The next system's name for the message.
    pub remote_id: Option<&'a str>,
    /// When it was last tried.
    pub last_attempt: Option<Timestamp>,
    /// When it is given up, if that is yet to come.
    pub retry_until: Option<Timestamp>,
}

/// How much of the message comes with the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReturnedPart {
    /// All of it (`message/rfc822`).
    Full,
    /// Its header (`text/rfc822-headers`).
    Header,
}

/// A report to be written.
#[derive(Debug)]
pub struct Dsn<'a> {
    /// Its own queue id.
    pub id: &'a QueueId,
    /// What it says.
    pub kind: ReportKind,
    /// This host.
    pub host: &'a str,
    /// When it is written.
    pub now: Timestamp,
    /// Whom it goes to.
    pub to: &'a Sender,
    /// The sender's name for the message, or its queue id.
    pub envid: &'a str,
    /// The message's queue id.
    pub about_id: &'a QueueId,
    /// When the message arrived.
    pub arrival: Timestamp,
    /// The value of its `Subject`, undecoded.
    pub subject: Option<String>,
    /// Its `Message-ID`, brackets included.
    pub message_id: Option<String>,
    /// About whom.
    pub recipients: Vec<DsnRecipient<'a>>,
    /// How much of the message comes with it.
    pub returned: ReturnedPart,
    /// What the returned bytes need.
    pub body: ReturnedEncoding,
}

/// Longest line written, in bytes without its end; RFC 5322 section 2.1.1 allows 998.
pub(super) const MAX_LINE_BYTES: usize = 900;
