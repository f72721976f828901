//! `report status`: one line per transport and source, and the runner. Reads only the disk, never the network.

use std::io::Write;

use anyhow::Result;
use serde::Serialize;

use crate::commands::report::next_attempt::{NextAttempt, TransportDelays};
use crate::delivery::transport_queue::pause_reason;
use crate::exit::ExitStatus;
use crate::mail::address::route::AcceptedTypes;
use crate::output::mode::OutputFormat;
use crate::output::print;
use crate::session::Network;
use crate::session::Session;
use crate::spool::listing::DirectoryEntry;
use crate::spool::running_time::SpoolTime;
use crate::spool::transport_state::{BreakerCause, CircuitBreaker, TransportState};
use crate::spool::{QueueState, Spool};
use crate::transports::source::MailSource;
use crate::transports::transport::Transport;
use crate::transports::transport::TransportIndex;
use crate::values::plural::counted;
use crate::values::printable;
use crate::values::table::Table;
use crate::values::time::Timestamp;

#[derive(Serialize)]
struct TransportRow<'a> {
    transport: &'a str,
    kind: &'static str,
    state: &'static str,
    text: String,
    types: Vec<&'a str>,
    outbound: bool,
    inbound: bool,
    owed: usize,
    active: usize,
    next_attempt: Option<Timestamp>,
    breaker: Option<&'a CircuitBreaker>,
}

#[derive(Serialize)]
struct RunnerRow {
    runner: &'static str,
    owed: usize,
    next_attempt: Option<Timestamp>,
    /// Number of received messages that are not filed yet.
    received: usize,
}

/// Mail that waits for a transport.
#[derive(Clone, Default)]
struct TransportLoad {
    owed: usize,
    active: usize,
    next: Option<Timestamp>,
}

impl TransportLoad {
    fn add_next(&mut self, next: NextAttempt) {
        self.next = self.next.into_iter().chain(next.time).min();
    }
}

/// Prints the state of every transport and source, and of the runner.
///
/// # Errors
///
/// An error of the spool or of standard output.
pub fn run(session: &Session, format: OutputFormat) -> Result<ExitStatus> {
    let spool = session.spool()?;
    let transports = &session.settings.transports;
    let transport_states =
        transports.iter().map(|transport| spool.transport_state(&transport.name)).collect::<Result<Vec<_>, _>>()?;
    let time = session.time(&spool)?;
    let (loads, all) = loads(session, &spool, time)?;
    let mut out = print::stdout();
    if format == OutputFormat::Text {
        let head =
            format!("{:<16}{:<9}{:<11}{:<12}{:>6}{:>8}  ", "TRANSPORT", "KIND", "STATE", "TYPES", "OWED", "ACTIVE");
        print::line(&mut out, &format!("{head}TEXT"))?;
    }
    for ((transport, load), transport_state) in transports.iter().zip(&loads).zip(&transport_states) {
        let (state, text) = state(session, transport, transport_state, time);
        let row = TransportRow {
            transport: &transport.name,
            kind: transport.kind(),
            state,
            text,
            types: types(transport),
            outbound: transport.accepts.types != AcceptedTypes::Only(Vec::new())
                || !transport.accepts.patterns.is_empty(),
            inbound: session.settings.sources.iter().any(|source| source.name == transport.name),
            owed: load.owed,
            active: load.active,
            next_attempt: load.next,
            breaker: breaker(transport, transport_state),
        };
        row.print(&mut out, format)?;
    }
    for source in &session.settings.sources {
        source_row(session, &spool, source)?.print(&mut out, format)?;
    }
    let runner = spool.runner()?.map_or("none", |runner| runner.word());
    let received = spool.messages_in_order(QueueState::Received)?.len();
    let row = RunnerRow { runner, owed: all.owed, next_attempt: all.next, received };
    row.print(&mut out, format)?;
    out.flush()?;
    Ok(ExitStatus::Ok)
}

impl RunnerRow {
    fn print(&self, out: &mut impl Write, format: OutputFormat) -> Result<()> {
        if format == OutputFormat::Json {
            return print::json(out, self);
        }
        let runner = match self.runner {
            "none" => "no flush or watch is running".to_owned(),
            runner => format!("{runner} is running"),
        };
        let owed = counted(self.owed, "recipient");
        let next = self.next_attempt.map_or(String::new(), |next| format!(", next attempt {next}"));
        let received = match self.received {
            0 => String::new(),
            count => format!(", {} not filed yet", counted(count, "received message")),
        };
        print::line(out, &format!("{runner}; {owed} owed{next}{received}"))
    }
}

