//! One message in full: its envelope, every recipient, every attempt.

use std::io::Write;

use anyhow::Result;

use crate::exit::{ExitStatus, combine};
use crate::mail::envelope::id::QueueId;
use crate::mail::history::record::{LogEvent, LogRecord, ReportKind};
use crate::output::mode::OutputFormat;
use crate::output::print;
use crate::session::Session;
use crate::sys::locks_held::LocksHeld;

use crate::commands::report::view::{MessageView, RecipientView, view};
use crate::mail::envelope::recipient::RecipientIndex;
use crate::values::table::TableIndex;

/// Prints these messages; goes on after one that is not there.
pub fn run(session: &Session, ids: &[String], form: OutputFormat) -> Result<ExitStatus> {
    let spool = session.spool()?;
    let held = LocksHeld::now();
    let mut out = print::stdout();
    let mut ends = Vec::new();
    for text in ids {
        let id = match session.id(text) {
            Ok(id) => id,
            Err(error) => {
                print::error(&format!("{error:#}"));
                ends.push(ExitStatus::Data);
                continue;
            }
        };
        // Between finding and reading it may move on: then it is found again.
        let mut found = None;
        for _ in 0..3 {
            let Some((state, name)) = spool.find(&id)? else { break };
            found = view(&spool, &session.settings, session.time(&spool)?, &held, state, &name)?;
            if found.is_some() {
                break;
            }
        }
        match found {
            Some(view) => {
                let log = spool.read_log(&id)?;
                print(&mut out, &view, &log, form)?;
                ends.push(ExitStatus::Ok);
            }
            None => {
                print::error(&format!("{id} is not in the spool"));
                ends.push(ExitStatus::NoInput);
            }
        }
    }
    out.flush()?;
    Ok(combine(&ends))
}

fn print(out: &mut impl Write, view: &MessageView, log: &[u8], form: OutputFormat) -> Result<()> {
    if form == OutputFormat::Json {
        return print::json(out, view);
    }
    print::line(out, view.id.as_str())?;
    let active = if view.active { ", somebody is at work on it" } else { "" };
    field(out, "state", &format!("{}{active}", view.state))?;
    if let Some(text) = &view.text {
        return field(out, "trouble", text);
    }
    field(out, "sender", &format!("<{}>", view.sender))?;
    field(out, "subject", view.subject.as_deref().unwrap_or("-"))?;
    field(out, "size", &format!("{} bytes", view.size))?;
    field(out, "arrival", &view.arrival.to_string())?;
    if let Some(envid) = &view.envid {
        field(out, "envid", envid)?;
    }
    if let Some(first) = &view.resend_of {
        field(out, "resend of", first.as_str())?;
    }
    if let Some(next) = view.next_attempt {
        field(out, "next", &next.to_string())?;
    }
    if let Some(expires) = view.expires {
        field(out, "expires", &expires.to_string())?;
    }
    for recipient in &view.recipients {
        print::line(out, &format!("  {}", of_recipient(recipient)))?;
    }
    for line in log.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        if let Ok(record) = serde_json::from_slice::<LogRecord>(line) {
            for text in of_record(&view.id, &record, &view.recipients) {
                print::line(out, &format!("  {}  {text}", record.at))?;
            }
        }
    }
    Ok(())
}

fn field(out: &mut impl Write, name: &str, text: &str) -> Result<()> {
    print::line(out, &format!("  {name:<10}{text}"))
}

fn of_recipient(recipient: &RecipientView) -> String {
    let of = recipient.expanded_from.as_ref().map_or(String::new(), |first| format!(" (of {first})"));
    let mut text = format!("{}{of}: {}", recipient.shown(), recipient.state.word());
    if recipient.maybe_delivered {
        text.push_str(", maybe delivered: its last attempt ended unseen");
    }
    if let Some(transport) = &recipient.transport {
        text.push_str(&format!(" via {transport}"));
    }
    if let Some(status) = recipient.status {
        text.push_str(&format!(": {status}"));
    }
    if !recipient.text.is_empty() {
        text.push_str(&format!(" {}", recipient.text));
    }
    if let Some(remote) = &recipient.remote_id {
        text.push_str(&format!(" (their id: {remote})"));
    }
    if recipient.attempts > 0 {
        text.push_str(&format!("; attempts: {}", recipient.attempts));
    }
    text
}

/// What a record says, one line for each thing that happened.
pub fn of_record(id: &QueueId, record: &LogRecord, recipients: &[RecipientView]) -> Vec<String> {
    let names = |indices: &[RecipientIndex]| -> String {
        let name = |index: &RecipientIndex| {
            let position = index.position();
            recipients.get(position).map_or(format!("recipient {position} of {id}"), RecipientView::shown)
        };
        indices.iter().map(name).collect::<Vec<_>>().join(", ")
    };
    match &record.event {
        LogEvent::Attempt { transport, attempt, recipients } => {
            vec![format!("attempt {attempt} via {transport}: {}", names(recipients))]
        }
        LogEvent::Result { transport, results } => results
            .iter()
            .map(|decision| {
                let via = transport.as_ref().map_or(String::new(), |name| format!(" via {name}"));
                let next = decision.next.map_or(String::new(), |next| format!("; next {next}"));
                let text = if decision.text.is_empty() { String::new() } else { format!(" {}", decision.text) };
                format!(
                    "{}{via}: {}: {}{text}{next}",
                    decision.state.word(),
                    names(&decision.recipients),
                    decision.status
                )
            })
            .collect(),
        LogEvent::Held => vec!["held".to_owned()],
        LogEvent::Released => vec!["released".to_owned()],
        LogEvent::Reporting { .. } => Vec::new(),
        LogEvent::Reported { kind, recipients, report, text } => {
            let what = match kind {
                ReportKind::Success => "success",
                ReportKind::Delay => "delay",
                ReportKind::Failure => "failure",
            };
            vec![match report {
                Some(report) => format!("reported {what} to the sender: {}: {report}", names(recipients)),
                None => format!("no report of {what}: {}: {text}", names(recipients)),
            }]
        }
        LogEvent::Heard { recipients, action, status, text, report, .. } => {
            let status = status.map_or(String::new(), |status| format!(" {status}"));
            let text = if text.is_empty() { String::new() } else { format!(" {text}") };
            vec![format!("{action}, as {report} says: {}:{status}{text}", names(recipients))]
        }
        LogEvent::Asked { .. } => Vec::new(),
        LogEvent::Resent { id, queued: true, .. } => vec![format!("sent again as {id}")],
        LogEvent::Resent { id, queued: false, .. } => vec![format!("about to be sent again as {id}")],
        LogEvent::Filed { folder, class } if folder.is_empty() => vec![format!("filed in the inbox, class {class}")],
        LogEvent::Filed { folder, class } => vec![format!("filed in {folder}, class {class}")],
        LogEvent::Acknowledged => vec!["acknowledged to its source".to_owned()],
        LogEvent::Dropped { hook } => vec![format!("dropped by the hook {hook}")],
        LogEvent::Trouble { text } => vec![text.clone()],
    }
}
