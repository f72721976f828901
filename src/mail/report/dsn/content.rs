//! Content of a DSN as values: the message, and the result for each recipient.

use crate::mail::address::{Address, Sender};
use crate::mail::envelope::id::QueueId;
use crate::mail::envelope::recipient::Recipient;
use crate::mail::history::state::ReportKind;
use crate::mail::report::dsn::returned::ReturnedEncoding;
use crate::mail::status::Status;
use crate::values::time::Timestamp;

/// Action of a DSN for one recipient (RFC 3464 section 2.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DsnAction {
    /// The recipient has the message.
    Delivered,
    /// The message went to a system that may send no further report.
    Relayed,
    /// Delivery is still being attempted.
    Delayed,
    /// Delivery failed permanently.
    Failed,
}

impl DsnAction {
    /// Returns the keyword of RFC 3464 section 2.3.3.
    pub(super) fn word(self) -> &'static str {
        match self {
            DsnAction::Delivered => "delivered",
            DsnAction::Relayed => "relayed",
            DsnAction::Delayed => "delayed",
            DsnAction::Failed => "failed",
        }
    }
}

/// Recipient in a DSN.
#[derive(Clone, Debug)]
pub struct DsnRecipient<'a> {
    /// Recipient in the envelope.
    pub recipient: &'a Recipient,
    /// Action for this recipient.
    pub action: DsnAction,
    /// Enhanced status code of the result.
    pub status: Status,
    /// Text of the transport, safe to print.
    pub text: &'a str,
    /// Transport that gave the text.
    pub transport: Option<&'a str>,
    /// Id that the next system gave to the message.
    pub remote_id: Option<&'a str>,
    /// Time of the last attempt.
    pub last_attempt: Option<Timestamp>,
    /// Time when the message expires, if that is in the future.
    pub retry_until: Option<Timestamp>,
}

/// Part of the message that a report returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReturnedPart {
    /// The whole message (`message/rfc822`).
    Full,
    /// The header only (`text/rfc822-headers`).
    Header,
}

/// Recipient of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DsnReader<'a> {
    /// The sender of the message.
    Sender(&'a Sender),
    /// The address that is told of failed mail from the null sender.
    Postmaster(&'a Address),
}

impl<'a> DsnReader<'a> {
    /// Returns the address, without a type.
    pub fn as_str(self) -> &'a str {
        match self {
            DsnReader::Sender(sender) => sender.as_str(),
            DsnReader::Postmaster(address) => address.text(),
        }
    }
}

/// Delivery status notification to be rendered.
#[derive(Debug)]
pub struct Dsn<'a> {
    /// Queue id of the report.
    pub id: &'a QueueId,
    /// Kind of the report.
    pub kind: ReportKind,
    /// Name of this host.
    pub host: &'a str,
    /// Date of the report.
    pub now: Timestamp,
    /// Recipient of the report.
    pub reader: DsnReader<'a>,
    /// Envelope id of the message: that of the sender, or the queue id.
    pub envid: &'a str,
    /// Queue id of the message.
    pub about_id: &'a QueueId,
    /// Arrival time of the message.
    pub arrival: Timestamp,
    /// Undecoded value of the message's `Subject`.
    pub subject: Option<String>,
    /// Value of the message's `Message-ID`, including brackets.
    pub message_id: Option<String>,
    /// Recipients in the report.
    pub recipients: Vec<DsnRecipient<'a>>,
    /// Part of the message that is returned.
    pub returned: ReturnedPart,
    /// Encoding that the returned bytes need.
    pub body: ReturnedEncoding,
}

/// Maximum length of a line in a DSN, in bytes without the line end; RFC 5322 section 2.1.1 allows 998.
pub(super) const MAX_LINE_BYTES: usize = 900;
