//! `report parse`: what a message says about other messages, as it is understood.

use std::fs::File;
use std::io::{self, Read, Write};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::exit::{ExitStatus, RefusalKind, refuse};
use crate::inbox::classify::class_of;
use crate::mail::report::bounce::{self, ReportedRecipient};
use crate::mail::status::Status;
use crate::output::print;
use crate::session::Session;
use crate::values::printable;

#[derive(Serialize)]
struct ParsedReport<'a> {
    kind: &'static str,
    class: String,
    folder: String,
    rule: Option<&'a str>,
    envelope_id: Option<&'a str>,
    message_id: Option<&'a str>,
    original: &'static str,
    recipients: Vec<ParsedRecipient<'a>>,
}

#[derive(Serialize)]
struct ParsedRecipient<'a> {
    address: &'a str,
    original_recipient: Option<&'a str>,
    action: &'static str,
    status: Option<Status>,
    diagnostic: Option<&'a str>,
    remote_mta: Option<&'a str>,
}

impl<'a> ParsedRecipient<'a> {
    fn of(heard: &'a ReportedRecipient) -> ParsedRecipient<'a> {
        ParsedRecipient {
            address: &heard.address,
            original_recipient: heard.original.as_deref(),
            action: heard.action.word(),
            status: heard.status,
            diagnostic: heard.diagnostic.as_deref(),
            remote_mta: heard.remote_mta.as_deref(),
        }
    }
}

/// Prints one object for each file; `-` is standard input.
pub fn run(session: &Session, files: &[String]) -> Result<ExitStatus> {
    let mut out = print::stdout();
    for file in files {
        let bytes = read(file, session.settings.queue.message_limit.saturating_mul(2))?;
        let understood = bounce::read_report(&bytes);
        let class = class_of(&understood);
        let (folder, rule) = session.settings.folders.of(&class);
        let line = ParsedReport {
            kind: understood.kind.word(),
            class,
            folder: folder.as_str().to_owned(),
            rule,
            envelope_id: understood.envelope_id.as_deref(),
            message_id: understood.message_id.as_deref(),
            original: understood.original.word(),
            recipients: understood.recipients.iter().map(ParsedRecipient::of).collect(),
        };
        print::json(&mut out, &line)?;
    }
    out.flush()?;
    Ok(ExitStatus::Ok)
}

fn read(file: &str, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if file == "-" {
        io::stdin().lock().take(limit).read_to_end(&mut bytes).context("cannot read standard input")?;
        return Ok(bytes);
    }
    match File::open(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            refuse(RefusalKind::NotFound, format!("{} is not there", printable::line(file)))
        }
        opened => {
            let about = || format!("cannot read {}", printable::line(file));
            opened.with_context(about)?.take(limit).read_to_end(&mut bytes).with_context(about)?;
            Ok(bytes)
        }
    }
}
