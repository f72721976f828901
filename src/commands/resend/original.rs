//! What is to be sent again: a message of this spool, or one that a report returns; and whether that was done before.

use std::collections::HashSet;
use std::fs::File;

use anyhow::{Context, Result};

use crate::exit::{RefusalKind, refuse};
use crate::inbox::correlate::{self, RecipientNames, SentMailIndex};
use crate::mail::address::list;
use crate::mail::address::{Address, AddressType, Sender};
use crate::mail::envelope::Envelope;
use crate::mail::envelope::id::QueueId;
use crate::mail::envelope::recipient::Recipient;
use crate::mail::envelope::recipient::RecipientIndex;
use crate::mail::history::History;
use crate::mail::history::record::{Loss, RecipientState};
use crate::mail::message::header::{Header, HeaderField, InputSupply, MAX_HEADER_BYTES};
use crate::mail::report::bounce::{self, ReportedAction, ReportedRecipient, ReturnedOriginal};
use crate::session::Session;
use crate::spool::claim::{Claim, ClaimOutcome};
use crate::spool::{QueueState, Spool};
use crate::submission::input::{MessageInput, StandardInput};
use crate::submission::limits::check_size;
use crate::sys::signals::Signals;
use crate::values::digest::Fingerprint;

/// A message to be sent again.
pub struct OriginalMessage<'c> {
    pub sender: Sender,
    pub failed: Vec<UnreachedRecipient>,
    /// The last time that it was sent again, whoever it was for.
    pub before: Option<String>,
    pub bytes: OriginalBytes<'c>,
}

/// Somebody whom it did not reach.
pub struct UnreachedRecipient {
    pub recipient: Recipient,
    /// That it was sent again for them already, in words.
    pub done: Option<String>,
}

pub enum OriginalBytes<'c> {
    /// Of a message in this spool: its log remembers that it was sent again.
    Claimed(Box<Claim<'c>>),
    /// Of one that never was here, and what it is remembered by.
    Read { bytes: Vec<u8>, name: String },
}

/// Finds messages that are to be sent again.
pub struct OriginalFinder<'a> {
    /// What every command is given.
    pub session: &'a Session,
    /// The spool that the message may be in.
    pub spool: &'a Spool,
    /// Signals that stop the reading of a report.
    pub signals: &'a Signals,
    /// Recipients that are added, who make a message worth sending that failed for no one.
    pub add: &'a [Address],
}

