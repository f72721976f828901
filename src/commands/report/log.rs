//! `report log`: the events of all messages, oldest first.

use std::io::Write;

use anyhow::Result;
use serde::Serialize;

use crate::exit::{ExitStatus, combine};
use crate::mail::envelope::id::QueueId;
use crate::mail::history::record::{LogEvent, LogRecord};
use crate::output::mode::OutputFormat;
use crate::output::print;
use crate::session::Session;
use crate::values::time::Timestamp;

use crate::commands::report::next_attempt::TransportDelays;
use crate::commands::report::one::of_record;
use crate::commands::report::view::view;

#[derive(Serialize)]
struct LogLine<'a> {
    id: &'a QueueId,
    #[serde(flatten)]
    record: &'a LogRecord,
    /// Addresses of the recipients, which the record names by their index in the envelope.
    addresses: Vec<String>,
}

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
    let ids = if ids.is_empty() {
        spool.logs()?
    } else {
        let ids = ids.iter().map(|text| session.id(text)).collect::<Result<Vec<_>>>()?;
        for id in &ids {
            if spool.find(id)?.is_none() && spool.read_log(id)?.is_empty() {
                print::error(&format!("{id} is not in the spool"));
                missing = ExitStatus::NoInput;
            }
        }
        ids
    };
    let mut records: Vec<(LogRecord, usize)> = Vec::new();
    for (index, id) in ids.iter().enumerate() {
        let log = spool.read_log(id)?;
        let lines = log.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<LogRecord>(line).ok());
        records
            .extend(lines.filter(|record| since.is_none_or(|since| record.at >= since)).map(|record| (record, index)));
    }
    // A note between runs, of no use to anybody else.
    records.retain(|(record, _)| !matches!(record.event, LogEvent::Started(_)));
    records.sort_by_key(|(record, index)| (record.at, *index));
    let mut out = print::stdout();
    let delays = TransportDelays::read(session, &spool, session.time(&spool)?)?;
    for (record, index) in &records {
        let id = &ids[*index];
        let found = spool.find(id)?;
        let message = match found {
            Some((state, name)) => view(&spool, &delays, state, &name)?,
            None => None,
        };
        let recipients = message.map(|message| message.recipients).unwrap_or_default();
        match format {
            OutputFormat::Json => {
                let addresses = recipients.iter().map(|recipient| recipient.shown()).collect();
                print::json(&mut out, &LogLine { id, record, addresses })?;
            }
            OutputFormat::Text => {
                for text in of_record(id, record, &recipients) {
                    print::line(&mut out, &format!("{} {id}: {text}", record.at))?;
                }
            }
        }
    }
    out.flush()?;
    Ok(if several { combine(&[missing, ExitStatus::Ok]) } else { missing })
}
