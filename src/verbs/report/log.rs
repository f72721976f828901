//! What happened, over all messages, oldest first.

use std::io::Write;

use anyhow::Result;
use serde::Serialize;

use crate::mail::id::QueueId;
use crate::mail::record::Record;
use crate::mail::time::Timestamp;
use crate::sys::locks_held::LocksHeld;
use crate::verbs::exit::{Exit, over_all};
use crate::verbs::say;
use crate::verbs::session::{Form, Session};

use super::one::of_record;
use super::view::view;

#[derive(Serialize)]
struct Line<'a> {
    id: &'a QueueId,
    #[serde(flatten)]
    record: &'a Record,
    /// The recipients in words; in the record they are places in the envelope.
    addresses: Vec<String>,
}

/// Prints the log of these messages, or of all, from a time on.
pub fn run(session: &Session, since: Option<Timestamp>, ids: &[String], form: Form) -> Result<Exit> {
    let spool = session.spool()?;
    let mut missing = Exit::Ok;
    let several = ids.len() > 1;
    let ids = if ids.is_empty() {
        spool.logs()?
    } else {
        let ids = ids.iter().map(|text| session.id(text)).collect::<Result<Vec<_>>>()?;
        for id in &ids {
            if spool.find(id)?.is_none() && spool.read_log(id)?.is_empty() {
                say::problem(&format!("{id} is not in the spool"));
                missing = Exit::NoInput;
            }
        }
        ids
    };
    let mut records: Vec<(Record, usize)> = Vec::new();
    for (index, id) in ids.iter().enumerate() {
        let log = spool.read_log(id)?;
        let lines = log.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Record>(line).ok());
        records
            .extend(lines.filter(|record| since.is_none_or(|since| record.at >= since)).map(|record| (record, index)));
    }
    records.sort_by_key(|(record, index)| (record.at, *index));
    let held = LocksHeld::default();
    let mut out = say::output();
    for (record, index) in &records {
        let id = &ids[*index];
        let found = spool.find(id)?;
        let message = match found {
            Some((state, name)) => view(&spool, &session.settings, &held, state, &name)?,
            None => None,
        };
        let recipients = message.map(|message| message.recipients).unwrap_or_default();
        match form {
            Form::Json => {
                let addresses = recipients.iter().map(|recipient| recipient.shown()).collect();
                say::json(&mut out, &Line { id, record, addresses })?;
            }
            Form::Text => {
                for text in of_record(id, record, &recipients) {
                    say::line(&mut out, &format!("{} {id}: {text}", record.at))?;
                }
            }
        }
    }
    out.flush()?;
    Ok(if several { over_all(&[missing, Exit::Ok]) } else { missing })
}
