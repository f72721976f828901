//! Original of a resent message: a message of this spool, or the one that a bounce returns; with its earlier resends.

use std::collections::HashSet;
use std::fs::File;

use anyhow::{Context, Result};

use crate::delivery::claiming::ClaimRefusal;
use crate::exit::{RefusalKind, refuse};
use crate::inbox::correlate::{self, RecipientNames, SentMailIndex};
use crate::mail::address::list;
use crate::mail::address::{Address, AddressType, Sender};
use crate::mail::envelope::Envelope;
use crate::mail::envelope::id::QueueId;
use crate::mail::envelope::recipient::Recipient;
use crate::mail::envelope::recipient::RecipientIndex;
use crate::mail::history::History;
use crate::mail::history::state::{Loss, RecipientState};
use crate::mail::message::header::{Header, HeaderField, InputSupply, MAX_HEADER_BYTES};
use crate::mail::report::bounce::{self, IncomingReport, ReportedAction, ReportedRecipient, ReturnedOriginal};
use crate::mail::report::proof;
use crate::session::Session;
use crate::spool::claim::{Claim, ClaimOutcome};
use crate::spool::{QueueState, Spool};
use crate::submission::input::{MessageInput, StandardInput};
use crate::submission::limits::check_size;
use crate::sys::signals::Signals;
use crate::values::digest::Fingerprint;
use crate::values::quoting::quoted;

/// Message to be sent again.
pub struct OriginalMessage<'c> {
    /// Envelope sender of the copy.
    pub sender: Sender,
    /// Recipients who did not get the message.
    pub failed: Vec<UnreachedRecipient>,
    /// Sentence about the last resend, for any recipient; `None` if there was none.
    pub before: Option<String>,
    /// Content of the message.
    pub bytes: OriginalBytes<'c>,
}

/// Recipient who did not get the message.
pub struct UnreachedRecipient {
    /// Address and options of the recipient.
    pub recipient: Recipient,
    /// Sentence about the last resend to this recipient; `None` if there was none.
    pub done: Option<String>,
}

/// Content of the message to be sent again.
pub enum OriginalBytes<'c> {
    /// A message of this spool, whose log records the resend.
    Claimed(Box<Claim<'c>>),
    /// A message of another spool, from a bounce.
    Read {
        /// The message, header and body.
        bytes: Vec<u8>,
        /// Key under which the spool records the resend: the Message-ID, the envelope id, or the digest of the bounce.
        name: String,
    },
}

/// Finder of original messages.
pub struct OriginalFinder<'a> {
    /// Settings and services of the command.
    pub session: &'a Session,
    /// Spool that may contain the message.
    pub spool: &'a Spool,
    /// Signals that stop the reading of a report.
    pub signals: &'a Signals,
    /// Recipients of `--add`. With one, a message without failed recipients can be sent again too.
    pub add: &'a [Address],
}

