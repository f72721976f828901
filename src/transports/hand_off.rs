//! A hand-off: one message for some recipients, on its way into a transport.

use std::os::fd::BorrowedFd;
use std::path::Path;

use crate::mail::address::{Address, Sender};
use crate::mail::envelope::recipient::RecipientIndex;
use crate::mail::status::Status;
use crate::transports::answer::{ResultKind, TransportResult};

/// One message for some recipients, on its way into a transport.
#[derive(Debug)]
pub struct HandOff<'a> {
    /// The queue id.
    pub id: &'a str,
    /// The envelope sender.
    pub sender: &'a Sender,
    /// Whom it is for, each with its place in the envelope.
    pub recipients: &'a [(RecipientIndex, &'a Address)],
    /// The sender's name for the message, or the queue id.
    pub envid: &'a str,
    /// The number of this attempt, from 1.
    pub attempt: u32,
    /// What the sender said of the message's bytes: `7BIT`, `8BITMIME`, or nothing.
    pub body: &'a str,
    /// Where the spool is.
    pub spool: &'a Path,
    /// The message: an open file that stands at its first byte.
    pub input: BorrowedFd<'a>,
    /// Where in that file the message begins.
    pub body_at: u64,
    /// Whether an earlier attempt may have succeeded without anybody noticing.
    pub earlier_attempt: EarlierAttempt,
    /// Which of the messages made by preprocessing this is; empty for the only one.
    pub part: &'a str,
    /// Which messages made by preprocessing some recipients have already, by position in `recipients`.
    pub parts_delivered: &'a [(usize, String)],
    /// A directory for preprocessing, where the transport needs one.
    pub work: Option<&'a Path>,
    /// Bytes that preprocessing may make of the message.
    pub limit: u64,
}

/// What is known of earlier attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EarlierAttempt {
    /// None can have succeeded.
    NotDelivered,
    /// One ended unseen.
    MaybeDelivered,
}

/// The answer for recipients that were not even tried.
pub(super) fn refused_result(status: Status, text: &str) -> TransportResult {
    TransportResult::new(ResultKind::Failed, status, text)
}