impl TransportRow<'_> {
    fn print(&self, out: &mut impl Write, format: OutputFormat) -> Result<()> {
        if format == OutputFormat::Json {
            return print::json(out, self);
        }
        let name = printable::fit(self.transport, 15);
        let types = printable::fit(&self.types.join(","), 11);
        let numbers = format!("{:>6}{:>8}", self.owed, self.active);
        print::line(out, &format!("{name} {:<9}{:<11}{types} {numbers}  {}", self.kind, self.state, self.text))
    }
}

/// Returns the row of a source, with the result of its last poll.
fn source_row<'s>(session: &Session, spool: &Spool, source: &'s MailSource) -> Result<TransportRow<'s>> {
    let last = spool.source_state(&source.name)?;
    let next = last.polled.map(|polled| polled.after(source.every));
    let (state, text) = match (&last.polled, &last.trouble) {
        _ if session.network == Network::Offline => ("offline", "--offline is set".to_owned()),
        (Some(at), Some(trouble)) => ("failure", format!("polled at {at}: {trouble}")),
        (Some(at), None) => ("available", format!("polled at {at}")),
        (None, _) => ("available", "not polled yet".to_owned()),
    };
    Ok(TransportRow {
        transport: &source.name,
        kind: "inbound",
        state,
        text,
        types: Vec::new(),
        outbound: false,
        inbound: true,
        owed: 0,
        active: 0,
        next_attempt: next,
        breaker: None,
    })
}

fn types(transport: &Transport) -> Vec<&str> {
    match &transport.accepts.types {
        AcceptedTypes::Any => vec!["*"],
        AcceptedTypes::Only(types) => types.iter().map(|kind| kind.as_str()).collect(),
    }
}

/// Returns the state of a transport as a word and as a sentence.
fn state(
    session: &Session,
    transport: &Transport,
    transport_state: &TransportState,
    time: SpoolTime,
) -> (&'static str, String) {
    if let Some(text) = pause_reason(transport_state, time) {
        return ("paused", text);
    }
    if session.network == Network::Offline && transport.reaches_beyond_host() {
        return ("offline", "--offline is set".to_owned());
    }
    if let Some(breaker) = breaker(transport, transport_state) {
        let times = format!("since {}, next trial {}: {}", breaker.since, breaker.until, breaker.text);
        return match breaker.cause {
            BreakerCause::Failure => ("failure", format!("broken {times}")),
            BreakerCause::Auth => ("auth", format!("login refused {times}")),
        };
    }
    match &transport_state.probe {
        Some(probe) if !probe.ok => ("offline", format!("at {}: {}", probe.at, probe.text)),
        Some(probe) => ("available", format!("probed at {}", probe.at)),
        None => ("available", "ready".to_owned()),
    }
}

/// Returns the open breaker of a transport. A changed configuration closes it.
fn breaker<'s>(transport: &Transport, transport_state: &'s TransportState) -> Option<&'s CircuitBreaker> {
    transport_state.breaker.as_ref().filter(|breaker| breaker.config == transport.fingerprint)
}

/// Returns the load of each transport, and of all together.
fn loads(
    session: &Session,
    spool: &Spool,
    time: SpoolTime,
) -> Result<(Table<TransportIndex, TransportLoad>, TransportLoad)> {
    let settings = &session.settings;
    let mut loads = settings.transports.map(|_| TransportLoad::default());
    let mut all = TransportLoad::default();
    let delays = TransportDelays::read(session, spool, time)?;
    for state in [QueueState::New, QueueState::Cur] {
        for entry in spool.entries(state)? {
            let DirectoryEntry::Message(name) = entry? else { continue };
            let Ok(message) = spool.read(state, &name) else { continue };
            let history = spool.history(&message)?;
            let due = name.due.unwrap_or(message.envelope.arrival);
            let active = spool.is_active(&message, &history)?;
            for recipient in history.owed() {
                all.owed += 1;
                let (transport, next) = delays.of_recipient(&message.envelope, &history, recipient, due);
                all.add_next(next);
                if let Some(transport) = transport {
                    loads[transport].owed += 1;
                    loads[transport].add_next(next);
                }
            }
            let handed_off = history.recipients.iter().filter(|progress| active && progress.outcome_unknown);
            let names: std::collections::BTreeSet<&String> =
                handed_off.filter_map(|progress| progress.transport.as_ref()).collect();
            for transport in names.into_iter().filter_map(|name| settings.transport(name)) {
                loads[transport].active += 1;
            }
        }
    }
    Ok((loads, all))
}
