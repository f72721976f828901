//! What a submission asks for, whatever door it comes through.

use crate::mail::address::{Address, Sender};
use crate::mail::envelope::recipient::Recipient;
use crate::mail::envelope::request::{BodyType, EnvelopeId, NotifyOn, ReturnContent};
use crate::mail::envelope::{AfterSent, Priority};
use crate::spool::QueueState;
use crate::values::time::Timestamp;

/// What the sender of a message asks for.
#[derive(Clone, Debug)]
pub struct SubmissionOptions {
    /// The envelope sender, if the caller gave one.
    pub sender: Option<Sender>,
    /// Where reports go instead of to the sender.
    pub report_to: Option<Sender>,
    /// The recipients that were given.
    pub recipients: Vec<Address>,
    /// Whether the header names recipients too.
    pub header: HeaderUse,
    /// What is put into the header.
    pub completion: HeaderCompletion,
    /// How many bits the caller says its bytes have.
    pub body: Option<BodyType>,
    /// Not to be attempted before.
    pub not_before: Option<Timestamp>,
    /// Of no use after.
    pub deliver_by: Option<Timestamp>,
    /// On what reports are wanted.
    pub notify: Option<NotifyOn>,
    /// What is asked for single recipients.
    pub requests: Vec<Recipient>,
    /// Whom readers are asked to tell that they have read it.
    pub mdn_to: Option<Sender>,
    /// How much of the message a report carries.
    pub ret: Option<ReturnContent>,
    /// The sender's name for the message.
    pub envid: Option<EnvelopeId>,
    /// Whose turn it is among messages that are due.
    pub priority: Priority,
    /// What becomes of the message afterwards.
    pub after_sent: AfterSent,
    /// Where the message begins.
    pub initial_state: InitialState,
    /// The only transport to be used.
    pub transport: Option<String>,
}

impl SubmissionOptions {
    /// For these recipients, and nothing asked beyond that.
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
            notify: None,
            requests: Vec::new(),
            mdn_to: None,
            ret: None,
            envid: None,
            priority: Priority::Normal,
            after_sent: AfterSent::Default,
            initial_state: InitialState::Queued,
            transport: None,
        }
    }
}

/// What the header of a message is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderUse {
    /// Nothing: every byte stays as it is.
    None,
    /// It names recipients; what it lacks is put in.
    Recipients,
}

/// What is put into the header of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderCompletion {
    /// Nothing.
    None,
    /// What a submission agent completes: `Date` and `Message-ID`; and `Bcc` goes.
    Submission,
    /// What sendmail(1) completes: `From` with this name too, and a trace.
    Sendmail(Option<String>),
    /// The trace of a message that came by SMTP, and what a submission agent completes.
    Smtp {
        /// Where it came from.
        from: String,
        /// The protocol (RFC 3848).
        with: &'static str,
    },
}

/// Where a message begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitialState {
    /// In the queue.
    Queued,
    /// Set aside, until it is released.
    Held,
}

impl InitialState {
    /// The state that the message begins in.
    pub fn state(self) -> QueueState {
        match self {
            InitialState::Queued => QueueState::New,
            InitialState::Held => QueueState::Hold,
        }
    }
}
