//! `report`: the queue as a table that fits the terminal, or as JSON Lines.

use std::io::Write;

use anyhow::Result;
use bytesize::ByteSize;

use crate::exit::ExitStatus;
use crate::mail::history::state::{RecipientEventKind, RecipientState};
use crate::output::mode::OutputFormat;
use crate::output::print;
use crate::session::Session;
use crate::spool::QueueState;
use crate::spool::file_name::FileName;
use crate::sys::terminal_columns;
use crate::values::plural::counted;
use crate::values::printable;
use crate::values::time::{self, Timestamp};

use crate::commands::report::next_attempt::TransportDelays;
use crate::commands::report::view::{MessageView, RecipientView, view};

/// States that the report lists: unfinished and failed messages.
const LISTED: [QueueState; 5] =
    [QueueState::New, QueueState::Cur, QueueState::Hold, QueueState::Corrupt, QueueState::Failed];

/// Number of messages after which the output is flushed once, so that a long report starts at once.
const FIRST_PAGE: usize = 40;

/// Prints the queue, oldest message first.
///
/// # Errors
///
/// An error of the spool or of standard output.
pub fn run(session: &Session, format: OutputFormat) -> Result<ExitStatus> {
    let spool = session.spool()?;
    let mut listed: Vec<(QueueState, FileName)> = Vec::new();
    for state in LISTED {
        listed.extend(spool.messages_in_order(state)?.into_iter().map(|name| (state, name)));
    }
    // A stable sort: each state is already in order, and this is then nearly linear.
    listed.sort_by(|(_, a), (_, b)| (a.id.micros(), &a.id).cmp(&(b.id.micros(), &b.id)));
    let mut out = print::stdout();
    let mut table = QueueTable::new(session.now());
    let delays = TransportDelays::read(session, &spool, session.time(&spool)?)?;
    for (number, (state, name)) in listed.iter().enumerate() {
        let Some(view) = view(&spool, &delays, *state, name)? else { continue };
        // A cancelled message is in state `failed` too, but did not fail.
        if *state == QueueState::Failed
            && view.recipients.iter().all(|one| one.state.properties().event != RecipientEventKind::Failed)
            && view.recipients.iter().any(|one| one.state == RecipientState::Cancelled)
            && view.text.is_none()
        {
            continue;
        }
        match format {
            OutputFormat::Json => print::json(&mut out, &view)?,
            OutputFormat::Text => table.row(&mut out, &view)?,
        }
        if number == FIRST_PAGE {
            out.flush()?;
        }
    }
    if format == OutputFormat::Text {
        table.end(&mut out)?;
        let received = spool.messages_in_order(QueueState::Received)?.len();
        if received > 0 {
            print::line(&mut out, &format!("{} not filed yet", counted(received, "received message")))?;
        }
    }
    out.flush()?;
    Ok(ExitStatus::Ok)
}

struct QueueTable {
    now: Timestamp,
    columns: usize,
    rows: usize,
    bytes: u64,
    by_state: Vec<(&'static str, usize)>,
}

/// Number of columns without a terminal: large enough that no line is cut.
const NO_LIMIT: usize = 100_000;

impl QueueTable {
    fn new(now: Timestamp) -> QueueTable {
        QueueTable {
            now,
            columns: terminal_columns(std::io::stdout()).unwrap_or(NO_LIMIT),
            rows: 0,
            bytes: 0,
            by_state: Vec::new(),
        }
    }

    fn row(&mut self, out: &mut impl Write, view: &MessageView) -> Result<()> {
        let id = view.id.as_str();
        if self.rows == 0 {
            let width = printable::width(id);
            let head = format!("{}  {:<8}{:>9}{:>7}  {}", printable::fit("ID", width), "STATE", "SIZE", "AGE", "NEXT");
            self.print(out, &head)?;
        }
        self.rows += 1;
        self.bytes += view.size;
        match self.by_state.iter_mut().find(|(state, _)| *state == view.state) {
            Some((_, count)) => *count += 1,
            None => self.by_state.push((view.state, 1)),
        }
        let state = format!("{}{}", view.state, if view.active { "*" } else { "" });
        let size = ByteSize(view.size).display().si_short().to_string();
        let age = time::span(self.now.since(view.arrival));
        self.print(out, &format!("{id}  {state:<8}{size:>9}{age:>7}  {}", self.next(view)))?;
        let to: Vec<String> = view.recipients.iter().take(4).map(|recipient| recipient.shown()).collect();
        let more = view.recipients.len().saturating_sub(4);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let subject = view.subject.as_ref().map_or(String::new(), |subject| format!("  \"{subject}\""));
        if view.text.is_none() {
            self.print(out, &format!("    <{}> to {}{more}{subject}", view.sender, to.join(", ")))?;
        }
        // Show the problem of a recipient who is still owed before that of a failed one.
        let first_after = |event: RecipientEventKind| {
            let is_it = move |recipient: &&RecipientView| recipient.state.properties().event == event;
            view.recipients.iter().filter(is_it).find(|recipient| !recipient.text.is_empty())
        };
        let problem = first_after(RecipientEventKind::Deferred).or_else(|| first_after(RecipientEventKind::Failed));
        let described = |recipient: &RecipientView| {
            let status = recipient.status.map_or(String::new(), |status| format!("{status} "));
            let prefix = if view.recipients.len() > 1 { format!("{}: ", recipient.shown()) } else { String::new() };
            format!("{prefix}{status}{}", recipient.text)
        };
        match view.text.clone().or_else(|| problem.map(described)) {
            Some(text) => self.print(out, &format!("    ({text})")),
            None => Ok(()),
        }
    }

    fn next(&self, view: &MessageView) -> String {
        match view.next_attempt {
            _ if view.wait.is_some() => view.wait.unwrap_or_default().to_owned(),
            Some(next) if next > self.now => format!("in {}", time::span(next.since(self.now))),
            Some(_) => "now".to_owned(),
            None => "-".to_owned(),
        }
    }

    fn end(&self, out: &mut impl Write) -> Result<()> {
        if self.rows == 0 {
            return self.print(out, "The queue is empty.");
        }
        let states: Vec<String> = self.by_state.iter().map(|(state, count)| format!("{count} {state}")).collect();
        let size = ByteSize(self.bytes).display().si_short();
        self.print(out, &format!("{}, {size}: {}", counted(self.rows, "message"), states.join(", ")))
    }

    fn print(&self, out: &mut impl Write, text: &str) -> Result<()> {
        let text = printable::line(text);
        let cut = if printable::width(&text) > self.columns { printable::fit(&text, self.columns) } else { text };
        Ok(writeln!(out, "{}", cut.trim_end())?)
    }
}
