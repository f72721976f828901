//! Correlation of incoming reports with sent mail: finds the message, checks the report, and records it in the log.
//!
//! Incoming reports are untrusted. A report is about a message only if it names it by its envelope id or its Message-ID,
//! contradicts neither of the two, comes from the null sender (receipts excepted), and names a recipient that was already
//! handed over. Other messages are ordinary mail.
//!
//! To recognize a report is one thing, to act on it another: it changes a state only with a proof, see
//! [`crate::mail::report::proof`], or if it came in a trusted way. Even then it can only move a recipient to a later state.
//! A report without a proof is noted in the log.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use anyhow::Result;

use crate::delivery::context::DeliveryContext;
use crate::mail::address::{Address, AddressType};
use crate::mail::envelope::id::QueueId;
use crate::mail::envelope::recipient::RecipientIndex;
use crate::mail::envelope::{Envelope, WayTrust};
use crate::mail::history::History;
use crate::mail::history::record::{LogEvent, LogRecord, ReportProof};
use crate::mail::history::state::RecipientState;
use crate::mail::message::header::{Header, HeaderField, InputSupply};
use crate::mail::report::bounce::{
    IncomingReport, IncomingReportKind, ReportCertainty, ReportedAction, ReportedRecipient,
};
use crate::mail::report::proof::{self, ReportTag};
use crate::output::observer::RecipientEvent;
use crate::spool::claim::ClaimOutcome;
use crate::spool::file_name::FileName;
use crate::spool::listing::DirectoryEntry;
use crate::spool::queue_file::QueueFile;
use crate::spool::{QueueState, Spool};
use crate::values::printable;

/// Number of bytes of a sent message that are searched for its Message-ID.
const MESSAGE_ID_SEARCH_BYTES: usize = 64 << 10;

/// States of messages that a report can be about.
const REPORTED_ON: [QueueState; 5] =
    [QueueState::Sent, QueueState::Failed, QueueState::Cur, QueueState::Hold, QueueState::New];

/// Index of sent messages by envelope id and Message-ID.
///
/// Read once, when the first report needs it: reading all messages is slow, and reports can come by the thousand.
#[derive(Debug, Default)]
pub struct SentMailIndex(Option<HashMap<String, Vec<(QueueState, FileName)>>>);

impl SentMailIndex {
    /// Returns the messages with this envelope id or Message-ID.
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

/// Received message that may contain a report.
pub struct ReceivedReport<'a> {
    envelope: &'a Envelope,
    report: &'a IncomingReport,
    /// Tags that can prove the report: in the envelope id that it repeats, and in the addresses that it was sent to.
    /// Wherever a tag stands, only who got it from us can know it.
    tags: Vec<ReportTag>,
}

impl<'a> ReceivedReport<'a> {
    /// Reads the tags of a report. `envelope` and `header` are those of the received message.
    pub fn new(envelope: &'a Envelope, header: Option<&Header<'_>>, report: &'a IncomingReport) -> ReceivedReport<'a> {
        let mailboxes = envelope.recipients.iter().map(|recipient| recipient.address.text().to_owned());
        let fields = header
            .into_iter()
            .flat_map(|header| ADDRESS_FIELDS.iter().flat_map(|name| header.all(name)).map(HeaderField::value));
        let addresses = mailboxes.chain(fields).flat_map(|text| ReportTag::in_addresses(&text));
        let named = report.envelope_id.as_deref().and_then(proof::read_envelope_id);
        let tags = named.and_then(|(_, tag)| tag).into_iter().chain(addresses).take(MAX_TAGS).collect();
        ReceivedReport { envelope, report, tags }
    }

    /// Returns the proof that a report on this recipient of this message is true.
    fn proof(&self, spool: &Spool, id: &QueueId, recipient: RecipientIndex) -> Result<ReportProof> {
        if self.envelope.way == WayTrust::Trusted {
            return Ok(ReportProof::Given);
        }
        if self.tags.is_empty() {
            return Ok(ReportProof::None);
        }
        let key = spool.report_key()?;
        let proven = self.tags.iter().any(|tag| key.proves(tag, id, recipient));
        Ok(if proven { ReportProof::Given } else { ReportProof::None })
    }
}

/// Fields in which delivery programs write the address that a message was sent to.
const ADDRESS_FIELDS: [&str; 4] = ["Delivered-To", "X-Original-To", "Envelope-To", "To"];

/// Maximum number of tags that are tried for a report: a forger may send thousands.
const MAX_TAGS: usize = 8;

/// Answer to whether a report was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Application {
    /// It was, or it changes nothing.
    Done,
    /// Another run is working on the message that it is about: it can be applied later.
    NotNow,
}

