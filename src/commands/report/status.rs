//! The transports, one line each, and the runner. Reads what is on disk; connects to nothing.

use std::io::Write;

use anyhow::Result;
use serde::Serialize;

use crate::delivery::plan::PlanInputs;
use crate::delivery::plan::{BackoffRule, RecipientPlan, plan};
use crate::delivery::transport_queue::failed_trials;
use crate::delivery::transport_queue::pause_reason;
use crate::exit::ExitStatus;
use crate::mail::address::route::AcceptedTypes;
use crate::output::mode::OutputFormat;
use crate::output::print;
use crate::session::Network;
use crate::session::Session;
use crate::spool::listing::DirectoryEntry;
use crate::spool::running_time::SpoolTime;
use crate::spool::transport_state::{CircuitBreaker, TransportState};
use crate::spool::{QueueState, Spool};
use crate::sys::locks_held::LocksHeld;
use crate::transports::source::MailSource;
use crate::transports::transport::Transport;
use crate::transports::transport::TransportIndex;
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
    /// Messages that were received and are not filed yet.
    received: usize,
}

/// What waits for a transport.
#[derive(Clone, Default)]
struct TransportLoad {
    owed: usize,
    active: usize,
    next: Option<Timestamp>,
}

impl TransportLoad {
    fn add_next(&mut self, next: Timestamp) {
        self.next = Some(self.next.map_or(next, |first| first.min(next)));
    }
}

/// Prints the state of every transport, and of the runner.
pub fn run(session: &Session, form: OutputFormat) -> Result<ExitStatus> {
    let spool = session.spool()?;
    let held = LocksHeld::now();
    let transports = &session.settings.transports;
    let transport_states =
        transports.iter().map(|transport| spool.transport_state(&transport.name)).collect::<Result<Vec<_>, _>>()?;
    let breakers: Table<TransportIndex, Option<&CircuitBreaker>> =
        transports.iter().zip(&transport_states).map(|(of, transport_state)| breaker(of, transport_state)).collect();
    let time = session.time(&spool)?;
    let (loads, all) = loads(session, &spool, &held, &breakers)?;
    let mut out = print::stdout();
    if form == OutputFormat::Text {
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
            inbound: session.settings.sources.iter().any(|inbound| inbound.name == transport.name),
            owed: load.owed,
            active: load.active,
            next_attempt: load.next,
            breaker: breaker(transport, transport_state),
        };
        row.print(&mut out, form)?;
    }
    for inbound in &session.settings.sources {
        inbound_row(session, &spool, inbound)?.print(&mut out, form)?;
    }
    let runner = spool.runner(&held)?.map_or("none", |runner| runner.word());
    let received = spool.messages_in_order(QueueState::Received)?.len();
    let row = RunnerRow { runner, owed: all.owed, next_attempt: all.next, received };
    match form {
        OutputFormat::Json => print::json(&mut out, &row)?,
        OutputFormat::Text => {
            let next = row.next_attempt.map_or(String::new(), |next| format!(", next attempt {next}"));
            let runner =
                if runner == "none" { "no runner is at work".to_owned() } else { format!("{runner} is at work") };
            let received = match row.received {
                0 => String::new(),
                1 => ", 1 received message waits to be filed".to_owned(),
                count => format!(", {count} received messages wait to be filed"),
            };
            print::line(&mut out, &format!("{runner}; {} recipients owed{next}{received}", row.owed))?;
        }
    }
    out.flush()?;
    Ok(ExitStatus::Ok)
}

impl TransportRow<'_> {
    fn print(&self, out: &mut impl Write, form: OutputFormat) -> Result<()> {
        if form == OutputFormat::Json {
            return print::json(out, self);
        }
        let name = printable::fit(self.transport, 15);
        let types = printable::fit(&self.types.join(","), 11);
        let numbers = format!("{:>6}{:>8}", self.owed, self.active);
        print::line(out, &format!("{name} {:<9}{:<11}{types} {numbers}  {}", self.kind, self.state, self.text))
    }
}

/// A source of mail: what came of asking it last.
fn inbound_row<'s>(session: &Session, spool: &Spool, inbound: &'s MailSource) -> Result<TransportRow<'s>> {
    let known = spool.source_state(&inbound.name)?;
    let next = known.polled.map(|polled| polled.after(inbound.every));
    let (state, text) = match (&known.polled, &known.trouble) {
        _ if session.network == Network::Offline => ("offline", "offline, as asked".to_owned()),
        (Some(at), Some(trouble)) => ("failure", format!("asked at {at}: {trouble}")),
        (Some(at), None) => ("available", format!("asked at {at}")),
        (None, _) => ("available", "not asked yet".to_owned()),
    };
    Ok(TransportRow {
        transport: &inbound.name,
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

/// A transport's state in one word and one sentence.
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
        return ("offline", "offline, as asked".to_owned());
    }
    if let Some(breaker) = breaker(transport, transport_state) {
        let text = format!("broken since {}, tried again {}: {}", breaker.since, breaker.until, breaker.text);
        return ("failure", text);
    }
    match &transport_state.probe {
        Some(probe) if !probe.ok => ("offline", format!("at {}: {}", probe.at, probe.text)),
        Some(probe) => ("available", format!("probed at {}", probe.at)),
        None => ("available", "ready".to_owned()),
    }
}

/// The breaker that holds for this configuration of the transport.
fn breaker<'g>(transport: &Transport, transport_state: &'g TransportState) -> Option<&'g CircuitBreaker> {
    transport_state.breaker.as_ref().filter(|breaker| breaker.config == transport.fingerprint)
}

/// What waits for each transport, and in all. Behind an open breaker nothing is tried before that may close.
fn loads(
    session: &Session,
    spool: &Spool,
    held: &LocksHeld,
    breakers: &Table<TransportIndex, Option<&CircuitBreaker>>,
) -> Result<(Table<TransportIndex, TransportLoad>, TransportLoad)> {
    let settings = &session.settings;
    let mut loads = settings.transports.map(|_| TransportLoad::default());
    let mut all = TransportLoad::default();
    let time = session.time(spool)?;
    let trials = failed_trials(spool, &settings.transports, session.network, time)?;
    let inputs = PlanInputs { settings, time, backoff: BackoffRule::Ignore, trials: &trials };
    for state in [QueueState::New, QueueState::Cur] {
        for entry in spool.entries(state)? {
            let DirectoryEntry::Message(name) = entry? else { continue };
            let Ok(message) = spool.read(state, &name) else { continue };
            let history = spool.history(&message.envelope)?;
            let next = name.due.unwrap_or(message.envelope.arrival);
            let active = message.is_active(held);
            for recipient in history.owed() {
                all.owed += 1;
                let plan = plan(&inputs, &message.envelope, &history, recipient);
                let RecipientPlan::HandOver(transport) = plan else {
                    all.add_next(next);
                    continue;
                };
                let next = breakers[transport].map_or(next, |breaker| next.max(breaker.until));
                all.add_next(next);
                loads[transport].owed += 1;
                loads[transport].add_next(next);
            }
            let at_work = history.recipients.iter().filter(|progress| active && progress.outcome_unknown);
            let names: std::collections::BTreeSet<&String> =
                at_work.filter_map(|progress| progress.transport.as_ref()).collect();
            for transport in names.into_iter().filter_map(|name| settings.transport(name)) {
                loads[transport].active += 1;
            }
        }
    }
    Ok((loads, all))
}