impl<'a> OriginalFinder<'a> {
    /// Returns a message of this spool, with the recipients that failed or were cancelled.
    ///
    /// # Errors
    ///
    /// A refusal if the message is missing, damaged, claimed by another run, or without a recipient to send it to.
    pub fn of_id(&self, id: &QueueId) -> Result<OriginalMessage<'a>> {
        let claim = match self.spool.find(id)? {
            None => return refuse(RefusalKind::NotFound, format!("{id} is not in the spool")),
            Some((state, name)) if state != QueueState::Corrupt => match self.spool.claim(state, &name)? {
                ClaimOutcome::Claimed(claim) => claim,
                ClaimOutcome::SetAside(reason) => {
                    return refuse(RefusalKind::BadData, format!("{id} was moved to corrupt: {reason}"));
                }
                _ => return refuse(RefusalKind::Busy, format!("{id}: {}", ClaimRefusal::InProgress)),
            },
            Some((state, _)) => {
                return refuse(
                    RefusalKind::BadData,
                    format!("{id} cannot be sent again: its state is {}", state.word()),
                );
            }
        };
        let envelope = &claim.message().envelope;
        let history = self.spool.history(claim.message())?;
        let lost = |state: RecipientState| state.properties().loss == Loss::Certain;
        let failed = self.lost_recipients(envelope, &history, |recipient| lost(history.recipients[recipient].state))?;
        let before = self.last_resend(&history)?;
        if failed.is_empty() && self.add.is_empty() {
            let reason =
                if history.is_settled() { "reached every recipient" } else { "is queued, and no recipient has failed" };
            return refuse(RefusalKind::BadData, format!("{id} {reason}; add a recipient with --add"));
        }
        Ok(OriginalMessage { sender: envelope.sender.clone(), failed, before, bytes: OriginalBytes::Claimed(claim) })
    }

    /// Returns the recipients for which `is_lost` is true, each with its last resend.
    fn lost_recipients(
        &self,
        envelope: &Envelope,
        history: &History,
        is_lost: impl Fn(RecipientIndex) -> bool,
    ) -> Result<Vec<UnreachedRecipient>> {
        let both = envelope.recipients.entries().zip(&history.recipients);
        let lost = both.filter(|((index, _), _)| is_lost(*index)).map(|((_, recipient), progress)| {
            let done = self.last_queued(history, &progress.resent)?;
            Ok(UnreachedRecipient { recipient: recipient.clone(), done })
        });
        lost.collect()
    }

    /// Returns the sentence about the last resend of a message, for any recipient.
    fn last_resend(&self, history: &History) -> Result<Option<String>> {
        self.last_queued(history, &history.resent)
    }

    /// Returns the sentence about the last of these copies that was queued. A run that was interrupted or failed before the
    /// commit left only a record; `None` if this is so for all copies.
    fn last_queued(&self, history: &History, ids: &[QueueId]) -> Result<Option<String>> {
        for id in ids.iter().rev() {
            if history.resent_queued.contains(id) || self.has_existed(id)? {
                return Ok(Some(self.sent_as(id)?));
            }
        }
        Ok(None)
    }

    /// True if the spool contains the message or its log.
    fn has_existed(&self, id: &QueueId) -> Result<bool> {
        Ok(self.spool.find(id)?.is_some() || !self.spool.read_log(id)?.is_empty())
    }

    /// Returns the sentence about a resend as the message with this id.
    fn sent_as(&self, id: &QueueId) -> Result<String> {
        Ok(match self.spool.find(id)? {
            Some(_) => format!("it was already sent again as {id}"),
            None => format!("it was already sent again as {id}, which is no longer in the spool"),
        })
    }

    /// Returns the message that a bounce is about: from this spool if it is there, or from the bounce; with the recipients
    /// that failed according to the bounce. `subject` is a file or `-`.
    ///
    /// # Errors
    ///
    /// A refusal if the input is not a bounce, names no failed recipient, or does not return the full message.
    pub fn of_report(&self, subject: &str) -> Result<OriginalMessage<'a>> {
        let bytes = self.read(subject)?;
        let report = bounce::read_report(&bytes);
        if report.kind != bounce::IncomingReportKind::Dsn && report.kind != bounce::IncomingReportKind::Text {
            return refuse(RefusalKind::BadData, format!("{} is not a bounce", shown(subject)));
        }
        let reported: Vec<&ReportedRecipient> =
            report.recipients.iter().filter(|reported| reported.action == ReportedAction::Failed).collect();
        if reported.is_empty() && self.add.is_empty() {
            return refuse(
                RefusalKind::BadData,
                format!("{} reports no failed recipient; add one with --add", shown(subject)),
            );
        }
        if let Some((state, name)) = correlate::find(self.spool, &mut SentMailIndex::default(), &report)? {
            return self.of_known(state, name.id.clone(), &reported);
        }
        if let Some((id, _)) = report.envelope_id.as_deref().and_then(proof::read_envelope_id)
            && self.spool.find(&id)?.is_some()
        {
            // The bounce names a message of this spool and contradicts it: the copy in it cannot be trusted.
            return refuse(
                RefusalKind::BadData,
                format!(
                    "{} names {id} but does not match it; use \"mspool resend {id}\" without the bounce",
                    shown(subject)
                ),
            );
        }
        let original = returned_message(subject, &bytes, &report)?;
        let name = report.message_id.or(report.envelope_id).unwrap_or_else(|| {
            // A bounce without a Message-ID and an envelope id is identified by its own bytes.
            let mut fingerprint = Fingerprint::default();
            fingerprint.add(&bytes);
            fingerprint.finish()
        });
        let mut done = HashSet::new();
        for note in self.spool.resent_notes(&name)? {
            let is_sent = note.queued || note.id.as_ref().map_or(Ok(true), |id| self.has_existed(id))?;
            if is_sent {
                done.insert(note.address);
            }
        }
        let failed = reported.into_iter().filter_map(|reported| Some(Recipient::from(failed_address(reported)?)));
        let failed = failed.map(|recipient| {
            let is_done = done.contains(&recipient.address.to_string());
            UnreachedRecipient { recipient, done: is_done.then(|| format!("message <{name}> was already sent again")) }
        });
        let failed = failed.collect();
        let before = (!done.is_empty()).then(|| format!("message <{name}> was already sent again"));
        let sender = self.sender_of(&bytes);
        Ok(OriginalMessage { sender, failed, before, bytes: OriginalBytes::Read { bytes: original, name } })
    }

    /// Returns the message of this spool that a bounce is about: its bytes are more reliable than the copy in the bounce.
    fn of_known(&self, state: QueueState, id: QueueId, reported: &[&ReportedRecipient]) -> Result<OriginalMessage<'a>> {
        let Some((_, name)) = self.spool.find(&id)?.filter(|(found, _)| *found == state) else {
            return refuse(RefusalKind::Busy, format!("{id} is changing state; try again"));
        };
        let ClaimOutcome::Claimed(claim) = self.spool.claim(state, &name)? else {
            return refuse(RefusalKind::Busy, format!("{id}: {}", ClaimRefusal::InProgress));
        };
        let envelope = &claim.message().envelope;
        let history = self.spool.history(claim.message())?;
        // Recipients who are still owed, or who have read the message, cannot have failed: the bounce is wrong about them.
        let lost = |state: RecipientState| state.properties().loss != Loss::None;
        let names = RecipientNames::of(envelope);
        let named: HashSet<RecipientIndex> = reported.iter().filter_map(|reported| names.find(reported)).collect();
        let is_lost =
            |recipient: RecipientIndex| named.contains(&recipient) && lost(history.recipients[recipient].state);
        let failed = self.lost_recipients(envelope, &history, is_lost)?;
        let before = self.last_resend(&history)?;
        if failed.is_empty() && self.add.is_empty() {
            return refuse(
                RefusalKind::BadData,
                format!(
                    "the bounce is about {id}, but the recipients that it names are still owed or have read the message"
                ),
            );
        }
        let sender = envelope.sender.clone();
        Ok(OriginalMessage { sender, failed, before, bytes: OriginalBytes::Claimed(claim) })
    }

    /// Returns the sender of the copy: the address in `To` of the bounce, because a bounce goes to the sender. The null
    /// sender if there is none.
    fn sender_of(&self, report: &[u8]) -> Sender {
        let head = report.get(..MAX_HEADER_BYTES).unwrap_or(report);
        let to =
            Header::scan(head, InputSupply::End).and_then(|header| header.all("To").next().map(HeaderField::value));
        let first = to.and_then(|to| list::parse(&to).ok()?.into_iter().next());
        first.and_then(|address| Sender::parse(&address).ok()).unwrap_or_default()
    }

    /// Reads a file, or standard input for `-`, of at most twice `message_limit`: a bounce may contain a full message.
    fn read(&self, subject: &str) -> Result<Vec<u8>> {
        let limit = self.session.settings.queue.message_limit.saturating_mul(2);
        let mut input: Box<dyn MessageInput> = if subject == "-" {
            Box::new(StandardInput::new(self.signals))
        } else {
            match File::open(subject) {
                Ok(file) => Box::new(file),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    return refuse(
                        RefusalKind::NotFound,
                        format!("{} is neither a queue id nor a file", shown(subject)),
                    );
                }
                Err(error) => return Err(error).with_context(|| format!("cannot open {}", shown(subject))),
            }
        };
        let mut bytes = Vec::new();
        let mut buffer = vec![0; 64 << 10];
        loop {
            check_size(bytes.len() as u64, limit)?;
            match input.read(&mut buffer)? {
                0 => return Ok(bytes),
                count => bytes.extend_from_slice(&buffer[..count]),
            }
        }
    }
}

