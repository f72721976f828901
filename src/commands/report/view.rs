//! A message as reports show it.

use serde::Serialize;

use crate::delivery::age::MessageAge;
use crate::mail::envelope::file_name::FileName;
use crate::mail::envelope::id::QueueId;
use crate::mail::envelope::recipient::Recipient;
use crate::mail::history::record::RecipientState;
use crate::mail::message::mime;
use crate::mail::status::Status;
use crate::settings::Settings;
use crate::spool::queue_file::UnusableFile;
use crate::spool::running_time::SpoolTime;
use crate::spool::{QueueState, Spool};
use crate::sys::error::PathError;
use crate::sys::locks_held::LocksHeld;
use crate::values::time::Timestamp;

/// A message with all its recipients; member names are a promise.
#[derive(Clone, Debug, Serialize)]
pub struct MessageView {
    /// The queue id.
    pub id: QueueId,
    /// The directory it lies in.
    pub state: &'static str,
    /// The envelope sender.
    pub sender: String,
    /// Bytes of the message.
    pub size: u64,
    /// When it was accepted.
    pub arrival: Timestamp,
    /// When there is something to do for it next.
    pub next_attempt: Option<Timestamp>,
    /// Attempts so far.
    pub attempts: u32,
    /// When it is given up.
    pub expires: Option<Timestamp>,
    /// Its decoded subject.
    pub subject: Option<String>,
    /// The message it sends again.
    pub resend_of: Option<QueueId>,
    /// The sender's name for it.
    pub envid: Option<String>,
    /// True while somebody is at work on it.
    pub active: bool,
    /// What is wrong with it, if it cannot be read.
    pub text: Option<String>,
    /// Its recipients.
    pub recipients: Vec<RecipientView>,
}

/// One recipient; member names are a promise.
#[derive(Clone, Debug, Serialize)]
pub struct RecipientView {
    /// The address type.
    pub r#type: String,
    /// The address.
    pub address: String,
    /// The address that an alias or a rule made this one of.
    pub expanded_from: Option<String>,
    /// Where it stands.
    pub state: RecipientState,
    /// The last status.
    pub status: Option<Status>,
    /// The last text.
    pub text: String,
    /// The transport of the last attempt.
    pub transport: Option<String>,
    /// The next system's name for the message.
    pub remote_id: Option<String>,
    /// Attempts so far.
    pub attempts: u32,
    /// When the last began.
    pub last_attempt: Option<Timestamp>,
    /// When it is tried again.
    pub next_attempt: Option<Timestamp>,
    /// True after an attempt that ended unseen.
    pub maybe_delivered: bool,
}

impl RecipientView {
    /// The address with its type, where that says something.
    pub fn shown(&self) -> String {
        if self.r#type == "SMTP" { self.address.clone() } else { format!("{}:{}", self.r#type, self.address) }
    }
}

/// Reads a message for a report; `None` when it has moved on meanwhile.
pub fn view(
    spool: &Spool,
    settings: &Settings,
    time: SpoolTime,
    held: &LocksHeld,
    state: QueueState,
    name: &FileName,
) -> Result<Option<MessageView>, PathError> {
    let message = match spool.read(state, name) {
        Ok(message) => message,
        Err(UnusableFile::Gone) => return Ok(None),
        Err(UnusableFile::Path(error)) => return Err(error),
        Err(UnusableFile::Stray(reason)) => return Ok(Some(unreadable(state, name, reason.to_owned()))),
        Err(UnusableFile::Corrupt(reason)) => return Ok(Some(unreadable(state, name, reason))),
    };
    let envelope = &message.envelope;
    let history = spool.history(envelope)?;
    let finished = matches!(state, QueueState::Sent | QueueState::Failed | QueueState::Corrupt);
    let waiting = matches!(state, QueueState::New | QueueState::Cur);
    let active = message.is_active(held);
    let subject = mime::subject(message.head());
    let recipient = |(Recipient { address, expanded_from, .. }, progress): (
        &Recipient,
        &crate::mail::history::RecipientProgress,
    )| {
        RecipientView {
            r#type: address.kind().to_string(),
            address: address.text().to_owned(),
            expanded_from: expanded_from.clone(),
            // The directory is the stronger fact: a message in `sent` has reached everybody, whatever its log lost.
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
        }
    };
    Ok(Some(MessageView {
        id: envelope.id.clone(),
        state: state.word(),
        sender: envelope.sender.as_str().to_owned(),
        size: envelope.size,
        arrival: envelope.arrival,
        next_attempt: waiting.then(|| name.due.unwrap_or(envelope.arrival)),
        attempts: history.attempts(),
        expires: (!finished).then(|| {
            let end = MessageAge::of(envelope, &history, time).reaches(settings.queue.lifetime);
            envelope.deliver_by.map_or(end, |deadline| deadline.min(end))
        }),
        subject,
        resend_of: envelope.resend_of.clone(),
        envid: envelope.envid.as_ref().map(|id| id.as_str().to_owned()),
        active,
        text: None,
        recipients: envelope.recipients.iter().zip(&history.recipients).map(recipient).collect(),
    }))
}

fn unreadable(state: QueueState, name: &FileName, reason: String) -> MessageView {
    MessageView {
        id: name.id.clone(),
        state: state.word(),
        sender: String::new(),
        size: 0,
        arrival: Timestamp::from_seconds(name.id.seconds()),
        next_attempt: None,
        attempts: 0,
        expires: None,
        subject: None,
        resend_of: None,
        envid: None,
        active: false,
        text: Some(reason),
        recipients: Vec::new(),
    }
}
