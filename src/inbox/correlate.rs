//! What other systems report on mail that we have sent: found, checked, and written into that mail's log.
//!
//! A report is anybody's word. It counts when it names the message by the envelope id or the Message-ID, agrees with it
//! in whichever of the two it also gives, comes from the null sender as reports do, and names somebody who was handed
//! over; and even then it can only move that recipient on. Everything else is just mail.

use std::collections::HashMap;

use anyhow::Result;

use crate::delivery::context::DeliveryContext;
use crate::mail::address::{Address, AddressType};
use crate::mail::envelope::Envelope;
use crate::mail::envelope::file_name::FileName;
use crate::mail::envelope::id::QueueId;
use crate::mail::envelope::recipient::RecipientIndex;
use crate::mail::history::record::{LogEvent, LogRecord, RecipientState};
use crate::mail::message::header::{Header, HeaderField, InputSupply};
use crate::mail::report::bounce::{IncomingReport, IncomingReportKind, ReportedAction, ReportedRecipient};
use crate::output::observer::RecipientEvent;
use crate::spool::claim::ClaimOutcome;
use crate::spool::listing::DirectoryEntry;
use crate::spool::queue_file::QueueFile;
use crate::spool::{QueueState, Spool};
use crate::values::printable;

/// Bytes of a sent message in which its Message-ID is looked for.
const HEAD: usize = 64 << 10;

/// Where mail lies that somebody may report on.
const REPORTED_ON: [QueueState; 3] = [QueueState::Sent, QueueState::Failed, QueueState::Cur];

/// Sent messages by the names that reports call them by; read once, when the first report needs it, for reading them
/// all takes a while and reports may come by the thousand.
#[derive(Debug, Default)]
pub struct SentMailIndex(Option<HashMap<String, Vec<(QueueState, FileName)>>>);

impl SentMailIndex {
    fn named(&mut self, spool: &Spool, name: &str) -> Result<Vec<(QueueState, FileName)>> {
        if self.0.is_none() {
            let mut known: HashMap<String, Vec<(QueueState, FileName)>> = HashMap::new();
            for state in REPORTED_ON {
                for entry in spool.entries(state)? {
                    let DirectoryEntry::Message(name) = entry? else { continue };
                    let Ok(message) = spool.read(state, &name) else { continue };
                    let envid = message.envelope.envid.as_ref().map(|envid| envid.as_str().to_owned());
                    for key in envid.into_iter().chain(message_id(&message)) {
                        known.entry(key).or_default().push((state, name.clone()));
                    }
                }
            }
            self.0 = Some(known);
        }
        Ok(self.0.as_ref().and_then(|known| known.get(name)).cloned().unwrap_or_default())
    }
}

/// Takes in what a received message reports.
pub fn apply_report(
    context: &DeliveryContext<'_>,
    index: &mut SentMailIndex,
    envelope: &Envelope,
    report: &IncomingReport,
) -> Result<()> {
    let forged = report.kind != IncomingReportKind::Mdn && !envelope.sender.is_null();
    if report.kind == IncomingReportKind::None || report.recipients.is_empty() || forged {
        return Ok(());
    }
    if let Some((state, name)) = find(context.spool, index, report)? {
        apply(context, state, &name, &envelope.id, report)?;
    }
    Ok(())
}

/// The message that a report is about: of several with one Message-ID, as a resent message has, the youngest that was
/// for one of those it names.
pub fn find(
    spool: &Spool,
    index: &mut SentMailIndex,
    report: &IncomingReport,
) -> Result<Option<(QueueState, FileName)>> {
    let fits = |(state, name): &(QueueState, FileName)| {
        spool.read(*state, name).is_ok_and(|message| {
            let names = RecipientNames::of(&message.envelope);
            agrees(&message, report) && report.recipients.iter().any(|heard| names.find(heard).is_some())
        })
    };
    if let Some(id) = report.envelope_id.as_deref().and_then(|text| QueueId::parse(text).ok()) {
        return Ok(spool.find(&id)?.filter(|(state, _)| REPORTED_ON.contains(state)).filter(|found| fits(found)));
    }
    let Some(name) = report.envelope_id.as_ref().or(report.message_id.as_ref()) else { return Ok(None) };
    let named = index.named(spool, name)?;
    // It may have moved on since it was read.
    let now = named.into_iter().filter_map(|(_, name)| spool.find(&name.id).ok().flatten());
    let fitting = now.filter(|(state, _)| REPORTED_ON.contains(state)).filter(|found| fits(found));
    Ok(fitting.max_by(|(_, a), (_, b)| a.id.cmp(&b.id)))
}

/// A report that gives both names must mean one message with both.
fn agrees(message: &QueueFile, report: &IncomingReport) -> bool {
    match (&report.message_id, message_id(message)) {
        (Some(reported), Some(own)) => *reported == own,
        _ => true,
    }
}

fn message_id(message: &QueueFile) -> Option<String> {
    let bytes = message.first_bytes(HEAD).ok()?;
    let header = Header::scan(&bytes, InputSupply::End)?;
    let value = header.all("Message-ID").next().map(HeaderField::value)?;
    Some(value.trim().trim_start_matches('<').trim_end_matches('>').to_owned())
}