/// Applies the report that a received message contains, if it is credible.
///
/// # Errors
///
/// An error of the spool. A report that is not credible is no error.
pub fn apply_report(
    context: &DeliveryContext<'_>,
    index: &mut SentMailIndex,
    received: &ReceivedReport<'_>,
) -> Result<Application> {
    let report = received.report;
    let is_forged = report.kind != IncomingReportKind::Mdn && !received.envelope.sender.is_null();
    if report.kind == IncomingReportKind::None || report.recipients.is_empty() || is_forged {
        return Ok(Application::Done);
    }
    let mut found = matching(context.spool, index, report)?;
    // Of several messages with one Message-ID, a tag says which is meant.
    let mut proven = None;
    for (state, name) in &found {
        let Ok(message) = context.spool.read(*state, name) else { continue };
        let names = RecipientNames::of(&message.envelope);
        let meant = report.recipients.iter().filter_map(|reported| names.find(reported)).take(MAX_TAGS);
        for recipient in meant {
            if received.proof(context.spool, &name.id, recipient)? == ReportProof::Given {
                proven = Some((*state, name.clone()));
            }
        }
    }
    match proven.or_else(|| found.pop()) {
        Some((state, name)) => apply(context, state, &name, received),
        None => Ok(Application::Done),
    }
}

/// Returns the message that a report is about. A resent message has the same Message-ID as its original: then the youngest
/// one with a recipient that the report names.
///
/// # Errors
///
/// An error if the spool cannot be listed or searched.
pub fn find(
    spool: &Spool,
    index: &mut SentMailIndex,
    report: &IncomingReport,
) -> Result<Option<(QueueState, FileName)>> {
    Ok(matching(spool, index, report)?.pop())
}

/// Returns the messages that a report can be about, the youngest last.
fn matching(spool: &Spool, index: &mut SentMailIndex, report: &IncomingReport) -> Result<Vec<(QueueState, FileName)>> {
    let matches = |(state, name): &(QueueState, FileName)| {
        spool.read(*state, name).is_ok_and(|message| {
            let names = RecipientNames::of(&message.envelope);
            agrees(&message, report) && report.recipients.iter().any(|reported| names.find(reported).is_some())
        })
    };
    if let Some((id, _)) = report.envelope_id.as_deref().and_then(proof::read_envelope_id) {
        let found = spool.find(&id)?.filter(|(state, _)| REPORTED_ON.contains(state));
        return Ok(found.filter(|found| matches(found)).into_iter().collect());
    }
    let Some(name) = report.envelope_id.as_ref().or(report.message_id.as_ref()) else { return Ok(Vec::new()) };
    let named = index.named(spool, name)?;
    // A run may have renamed the message after the index was read.
    let current = named.into_iter().filter_map(|(_, name)| spool.find(&name.id).ok().flatten());
    let mut matching: Vec<_> =
        current.filter(|(state, _)| REPORTED_ON.contains(state)).filter(|found| matches(found)).collect();
    matching.sort_by(|(_, a), (_, b)| a.id.cmp(&b.id));
    Ok(matching)
}

/// True unless the report gives a Message-ID other than that of the message. A forger may know only one of the two names.
fn agrees(message: &QueueFile, report: &IncomingReport) -> bool {
    match (&report.message_id, message_id(message)) {
        (Some(reported), Some(own)) => *reported == own,
        _ => true,
    }
}

/// Returns the Message-ID of a message, without `<` and `>`.
fn message_id(message: &QueueFile) -> Option<String> {
    let bytes = message.first_bytes(MESSAGE_ID_SEARCH_BYTES).ok()?;
    let header = Header::scan(&bytes, InputSupply::End)?;
    let value = header.all("Message-ID").next().map(HeaderField::value)?;
    Some(value.trim().trim_start_matches('<').trim_end_matches('>').to_owned())
}

fn apply(
    context: &DeliveryContext<'_>,
    state: QueueState,
    name: &FileName,
    received: &ReceivedReport<'_>,
) -> Result<Application> {
    let (id, report) = (&received.envelope.id, received.report);
    // Only the holder of the claim appends to a log: two hosts could overwrite each other's records.
    let claim = match context.spool.claim(state, name)? {
        ClaimOutcome::Claimed(claim) => claim,
        ClaimOutcome::Busy | ClaimOutcome::Gone => return Ok(Application::NotNow),
        ClaimOutcome::Stray(_) | ClaimOutcome::SetAside(_) | ClaimOutcome::Incomplete(_) => {
            return Ok(Application::Done);
        }
    };
    let envelope = &claim.message().envelope;
    let mut history = context.spool.history(claim.message())?;
    if history.reports.contains(id) {
        // A bounce that mspool itself sent about this message, on its way to the sender: its content is already known.
        return Ok(Application::Done);
    }
    if !claim.message().name.marks.is_empty() {
        // The run that marked the result may have died before it was durable.
        context.spool.sync_state(state)?;
    }
    let names = RecipientNames::of(envelope);
    let mut proofs = HashMap::new();
    // Records of a run that died may be unsynced, and this one relies on them.
    let mut log = if history.log_lines > 0 { Some(context.spool.log(&envelope.id)?) } else { None };
    let mut events = Vec::new();
    for reported in &report.recipients {
        let Some(recipient) = names.find(reported) else { continue };
        // A report can name one recipient a thousand times.
        let proof = match proofs.entry(recipient) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(open) => *open.insert(received.proof(context.spool, &envelope.id, recipient)?),
        };
        let Some(event) = log_event(&history, recipient, report.kind, reported, id, proof) else { continue };
        let record = LogRecord::new(context.now(), event);
        history.apply(&record);
        if log.is_none() {
            log = Some(context.spool.log(&envelope.id)?);
        }
        if let Some(log) = &mut log {
            log.append(&record)?;
        }
        events.push(RecipientEvent {
            id: envelope.id.clone(),
            address: envelope.recipients[recipient].address.clone(),
            transport: history.recipients[recipient].transport.clone(),
            state: history.recipients[recipient].state,
            status: reported.status.unwrap_or(crate::mail::status::Status::DONE),
            text: match proof {
                ReportProof::Given => diagnostic_text(reported),
                ReportProof::None => {
                    format!(
                        "unproven report, which changed nothing: {} {}",
                        reported.action.word(),
                        diagnostic_text(reported)
                    )
                }
            },
            next: None,
        });
    }
    if let Some(log) = log {
        log.sync()?;
        context.spool.sync_log_names()?;
    }
    events.iter().for_each(|event| context.observer.reported(event));
    // A recipient of a finished message did not get it after all. The log can say so already, if an earlier run died here.
    if state == QueueState::Sent && !history.is_sent() {
        claim.finish_failed(Some(context.time().running.after(context.settings.queue.keep_failed)))?;
        context.spool.sync_state(QueueState::Failed)?;
        context.spool.sync_state(QueueState::Sent)?;
    }
    Ok(Application::Done)
}