/// Returns the message that a bounce contains, header and body.
fn returned_message(subject: &str, bytes: &[u8], report: &IncomingReport) -> Result<Vec<u8>> {
    let missing = |part: &str| {
        let text = format!("{} contains {part} of the message, and the message is not in this spool", shown(subject));
        refuse(RefusalKind::BadData, text)
    };
    match &report.original {
        ReturnedOriginal::Full(range) => Ok(bytes.get(range.clone()).unwrap_or_default().to_vec()),
        ReturnedOriginal::Header(_) => missing("only the header"),
        ReturnedOriginal::None => missing("no copy"),
    }
}

/// Returns the address that failed, for a message of another spool: the final recipient, not the list or alias that it came
/// from. If the final recipient has no domain, it is only valid on the reporting host: then the original recipient.
fn failed_address(reported: &ReportedRecipient) -> Option<Address> {
    let parse = |text: &str| Address::new(AddressType::smtp(), text).or_else(|_| Address::parse(text)).ok();
    let last = parse(&reported.address).filter(|address| !address.is_smtp() || address.domain().is_some());
    last.or_else(|| parse(reported.original.as_deref()?)).or_else(|| parse(&reported.address))
}

/// Returns the name of the input for a message: quoted, or `standard input`.
fn shown(subject: &str) -> String {
    if subject == "-" {
        return "standard input".to_owned();
    }
    quoted(subject)
}
