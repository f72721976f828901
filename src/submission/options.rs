//! Options of a submission, the same for `enqueue`, sendmail(1) and SMTP.

use crate::mail::address::{Address, Sender};
use crate::mail::envelope::recipient::Recipient;
use crate::mail::envelope::request::{BodyType, EnvelopeId, NotifyOn, ReturnContent};
use crate::mail::envelope::{AfterSent, Priority};
use crate::spool::QueueState;
use crate::values::time::Timestamp;

/// Options that the sender of a message chooses.
#[derive(Clone, Debug)]
pub struct SubmissionOptions {
    /// Envelope sender; `None` means the configured one.
    pub sender: Option<Sender>,
    /// Address that gets bounces in place of the sender.
    pub report_to: Option<Sender>,
    /// Recipients given by the caller.
    pub recipients: Vec<Address>,
    /// Use of the header: whether it adds recipients.
    pub header: HeaderUse,
    /// Completion of the header.
    pub completion: HeaderCompletion,
    /// Body type (RFC 6152) declared by the caller.
    pub body: Option<BodyType>,
    /// Time before which delivery is not attempted.
    pub not_before: Option<Timestamp>,
    /// Time after which the message expires.
    pub deliver_by: Option<Timestamp>,
    /// Time after which the message is of no use; `None` means that of the header if it is used.
    pub expires: Option<Timestamp>,
    /// Events for which the sender wants a report (RFC 3461, section 4.1).
    pub notify: Option<NotifyOn>,
    /// Options of single recipients, which must be among the recipients.
    pub requests: Vec<Recipient>,
    /// Address for a receipt (RFC 8098).
    pub mdn_to: Option<Sender>,
    /// Part of the message that a bounce returns (RFC 3461, section 4.3).
    pub ret: Option<ReturnContent>,
    /// Envelope id (RFC 3461, section 4.4).
    pub envid: Option<EnvelopeId>,
    /// Priority among due messages; `None` means that of the header if it is used, or normal.
    pub priority: Option<Priority>,
    /// Treatment of the message after delivery.
    pub after_sent: AfterSent,
    /// Initial state of the message.
    pub initial_state: InitialState,
    /// Name of the only transport that may be used.
    pub transport: Option<String>,
}

impl SubmissionOptions {
    /// Returns options for these recipients, with the default for everything else.
    pub fn new(sender: Option<Sender>, recipients: Vec<Address>, completion: HeaderCompletion) -> SubmissionOptions {
        SubmissionOptions {
            sender,
            report_to: None,
            recipients,
            header: HeaderUse::None,
            completion,
            body: None,
            not_before: None,
            deliver_by: None,
            expires: None,
            notify: None,
            requests: Vec::new(),
            mdn_to: None,
            ret: None,
            envid: None,
            priority: None,
            after_sent: AfterSent::Default,
            initial_state: InitialState::Queued,
            transport: None,
        }
    }
}

/// Use of the header of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderUse {
    /// No use: every byte is kept.
    None,
    /// The header adds recipients (`-t`), and missing fields are completed.
    Recipients,
}

/// Completion of the header of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderCompletion {
    /// No completion.
    None,
    /// Completion of a submission agent: adds `Date` and `Message-ID`, and removes `Bcc`.
    Submission,
    /// Completion of sendmail(1): adds also `From` with this full name, and a `Received` field.
    Sendmail(Option<String>),
    /// Completion for SMTP: adds a `Received` field to those of a submission agent.
    Smtp {
        /// `from` clause of the `Received` field.
        from: String,
        /// Protocol in the `with` clause (RFC 3848).
        with: &'static str,
    },
}

/// Initial state of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitialState {
    /// Queued.
    Queued,
    /// On hold until it is released.
    Held,
}

impl InitialState {
    /// Returns the durable state.
    pub fn state(self) -> QueueState {
        match self {
            InitialState::Queued => QueueState::New,
            InitialState::Held => QueueState::Hold,
        }
    }
}
