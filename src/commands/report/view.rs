//! View of a message for reports.

use serde::Serialize;

use crate::commands::report::next_attempt::TransportDelays;
use crate::delivery::age::MessageAge;
use crate::mail::envelope::id::QueueId;
use crate::mail::envelope::recipient::Recipient;
use crate::mail::history::progress::UnprovenReport;
use crate::mail::history::record::LogRecord;
use crate::mail::history::state::RecipientState;
use crate::mail::message::mime;
use crate::mail::status::Status;
use crate::spool::file_name::FileName;
use crate::spool::queue_file::UnusableFile;
use crate::spool::{QueueState, Spool};
use crate::sys::error::PathError;
use crate::values::time::Timestamp;

/// Message with all its recipients. The member names of the JSON object never change.
#[derive(Clone, Debug, Serialize)]
pub struct MessageView {
    /// Queue id.
    pub id: QueueId,
    /// Durable state: the name of its directory.
    pub state: &'static str,
    /// Envelope sender; empty for the null sender.
    pub sender: String,
    /// Size of the message, in bytes.
    pub size: u64,
    /// Time at which the message was accepted.
    pub arrival: Timestamp,
    /// Time of the next attempt.
    pub next_attempt: Option<Timestamp>,
    /// What the next attempt waits for besides a time: `paused` or `auth`.
    #[serde(skip)]
    pub wait: Option<&'static str>,
    /// Number of delivery attempts, the maximum over the recipients.
    pub attempts: u32,
    /// Time at which the message expires.
    pub expires: Option<Timestamp>,
    /// Decoded `Subject`.
    pub subject: Option<String>,
    /// Id of the message of which this one is a resent copy.
    pub resend_of: Option<QueueId>,
    /// Envelope id given by the sender (RFC 3461, section 4.4).
    pub envid: Option<String>,
    /// True while a run is working on the message.
    pub active: bool,
    /// Reason why the message cannot be read.
    pub text: Option<String>,
    /// Records of the message, in their order.
    #[serde(skip)]
    pub records: Vec<LogRecord>,
    /// Recipients, in the order of the envelope.
    pub recipients: Vec<RecipientView>,
}

/// Recipient of a message. The member names of the JSON object never change.
#[derive(Clone, Debug, Serialize)]
pub struct RecipientView {
    /// Address type, such as `SMTP`.
    pub r#type: String,
    /// Address, without its type.
    pub address: String,
    /// Submitted address that an alias or a rule replaced by this one.
    pub expanded_from: Option<String>,
    /// State of the recipient.
    pub state: RecipientState,
    /// Status code of the last result (RFC 3463).
    pub status: Option<Status>,
    /// Text of the last result.
    pub text: String,
    /// Transport of the last attempt.
    pub transport: Option<String>,
    /// Id of the message at the next mail system.
    pub remote_id: Option<String>,
    /// Number of delivery attempts.
    pub attempts: u32,
    /// Start time of the last attempt.
    pub last_attempt: Option<Timestamp>,
    /// Time of the next attempt.
    pub next_attempt: Option<Timestamp>,
    /// True if mspool did not see the end of the last attempt.
    pub maybe_delivered: bool,
    /// Incoming reports that changed nothing, since anybody could have written them.
    pub unproven_reports: Vec<UnprovenReport>,
}

impl RecipientView {
    /// Returns the address, with its type unless that is `SMTP`.
    pub fn shown(&self) -> String {
        if self.r#type == "SMTP" { self.address.clone() } else { format!("{}:{}", self.r#type, self.address) }
    }
}

/// Reads a message for a report. Returns `None` if a run has renamed it in the meantime.
///
/// # Errors
///
/// An error if the message or its log cannot be read; a damaged message is no error, it gets a `text`.
pub fn view(
    spool: &Spool,
    delays: &TransportDelays<'_>,
    state: QueueState,
    name: &FileName,
) -> Result<Option<MessageView>, PathError> {
    let message = match spool.read(state, name) {
        Ok(message) => message,
        Err(UnusableFile::Gone) => return Ok(None),
        Err(UnusableFile::Path(error)) => return Err(error),
        Err(UnusableFile::Stray(reason)) => return Ok(Some(unreadable(spool, state, name, reason.to_owned())?)),
        Err(UnusableFile::Corrupt(reason) | UnusableFile::Incomplete(reason)) => {
            return Ok(Some(unreadable(spool, state, name, reason)?));
        }
    };
    let envelope = &message.envelope;
    if message.name.marks.result().is_some() {
        // What is told is durable, also if the run that marked it has not synced it yet.
        spool.sync_state(state)?;
    }
    let history = spool.history(&message)?;
    let records = spool.records(&message)?;
    let finished = matches!(state, QueueState::Sent | QueueState::Failed | QueueState::Corrupt);
    let waiting = matches!(state, QueueState::New | QueueState::Cur);
    let active = spool.is_active(&message, &history)?;
    let due = name.due.unwrap_or(envelope.arrival);
    let next = waiting.then(|| delays.of_message(envelope, &history, due));
    let subject = mime::subject(message.head());
    let recipient = |(Recipient { address, expanded_from, .. }, progress): (
        &Recipient,
        &crate::mail::history::progress::RecipientProgress,
    )| {
        RecipientView {
            r#type: address.kind().to_string(),
            address: address.text().to_owned(),
            expanded_from: expanded_from.clone(),
            // The directory is authoritative: a message in `sent` reached every recipient, even if its log lost records.
            state: if state == QueueState::Sent && !progress.state.is_settled() {
                RecipientState::Delivered
            } else {
                progress.state
            },
            status: progress.status,
            text: progress.text.clone(),
            transport: progress.transport.clone(),
            remote_id: progress.remote_id.clone(),
            attempts: progress.attempts,
            last_attempt: progress.last_attempt,
            next_attempt: progress.next.filter(|_| waiting && !progress.state.is_settled()),
            maybe_delivered: progress.outcome_unknown && !finished && !active,
            unproven_reports: progress.unproven_reports.clone(),
        }
    };
    Ok(Some(MessageView {
        id: envelope.id.clone(),
        state: state.word(),
        sender: envelope.sender.as_str().to_owned(),
        size: envelope.size,
        arrival: envelope.arrival,
        next_attempt: next.and_then(|next| next.time),
        wait: next.and_then(|next| next.wait),
        attempts: history.attempts(),
        expires: (!finished)
            .then(|| {
                // The lifetime does not end on hold, and begins again with a release.
                let end = (state != QueueState::Hold)
                    .then(|| MessageAge::of(envelope, &history, delays.time).reaches(delays.settings.queue.lifetime));
                end.into_iter().chain(envelope.deadline()).min()
            })
            .flatten(),
        subject,
        resend_of: envelope.resend_of.clone(),
        envid: envelope.envid.as_ref().map(|id| id.as_str().to_owned()),
        active,
        text: None,
        records,
        recipients: envelope.recipients.iter().zip(&history.recipients).map(recipient).collect(),
    }))
}

fn unreadable(spool: &Spool, state: QueueState, name: &FileName, reason: String) -> Result<MessageView, PathError> {
    Ok(MessageView {
        id: name.id.clone(),
        state: state.word(),
        sender: String::new(),
        size: 0,
        arrival: Timestamp::from_seconds(name.id.seconds()),
        next_attempt: None,
        wait: None,
        attempts: 0,
        expires: None,
        subject: None,
        resend_of: None,
        envid: None,
        active: false,
        text: Some(reason),
        records: spool.records_without_message(&name.id)?,
        recipients: Vec::new(),
    })
}
