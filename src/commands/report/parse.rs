//! `report parse`: prints the content of incoming reports as JSON.

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
use crate::sys::error::AtPath;
use crate::values::quoting::quoted;

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
    certainty: &'static str,
    status: Option<Status>,
    diagnostic: Option<&'a str>,
    remote_mta: Option<&'a str>,
}

impl<'a> ParsedRecipient<'a> {
    fn of(reported: &'a ReportedRecipient) -> ParsedRecipient<'a> {
        ParsedRecipient {
            address: &reported.address,
            original_recipient: reported.original.as_deref(),
            action: reported.action.word(),
            certainty: reported.certainty.word(),
            status: reported.status,
            diagnostic: reported.diagnostic.as_deref(),
            remote_mta: reported.remote_mta.as_deref(),
        }
    }
}

/// Prints one JSON object for each file; `-` is standard input.
///
/// # Errors
///
/// A refusal with [`RefusalKind::NotFound`] for a missing file; an error if a file cannot be read.
pub fn run(session: &Session, files: &[String]) -> Result<ExitStatus> {
    let mut out = print::stdout();
    for file in files {
        let bytes = read(file, session.settings.queue.message_limit.saturating_mul(2))?;
        let report = bounce::read_report(&bytes);
        let class = class_of(&report);
        let (folder, rule) = session.settings.folders.of(&class);
        let line = ParsedReport {
            kind: report.kind.word(),
            class,
            folder: folder.as_str().to_owned(),
            rule,
            envelope_id: report.envelope_id.as_deref(),
            message_id: report.message_id.as_deref(),
            original: report.original.word(),
            recipients: report.recipients.iter().map(ParsedRecipient::of).collect(),
        };
        print::json(&mut out, &line)?;
    }
    out.flush()?;
    Ok(ExitStatus::Ok)
}

/// Reads at most `limit` bytes of a file, or of standard input for `-`.
fn read(file: &str, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if file == "-" {
        io::stdin().lock().take(limit).read_to_end(&mut bytes).at("read", "standard input")?;
        return Ok(bytes);
    }
    match File::open(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            refuse(RefusalKind::NotFound, format!("{} does not exist", quoted(file)))
        }
        opened => {
            let about = || format!("cannot read {}", quoted(file));
            opened.with_context(about)?.take(limit).read_to_end(&mut bytes).with_context(about)?;
            Ok(bytes)
        }
    }
}