/// Returns the log event of one reported recipient; `None` if the report changes nothing or repeats an earlier one. `id` is
/// the id of the received message that contains the report.
fn log_event(
    history: &History,
    recipient: RecipientIndex,
    kind: IncomingReportKind,
    reported: &ReportedRecipient,
    id: &QueueId,
    proof: ReportProof,
) -> Option<LogEvent> {
    let progress = &history.recipients[recipient];
    let reported_state = new_state(kind, progress.state, reported)?;
    let word = reported.action.word();
    let (state, is_known) = match proof {
        ReportProof::Given => {
            let is_known = progress.incoming_actions.iter().any(|action| action == word);
            (reported_state, is_known && reported_state == progress.state)
        }
        // One note for each action: a flood of forged reports must not fill the log.
        ReportProof::None => (progress.state, progress.unproven_reports.iter().any(|report| report.action == word)),
    };
    if is_known {
        return None;
    }
    Some(LogEvent::Heard {
        recipients: vec![recipient],
        state,
        action: reported.action.word().to_owned(),
        status: reported.status,
        text: diagnostic_text(reported),
        report: id.clone(),
        proof,
    })
}

/// Returns the diagnostic of a reported recipient, safe for a terminal.
fn diagnostic_text(reported: &ReportedRecipient) -> String {
    reported.diagnostic.as_deref().map(printable::line).unwrap_or_default()
}

/// Index of the recipients of a message by every name that a report can use for them.
pub struct RecipientNames {
    addresses: HashMap<String, RecipientIndex>,
    /// Original recipients (RFC 3461, section 4.2); `None` for a name that several recipients came from, such as an alias.
    originals: HashMap<String, Option<RecipientIndex>>,
}

impl RecipientNames {
    /// Indexes the recipients of an envelope.
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

    /// Returns the recipient that a report means, by its final or its original address; `None` for an ambiguous name.
    pub fn find(&self, reported: &ReportedRecipient) -> Option<RecipientIndex> {
        let key = |text: &str| Address::new(AddressType::smtp(), text).ok().map(|address| address.key().1);
        let address = |text: &String| self.addresses.get(text).or_else(|| self.addresses.get(&key(text)?)).copied();
        let original = |text: &String| self.originals.get(text).copied().flatten().or_else(|| address(text));
        let found = address(&reported.address).or_else(|| original(&reported.address));
        found.or_else(|| reported.original.as_ref().and_then(original))
    }
}

/// Returns the state of a recipient after a report; `None` if the report does not apply. Only a recipient that was handed
/// over can change, and a failed one stays failed. What was inferred from the structure of a text is recorded, and changes
/// no state.
fn new_state(kind: IncomingReportKind, before: RecipientState, reported: &ReportedRecipient) -> Option<RecipientState> {
    let action = reported.action;
    if !before.properties().follows_reports {
        return None;
    }
    if reported.certainty == ReportCertainty::Inferred {
        return Some(before);
    }
    if kind == IncomingReportKind::Mdn {
        // A receipt says how the message was disposed of, not whether it was delivered.
        return Some(if action == ReportedAction::Displayed { RecipientState::Read } else { before });
    }
    Some(match (action, before) {
        (ReportedAction::Delivered, RecipientState::Relayed) => RecipientState::Delivered,
        (ReportedAction::Failed, RecipientState::Relayed | RecipientState::Delivered) => RecipientState::Failed,
        (ReportedAction::Delivered | ReportedAction::Failed, _) => return None,
        (_, before) => before,
    })
}