impl<'a> OriginalFinder<'a> {
    /// A message of this spool that did not reach everybody.
    pub fn of_id(&self, id: &QueueId) -> Result<OriginalMessage<'a>> {
        let claim = match self.spool.find(id)? {
            None => return refuse(RefusalKind::NotFound, format!("{id} is not in the spool")),
            Some((state, name)) if state != QueueState::Corrupt => match self.spool.claim(state, &name)? {
                ClaimOutcome::Claimed(claim) => claim,
                ClaimOutcome::SetAside(reason) => {
                    return refuse(RefusalKind::BadData, format!("{id} was moved to corrupt: {reason}"));
                }
                _ => return refuse(RefusalKind::Busy, format!("{id}: in progress: somebody is at work on it")),
            },
            Some((state, _)) => {
                return refuse(RefusalKind::BadData, format!("{id} cannot be sent again: it is {}", state.word()));
            }
        };
        let envelope = &claim.message().envelope;
        let history = self.spool.history(envelope)?;
        let lost = |state: RecipientState| state.properties().loss == Loss::Certain;
        let failed = self.lost(envelope, &history, |recipient| lost(history.recipients[recipient].state))?;
        let before = self.before(&history)?;
        if failed.is_empty() && self.add.is_empty() {
            let what =
                if history.is_settled() { "has reached everybody" } else { "is queued, and has failed for nobody" };
            return refuse(RefusalKind::BadData, format!("{id} {what}; give whom it is for with --add"));
        }
        Ok(OriginalMessage { sender: envelope.sender.clone(), failed, before, bytes: OriginalBytes::Claimed(claim) })
    }

    /// The recipients at the places that `is_lost` tells, each with what was done for it.
    fn lost(
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

    fn before(&self, history: &History) -> Result<Option<String>> {
        self.last_queued(history, &history.resent)
    }

    /// The last of these messages that is or was in the queue, in words. A run that died, or failed, before it queued
    /// the message left only the note.
    fn last_queued(&self, history: &History, ids: &[QueueId]) -> Result<Option<String>> {
        for id in ids.iter().rev() {
            if history.resent_queued.contains(id) || self.has_existed(id)? {
                return Ok(Some(self.sent_as(id)?));
            }
        }
        Ok(None)
    }

    fn has_existed(&self, id: &QueueId) -> Result<bool> {
        Ok(self.spool.find(id)?.is_some() || !self.spool.read_log(id)?.is_empty())
    }

    fn sent_as(&self, id: &QueueId) -> Result<String> {
        Ok(match self.spool.find(id)? {
            Some(_) => format!("it was sent again already, as {id}"),
            None => format!("it was sent again already, as {id}, which is not in the spool any more"),
        })
    }

    /// What a report says did not arrive, and the message that it returns; or that message in this spool.
    pub fn of_report(&self, subject: &str) -> Result<OriginalMessage<'a>> {
        let bytes = self.read(subject)?;
        let report = bounce::read_report(&bytes);
        if report.kind != bounce::IncomingReportKind::Dsn && report.kind != bounce::IncomingReportKind::Text {
            return refuse(RefusalKind::BadData, format!("{} is no report of a failed delivery", shown(subject)));
        }
        let heard: Vec<&ReportedRecipient> =
            report.recipients.iter().filter(|heard| heard.action == ReportedAction::Failed).collect();
        if heard.is_empty() && self.add.is_empty() {
            return refuse(
                RefusalKind::BadData,
                format!("{} names nobody who did not get the message", shown(subject)),
            );
        }
        if let Some((state, name)) = correlate::find(self.spool, &mut SentMailIndex::default(), &report)? {
            return self.of_known(state, name.id.clone(), &heard);
        }
        if let Some(id) = report.envelope_id.as_deref().and_then(|text| QueueId::parse(text).ok())
            && self.spool.find(&id)?.is_some()
        {
            // It says that it is about ours and does not fit: its copy may be anything.
            return refuse(
                RefusalKind::BadData,
                format!("{} is on {id}, and does not fit it; mspool resend {id} needs no report", shown(subject)),
            );
        }
        let ReturnedOriginal::Full(range) = &report.original else {
            return refuse(
                RefusalKind::BadData,
                format!("{} does not return the whole message, and the message is not in this spool", shown(subject)),
            );
        };
        let original = bytes.get(range.clone()).unwrap_or_default().to_vec();
        if has_no_body(&original) {
            return refuse(
                RefusalKind::BadData,
                format!(
                    "{} returns only the header of the message, and the message is not in this spool",
                    shown(subject)
                ),
            );
        }
        let name = report.message_id.or(report.envelope_id).unwrap_or_else(|| {
            // A report that names nothing is known by its own bytes.
            let mut print = Fingerprint::default();
            print.add(&bytes);
            print.finish()
        });
        let mut done = HashSet::new();
        for note in self.spool.resent_notes(&name)? {
            let counts = note.queued || note.id.as_ref().map_or(Ok(true), |id| self.has_existed(id))?;
            if counts {
                done.insert(note.address);
            }
        }
        let failed = heard.into_iter().filter_map(|heard| Some(Recipient::from(who(heard)?)));
        let failed = failed.map(|recipient| {
            let is_done = done.contains(&recipient.address.to_string());
            UnreachedRecipient {
                recipient,
                done: is_done.then(|| format!("the message <{name}> was sent again already")),
            }
        });
        let failed = failed.collect();
        let before = (!done.is_empty()).then(|| format!("the message <{name}> was sent again already"));
        let sender = self.sender_of(&bytes);
        Ok(OriginalMessage { sender, failed, before, bytes: OriginalBytes::Read { bytes: original, name } })
    }

    /// The message that a report is about is here: that is better than any copy.
    fn of_known(&self, state: QueueState, id: QueueId, heard: &[&ReportedRecipient]) -> Result<OriginalMessage<'a>> {
        let Some((_, name)) = self.spool.find(&id)?.filter(|(found, _)| *found == state) else {
            return refuse(RefusalKind::Busy, format!("{id} is just being moved; try again"));
        };
        let ClaimOutcome::Claimed(claim) = self.spool.claim(state, &name)? else {
            return refuse(RefusalKind::Busy, format!("{id}: in progress: somebody is at work on it"));
        };
        let envelope = &claim.message().envelope;
        let history = self.spool.history(envelope)?;
        // Whom the report may be right about: neither those who are still tried nor those who have read it.
        let lost = |state: RecipientState| state.properties().loss != Loss::None;
        let names = RecipientNames::of(envelope);
        let named: HashSet<RecipientIndex> = heard.iter().filter_map(|heard| names.find(heard)).collect();
        let is_lost =
            |recipient: RecipientIndex| named.contains(&recipient) && lost(history.recipients[recipient].state);
        let failed = self.lost(envelope, &history, is_lost)?;
        let before = self.before(&history)?;
        if failed.is_empty() && self.add.is_empty() {
            return refuse(
                RefusalKind::BadData,
                format!("the report is on {id}, and those it names are still tried there, or have read it"),
            );
        }
        let sender = envelope.sender.clone();
        Ok(OriginalMessage { sender, failed, before, bytes: OriginalBytes::Claimed(claim) })
    }

    /// Reports go to the sender: who else should be the sender now.
    fn sender_of(&self, report: &[u8]) -> Sender {
        let head = report.get(..MAX_HEADER_BYTES).unwrap_or(report);
        let to =
            Header::scan(head, InputSupply::End).and_then(|header| header.all("To").next().map(HeaderField::value));
        let first = to.and_then(|to| list::parse(&to).ok()?.into_iter().next());
        first.and_then(|address| Sender::parse(&address).ok()).unwrap_or_default()
    }

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
                        format!("{} is neither a queue id here nor a file", shown(subject)),
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

/// Whom a report on a message that is not here means: who it failed for, and not the list it was sent to first; but the
/// address that the sender wrote when the other one means something on that host only.
fn who(heard: &ReportedRecipient) -> Option<Address> {
    let parse = |text: &str| Address::new(AddressType::smtp(), text).or_else(|_| Address::parse(text)).ok();
    let last = parse(&heard.address).filter(|address| !address.is_smtp() || address.domain().is_some());
    last.or_else(|| parse(heard.original.as_deref()?)).or_else(|| parse(&heard.address))
}

/// Some systems return a header alone and call it the message.
fn has_no_body(original: &[u8]) -> bool {
    let head = original.get(..MAX_HEADER_BYTES).unwrap_or(original);
    Header::scan(head, InputSupply::End)
        .is_none_or(|header| original[header.len.min(original.len())..].trim_ascii().is_empty())
}

fn shown(subject: &str) -> String {
    if subject == "-" {
        return "standard input".to_owned();
    }
    crate::values::printable::line(subject).chars().take(100).collect()
}