fn apply(
    context: &DeliveryContext<'_>,
    state: QueueState,
    name: &FileName,
    id: &QueueId,
    report: &IncomingReport,
) -> Result<()> {
    // Without the claim nothing is moved; what is known is written down in any case: the log takes whole lines.
    let claim = match context.spool.claim(state, name)? {
        ClaimOutcome::Claimed(claim) => Some(claim),
        _ => None,
    };
    let message = context.spool.read(state, name);
    let envelope = match (&claim, &message) {
        (Some(claim), _) => &claim.message().envelope,
        (None, Ok(message)) => &message.envelope,
        (None, Err(_)) => return Ok(()),
    };
    let mut history = context.spool.history(envelope)?;
    if history.reports.contains(id) {
        // Our own report, on its way to the one who sent the message: it says what is known here.
        return Ok(());
    }
    let names = RecipientNames::of(envelope);
    let mut log = None;
    for heard in &report.recipients {
        let Some(recipient) = names.find(heard) else { continue };
        let before = history.recipients[recipient].state;
        let Some(after) = new_state(report.kind, before, heard.action) else { continue };
        if after == before
            && history.recipients[recipient].incoming_actions.iter().any(|known| known == heard.action.word())
        {
            // Heard before, and nothing changes.
            continue;
        }
        let text: String = heard.diagnostic.as_deref().map(printable::line).unwrap_or_default();
        let event = LogEvent::Heard {
            recipients: vec![recipient],
            state: after,
            action: heard.action.word().to_owned(),
            status: heard.status,
            text: text.clone(),
            report: id.clone(),
        };
        let record = LogRecord::new(context.now(), event);
        history.apply(&record);
        if log.is_none() {
            log = Some(context.spool.log(&envelope.id)?);
        }
        if let Some(log) = &mut log {
            log.append(&record)?;
        }
        context.observer.reported(&RecipientEvent {
            id: envelope.id.clone(),
            address: envelope.recipients[recipient].address.clone(),
            transport: history.recipients[recipient].transport.clone(),
            state: after,
            status: heard.status.unwrap_or(crate::mail::status::Status::DONE),
            text,
            next: None,
        });
    }
    if let Some(log) = log {
        log.sync()?;
        if log.is_new() {
            context.spool.sync_log_names()?;
        }
    }
    match claim {
        // Finished, and somebody does not have it after all; a run that died here may have written so before.
        Some(claim) if state == QueueState::Sent && !history.is_sent() => {
            Ok(claim.finish_failed(Some(context.time().running.after(context.settings.queue.keep_failed)))?)
        }
        _ => Ok(()),
    }
}

/// Where the recipients of a message stand in its envelope, by every name that a report may call them by.
pub struct RecipientNames {
    addresses: HashMap<String, RecipientIndex>,
    /// As the sender wrote them; `None` for a name that several came from, as from an alias.
    originals: HashMap<String, Option<RecipientIndex>>,
}

impl RecipientNames {
    /// Those of this envelope.
    pub fn of(envelope: &Envelope) -> RecipientNames {
        let mut names = RecipientNames { addresses: HashMap::new(), originals: HashMap::new() };
        for (index, recipient) in envelope.recipients.entries() {
            for name in [recipient.address.key().1, recipient.address.text().to_owned()] {
                names.addresses.entry(name).or_insert(index);
            }
            if let Some(orcpt) = &recipient.orcpt {
                let known = names.originals.entry(orcpt.address().to_owned());
                known.and_modify(|known| *known = None).or_insert(Some(index));
            }
        }
        names
    }

    /// Whom a report means: by the address that it came to, or as the sender wrote it. A name that could be several
    /// people's is nobody's.
    pub fn find(&self, heard: &ReportedRecipient) -> Option<RecipientIndex> {
        let key = |text: &str| Address::new(AddressType::smtp(), text).ok().map(|address| address.key().1);
        let address = |text: &String| self.addresses.get(text).or_else(|| self.addresses.get(&key(text)?)).copied();
        let original = |text: &String| self.originals.get(text).copied().flatten().or_else(|| address(text));
        let found = address(&heard.address).or_else(|| original(&heard.address));
        found.or_else(|| heard.original.as_ref().and_then(original))
    }
}

/// What a recipient is after a report; `None` when the report can say nothing about it. Only who was handed over can be
/// reported on, and what was bad news stays so.
fn new_state(kind: IncomingReportKind, before: RecipientState, action: ReportedAction) -> Option<RecipientState> {
    if !before.properties().follows_reports {
        return None;
    }
    if kind == IncomingReportKind::Mdn {
        // A reader tells what was done with the message, not whether it came.
        return Some(if action == ReportedAction::Displayed { RecipientState::Read } else { before });
    }
    Some(match (action, before) {
        (ReportedAction::Delivered, RecipientState::Relayed) => RecipientState::Delivered,
        (ReportedAction::Failed, RecipientState::Relayed | RecipientState::Delivered) => RecipientState::Failed,
        (ReportedAction::Delivered | ReportedAction::Failed, _) => return None,
        (_, before) => before,
    })
}
