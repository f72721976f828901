//! `report log`: the events of all messages, oldest first.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Result;
use serde::Serialize;

use crate::exit::{ExitStatus, combine};
use crate::mail::envelope::id::QueueId;
use crate::mail::history::record::{LogEvent, LogRecord};
use crate::output::mode::OutputFormat;
use crate::output::print;
use crate::session::Session;
use crate::spool::{QueueState, Spool};
use crate::values::time::Timestamp;

use crate::commands::report::next_attempt::TransportDelays;
use crate::commands::report::one::of_record;
use crate::commands::report::view::{MessageView, RecipientView, view};

#[derive(Serialize)]
struct LogLine<'a> {
    id: &'a QueueId,
    #[serde(flatten)]
    record: &'a LogRecord,
    /// Addresses of the recipients, which the record names by their index in the envelope.
    addresses: Vec<String>,
}

/// Messages whose events are printed: one entry for each id, with the message if it is still in the spool.
type LoggedMessages = BTreeMap<QueueId, Option<MessageView>>;

/// Prints the events of the messages with these ids, or of all, that are not older than `since`. Exit status 66, or 1 of
/// several, for an id that is not in the spool.
///
/// # Errors
///
/// A refusal for a text that is not an id; an error of the spool or of standard output.
pub fn run(session: &Session, since: Option<Timestamp>, ids: &[String], format: OutputFormat) -> Result<ExitStatus> {
    let spool = session.spool()?;
    let mut missing = ExitStatus::Ok;
    let several = ids.len() > 1;
    let messages = if ids.is_empty() {
        all(session, &spool)?
    } else {
        let ids = ids.iter().map(|text| session.id(text)).collect::<Result<Vec<_>>>()?;
        let delays = TransportDelays::read(session, &spool, session.time(&spool)?)?;
        let mut messages = LoggedMessages::new();
        for id in ids {
            let message = match spool.find(&id)? {
                Some((state, name)) => view(&spool, &delays, state, &name)?,
                None => None,
            };
            if message.is_none() && spool.read_log(&id)?.is_empty() {
                print::error(&format!("{id} is not in the spool"));
                missing = ExitStatus::NoInput;
            }
            messages.insert(id, message);
        }
        messages
    };
    let mut records: Vec<(LogRecord, &QueueId)> = Vec::new();
    for (id, message) in &messages {
        let of_message = match message {
            Some(message) => message.records.clone(),
            None => spool.records_without_message(id)?,
        };
        records.extend(of_message.into_iter().map(|record| (record, id)));
    }
    records.retain(|(record, _)| since.is_none_or(|since| record.at >= since));
    // A note between runs, of no use to anybody else.
    records.retain(|(record, _)| !matches!(record.event, LogEvent::Started {}));
    records.sort_by_key(|(record, _)| record.at);
    let mut out = print::stdout();
    for (record, id) in &records {
        let recipients = messages.get(*id).and_then(Option::as_ref).map_or(&[][..], |message| &message.recipients);
        match format {
            OutputFormat::Json => {
                let addresses = recipients.iter().map(RecipientView::shown).collect();
                print::json(&mut out, &LogLine { id, record, addresses })?;
            }
            OutputFormat::Text => {
                for text in of_record(id, record, recipients) {
                    print::line(&mut out, &format!("{} {id}: {text}", record.at))?;
                }
            }
        }
    }
    out.flush()?;
    Ok(if several { combine(&[missing, ExitStatus::Ok]) } else { missing })
}

/// Returns all messages with events: those with marks in their names, and those with a log.
fn all(session: &Session, spool: &Spool) -> Result<LoggedMessages> {
    let delays = TransportDelays::read(session, spool, session.time(spool)?)?;
    let mut messages: LoggedMessages = spool.logs()?.into_iter().map(|id| (id, None)).collect();
    // In the order in which messages move: one that moves meanwhile is seen in its old or its new state, or in both.
    for state in QueueState::ALL.into_iter().chain([QueueState::Received]) {
        for name in spool.messages_in_order(state)? {
            if (!name.marks.is_empty() || messages.contains_key(&name.id))
                && let Some(message) = view(spool, &delays, state, &name)?
            {
                messages.insert(name.id, Some(message));
            }
        }
    }
    Ok(messages)
}
