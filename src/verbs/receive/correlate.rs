//! What other systems report on mail that we have sent: found, checked, and written into that mail's log.
//!
//! A report is anybody's word. It counts when it names the message by the envelope id or the Message-ID, agrees with it
//! in whichever of the two it also gives, comes from the null sender as reports do, and names somebody who was handed
//! over; and even then it can only move that recipient on. Everything else is just mail.

use anyhow::Result;

use crate::mail::address::{Address, AddressType};
use crate::mail::bounce::{Action, Heard, Kind, Understood};
use crate::mail::envelope::Envelope;
use crate::mail::file_name::FileName;
use crate::mail::header::{Field, Header, Supply};
use crate::mail::history::History;
use crate::mail::id::QueueId;
use crate::mail::printable;
use crate::mail::record::{Event, RecipientState, Record};
use crate::spool::claim::Taken;
use crate::spool::listing::Entry;
use crate::spool::queue_file::QueueFile;
use crate::spool::{Spool, State};
use crate::verbs::flush::engine::Engine;
use crate::verbs::flush::observer::Handled;

/// Bytes of a sent message in which its Message-ID is looked for.
const HEAD: usize = 64 << 10;

/// Where mail lies that somebody may report on.
const REPORTED_ON: [State; 3] = [State::Sent, State::Failed, State::Cur];

/// Takes in what a received message reports.
pub fn take_in(engine: &Engine<'_>, envelope: &Envelope, report: &Understood) -> Result<()> {
    let forged = report.kind != Kind::Mdn && !envelope.sender.is_null();
    if report.kind == Kind::None || report.recipients.is_empty() || forged {
        return Ok(());
    }
    if let Some((state, name)) = find(engine.spool, report)? {
        apply(engine, state, &name, &envelope.id, report)?;
    }
    Ok(())
}

/// The message that a report is about.
pub fn find(spool: &Spool, report: &Understood) -> Result<Option<(State, FileName)>> {
    if let Some(id) = report.envelope_id.as_deref().and_then(|text| QueueId::parse(text).ok()) {
        let found = spool.find(&id)?.filter(|(state, _)| REPORTED_ON.contains(state));
        return Ok(found.filter(|(state, name)| spool.read(*state, name).is_ok_and(|message| agrees(&message, report))));
    }
    if report.envelope_id.is_none() && report.message_id.is_none() {
        return Ok(None);
    }
    for state in REPORTED_ON {
        for entry in spool.entries(state)? {
            let Entry::Message(name) = entry? else { continue };
            let Ok(message) = spool.read(state, &name) else { continue };
            if names(&message, report) && agrees(&message, report) {
                return Ok(Some((state, name)));
            }
        }
    }
    Ok(None)
}

fn names(message: &QueueFile, report: &Understood) -> bool {
    match &report.envelope_id {
        Some(envid) => message.envelope.report_id() == envid,
        None => report.message_id.is_some() && message_id(message) == report.message_id,
    }
}

/// A report that gives both names must mean one message with both.
fn agrees(message: &QueueFile, report: &Understood) -> bool {
    match (&report.message_id, message_id(message)) {
        (Some(reported), Some(own)) => *reported == own,
        _ => true,
    }
}

fn message_id(message: &QueueFile) -> Option<String> {
    let bytes = message.beginning(HEAD).ok()?;
    let header = Header::scan(&bytes, Supply::End)?;
    let value = header.all("Message-ID").next().map(Field::value)?;
    Some(value.trim().trim_start_matches('<').trim_end_matches('>').to_owned())
}

fn apply(engine: &Engine<'_>, state: State, name: &FileName, id: &QueueId, report: &Understood) -> Result<()> {
    // Without the claim nothing is moved; what is known is written down in any case: the log takes whole lines.
    let claim = match engine.spool.claim(state, name)? {
        Taken::Claimed(claim) => Some(claim),
        _ => None,
    };
    let message = engine.spool.read(state, name);
    let envelope = match (&claim, &message) {
        (Some(claim), _) => &claim.message().envelope,
        (None, Ok(message)) => &message.envelope,
        (None, Err(_)) => return Ok(()),
    };
    let mut history = History::read(envelope.recipients.len(), &engine.spool.read_log(&envelope.id)?);
    if history.reports.contains(id) {
        // Our own report, on its way to the one who sent the message: it says what is known here.
        return Ok(());
    }
    let mut log = None;
    for heard in &report.recipients {
        let Some(place) = place_of(envelope, heard) else { continue };
        let before = history.recipients[place].state;
        let Some(after) = moved(report.kind, before, heard.action) else { continue };
        let text: String = heard.diagnostic.as_deref().map(printable::line).unwrap_or_default();
        let event = Event::Heard {
            recipients: vec![place],
            state: after,
            action: heard.action.word().to_owned(),
            status: heard.status,
            text: text.clone(),
            report: id.clone(),
        };
        let record = Record { at: engine.now(), event };
        history.apply(&record);
        if log.is_none() {
            log = Some(engine.spool.log(&envelope.id)?);
        }
        if let Some(log) = &mut log {
            log.append(&record)?;
        }
        engine.observer.heard(&Handled {
            id: envelope.id.clone(),
            address: envelope.recipients[place].address.clone(),
            transport: history.recipients[place].transport.clone(),
            state: after,
            status: heard.status.unwrap_or(crate::mail::status::Status::DONE),
            text,
            next: None,
        });
    }
    if let Some(log) = log {
        log.sync()?;
        if log.is_new() {
            engine.spool.sync_log_names()?;
        }
    }
    match claim {
        // Finished, and somebody does not have it after all; a run that died here may have written so before.
        Some(claim) if state == State::Sent && !history.is_sent() => {
            Ok(claim.failed(Some(engine.now().after(engine.settings.queue.keep_failed)))?)
        }
        _ => Ok(()),
    }
}

/// Whom a report means: by the address as the sender wrote it, or the one that it came to.
fn place_of(envelope: &Envelope, heard: &Heard) -> Option<usize> {
    let texts = heard.original.iter().chain([&heard.address]);
    texts
        .filter_map(|text| {
            let key = Address::new(AddressType::smtp(), text).ok().map(|address| address.key());
            envelope.recipients.iter().position(|recipient| {
                let orcpt = recipient.orcpt.as_ref().map(|orcpt| orcpt.address());
                recipient.address.text() == text
                    || orcpt == Some(text)
                    || key.as_ref() == Some(&recipient.address.key())
            })
        })
        .next()
}

/// What a recipient is after a report; `None` when the report can say nothing about it. Only who was handed over can be
/// reported on, and what was bad news stays so.
fn moved(kind: Kind, before: RecipientState, action: Action) -> Option<RecipientState> {
    let handed_over = matches!(before, RecipientState::Relayed | RecipientState::Delivered | RecipientState::Read);
    if !handed_over {
        return None;
    }
    if kind == Kind::Mdn {
        // A reader tells what was done with the message, not whether it came.
        return Some(if action == Action::Displayed { RecipientState::Read } else { before });
    }
    Some(match (action, before) {
        (Action::Delivered, RecipientState::Relayed) => RecipientState::Delivered,
        (Action::Failed, RecipientState::Relayed | RecipientState::Delivered) => RecipientState::Failed,
        (Action::Delivered | Action::Failed, _) => return None,
        (_, before) => before,
    })
}
