//! `report ID`: one message in full, with its envelope, every recipient and every attempt.

use std::io::Write;

use anyhow::Result;

use crate::exit::{ExitStatus, combine};
use crate::mail::envelope::id::QueueId;
use crate::mail::history::progress::UnprovenReport;
use crate::mail::history::record::{CUT_SHORT, LogEvent, LogRecord, ReportProof};
use crate::mail::history::state::ReportKind;
use crate::output::mode::OutputFormat;
use crate::output::print;
use crate::session::Session;

use crate::commands::report::next_attempt::TransportDelays;
use crate::commands::report::view::{MessageView, RecipientView, view};
use crate::mail::envelope::recipient::RecipientIndex;
use crate::values::table::TableIndex;

/// Prints each message, and continues after a missing one. Exit status 66 for an id that is not in the spool, 65 for a text
/// that is not an id, 1 if only some of several succeed.
///
/// # Errors
///
/// An error of the spool or of standard output.
pub fn run(session: &Session, ids: &[String], format: OutputFormat) -> Result<ExitStatus> {
    let spool = session.spool()?;
    let mut out = print::stdout();
    let mut statuses = Vec::new();
    let delays = TransportDelays::read(session, &spool, session.time(&spool)?)?;
    for text in ids {
        let id = match session.id(text) {
            Ok(id) => id,
            Err(error) => {
                print::error(&format!("{error:#}"));
                statuses.push(ExitStatus::Data);
                continue;
            }
        };
        // A run may rename the message between `find` and `view`: look again.
        let mut found = None;
        for _ in 0..3 {
            let Some((state, name)) = spool.find(&id)? else { break };
            found = view(&spool, &delays, state, &name)?;
            if found.is_some() {
                break;
            }
        }
        match found {
            Some(view) => {
                print(&mut out, &view, format)?;
                statuses.push(ExitStatus::Ok);
            }
            None => {
                print::error(&format!("{id} is not in the spool"));
                statuses.push(ExitStatus::NoInput);
            }
        }
    }
    out.flush()?;
    Ok(combine(&statuses))
}

fn print(out: &mut impl Write, view: &MessageView, format: OutputFormat) -> Result<()> {
    if format == OutputFormat::Json {
        return print::json(out, view);
    }
    print::line(out, view.id.as_str())?;
    let active = if view.active { ", another run is working on it" } else { "" };
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
    match (view.next_attempt, view.wait) {
        (Some(next), Some(wait)) => field(out, "next", &format!("{next} ({wait})"))?,
        (Some(next), None) => field(out, "next", &next.to_string())?,
        (None, Some(wait)) => field(out, "next", wait)?,
        (None, None) => {}
    }
    if let Some(expires) = view.expires {
        field(out, "expires", &expires.to_string())?;
    }
    for recipient in &view.recipients {
        print::line(out, &format!("  {}", of_recipient(recipient)))?;
        for report in &recipient.unproven_reports {
            print::line(out, &format!("    unproven report, which changed nothing: {}", of_unproven(report)))?;
        }
    }
    for record in &view.records {
        for text in of_record(&view.id, record, &view.recipients) {
            print::line(out, &format!("  {}  {text}", record.at))?;
        }
    }
    Ok(())
}

fn field(out: &mut impl Write, name: &str, text: &str) -> Result<()> {
    print::line(out, &format!("  {name:<10}{text}"))
}

fn of_recipient(recipient: &RecipientView) -> String {
    let origin = recipient.expanded_from.as_ref().map_or(String::new(), |first| format!(" (from {first})"));
    let mut text = format!("{}{origin}: {}", recipient.shown(), recipient.state.word());
    if recipient.maybe_delivered {
        text.push_str(", maybe delivered: the result of the last attempt is unknown");
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
        text.push_str(&format!(" (remote id: {remote})"));
    }
    if recipient.attempts > 0 {
        text.push_str(&format!("; attempts: {}", recipient.attempts));
    }
    text
}

fn of_unproven(report: &UnprovenReport) -> String {
    let status = report.status.map_or(String::new(), |status| format!(" {status}"));
    let text = if report.text.is_empty() { String::new() } else { format!(" {}", report.text) };
    format!("{}{status}{text} ({})", report.action, report.report)
}

/// Returns the event of a log record as text, one line per result.
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
        LogEvent::Started {} | LogEvent::Reporting { .. } => Vec::new(),
        LogEvent::Reported { kind, recipients, report, text } => {
            let what = match kind {
                ReportKind::Success => "success",
                ReportKind::Delay => "delay",
                ReportKind::Failure => "failure",
            };
            vec![match report {
                Some(report) => format!("reported {what} to the sender: {}: {report}", names(recipients)),
                None => format!("no {what} report to the sender: {}: {text}", names(recipients)),
            }]
        }
        LogEvent::Heard { recipients, action, status, text, report, proof, .. } => {
            let status = status.map_or(String::new(), |status| format!(" {status}"));
            let text = if text.is_empty() { String::new() } else { format!(" {text}") };
            let proof = if *proof == ReportProof::None { " without proof" } else { "" };
            vec![format!("{action}, reported{proof} by {report}: {}:{status}{text}", names(recipients))]
        }
        LogEvent::Asked { .. } => Vec::new(),
        LogEvent::Resent { id, queued: true, .. } => vec![format!("sent again as {id}")],
        LogEvent::Resent { id, queued: false, .. } => vec![format!("about to be sent again as {id}")],
        LogEvent::Filed { folder, class } if folder.is_empty() => vec![format!("filed in the inbox, class {class}")],
        LogEvent::Filed { folder, class } => vec![format!("filed in {folder}, class {class}")],
        LogEvent::Acknowledged => vec!["acknowledged to its source".to_owned()],
        LogEvent::Dropped { hook } => vec![format!("dropped by the hook {hook}")],
        LogEvent::Incomplete { text } => {
            vec![format!("{CUT_SHORT}: {text}")]
        }
        LogEvent::Trouble { text } => vec![text.clone()],
    }
}
