//! Hand-off: a message and the recipients that a transport gets in one delivery attempt.

use std::os::fd::BorrowedFd;
use std::path::Path;

use crate::mail::address::{Address, Sender};
use crate::mail::envelope::Envelope;
use crate::mail::envelope::id::QueueId;
use crate::mail::envelope::recipient::RecipientIndex;
use crate::mail::status::Status;
use crate::transports::answer::{ResultKind, TransportResult};

/// Message and recipients of one delivery attempt.
#[derive(Debug)]
pub struct HandOff<'a> {
    /// Queue id.
    pub id: &'a QueueId,
    /// Envelope of the message.
    pub envelope: &'a Envelope,
    /// Envelope sender.
    pub sender: &'a Sender,
    /// Envelope sender with a tag that proves bounces; empty for the null sender.
    pub return_path: &'a str,
    /// Recipients, each with its index in the envelope.
    pub recipients: &'a [(RecipientIndex, &'a Address)],
    /// Path of a file with all recipients of the message, one per line; empty for a transport that runs no programs.
    pub all_recipients: &'a str,
    /// Priority of the message, as a word.
    pub priority: &'a str,
    /// Envelope id of the sender, or the queue id with a tag that proves reports.
    pub envid: &'a str,
    /// Number of this attempt, from 1.
    pub attempt: u32,
    /// Body type that the sender declared: `7BIT`, `8BITMIME` or empty.
    pub body: &'a str,
    /// Path of the spool.
    pub spool: &'a Path,
    /// Message: for a transport that runs programs a private copy, positioned at its first byte.
    pub input: BorrowedFd<'a>,
    /// Claimed file, whose lock the programs of the transport hold while they run.
    pub lock: BorrowedFd<'a>,
    /// Offset of the message in that file, in bytes.
    pub body_at: u64,
    /// Possible success of an earlier attempt whose end was not recorded.
    pub earlier_attempt: EarlierAttempt,
    /// Name of this filtered message; empty for the only one.
    pub part: &'a str,
    /// Filtered messages that recipients have already: index in `recipients`, and name of the message.
    pub parts_delivered: &'a [(usize, String)],
    /// Work directory for filters, if the transport has any.
    pub work: Option<&'a Path>,
    /// Size limit for a filter's output, in bytes.
    pub limit: u64,
}

/// Knowledge about earlier attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EarlierAttempt {
    /// All earlier attempts are known to have failed.
    NotDelivered,
    /// The end of an earlier attempt was not recorded: it may have succeeded.
    MaybeDelivered,
}

/// Returns a permanent failure for a recipient that was not attempted.
pub(super) fn refused_result(status: Status, text: &str) -> TransportResult {
    TransportResult::new(ResultKind::Failed, status, text)
}
