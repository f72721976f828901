//! `flush`: attempt what is due, and end.

pub mod dry_run;

use std::collections::HashSet;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use crate::mail::address::pattern::AddressPattern;
use crate::mail::envelope::id::QueueId;
use crate::spool::listing::{DirectoryEntry, DueMessages};
use crate::spool::runner::RunnerKind;
use crate::spool::transport_state::TransportPause;
use crate::spool::{QueueState, Spool};
use crate::sys::signals::{HangupMeaning, Signals};
use crate::transports::source::MailSource;
use crate::values::time::Timestamp;

use crate::delivery::context::DeliveryContext;
use crate::delivery::remaining::RemainingMail;
use crate::delivery::run;
use crate::delivery::selection::{ForceLevel, Selection};
use crate::exit::{ExitStatus, RefusalKind, combine, refuse};
use crate::inbox::fetch;
use crate::inbox::pending;
use crate::output::console::{Console, ProgressBarUse};
use crate::output::mode::{OutputFormat, Verbosity};
use crate::output::observer::RunTally;
use crate::output::print;
use crate::session::Session;
use crate::spool::running_time::SpoolTime;

/// What `flush` is asked to do.
#[derive(Clone, Debug)]
pub struct FlushOptions {
    /// Only these messages, whatever their back-off.
    pub ids: Vec<String>,
    /// Only mail for this transport.
    pub transport: Option<String>,
    /// Only these recipients.
    pub to: Option<AddressPattern>,
    /// What does not count.
    pub force: ForceLevel,
    /// Hand-offs at once, all transports together.
    pub jobs: Option<usize>,
    /// Messages at most.
    pub limit: Option<usize>,
    /// What mail that is still owed means for the exit code.
    pub owed: OwedMeaning,
    /// Whether a bar shows how far it is.
    pub progress: ProgressBarUse,
    /// In what form results are printed.
    pub format: OutputFormat,
    /// Which way mail goes.
    pub direction: FlushDirection,
}

/// Which way mail goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlushDirection {
    /// Out: what is queued is sent.
    Out,
    /// In: the inbound transports are asked.
    In,
    /// Out, and then in.
    Both,
}

/// What mail that is still owed means for the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwedMeaning {
    /// Nothing: that is what a spooler is for.
    IsFine,
    /// Try again (75).
    IsFailure,
}

/// Attempts what is due.
pub fn run(session: &Session, options: &FlushOptions) -> Result<ExitStatus> {
    let spool = session.spool()?;
    spool.verify()?;
    let sources = sources(session, options)?;
    let selection = selection(session, options)?;
    let signals = Signals::listen(HangupMeaning::Stops)?;
    let presence = spool.announce_runner(RunnerKind::Flush)?;
    if let Err(error) = spool.sweep_if_due(session.count_time(&spool)?) {
        // Mail goes out all the same.
        print::error(&format!("what is no longer needed could not be removed: {error}"));
    }
    let (due, ends) = match options.direction {
        FlushDirection::In => (DueMessages::default(), Vec::new()),
        FlushDirection::Out | FlushDirection::Both => select(session, &spool, options)?,
    };
    let console = Console::new(session.verbosity, options.format, options.progress, due.len());
    let context = DeliveryContext::new(session, &spool, &signals, &console)?;
    let tally = match selection {
        Some(selection) => run::run(&context, &due, &selection, &HashSet::new())?,
        None => RunTally::default(),
    };
    let polled = fetch::fetch_all(session, &context, &sources, options.limit)?;
    let files = signals.stop_requested().is_none() && !pending::is_watch_running(&spool)?;
    let left_untrusted = files && pending::file_all(&context)?.untrusted;
    drop(console);
    drop(presence);
    if options.format == OutputFormat::Json {
        let rest = RemainingMail::count(&spool, session.now())?;
        print::json(&mut print::stdout(), &serde_json::json!({ "summary": FlushSummary::of(&tally, &rest) }))?;
    }
    if let Some(signal) = signals.stop_requested() {
        print::error(&format!("stopped by signal {signal}; what was not attempted stays queued"));
        return Ok(ExitStatus::Signal(signal));
    }
    if tally.errors > 0 {
        return Ok(ExitStatus::Io);
    }
    if tally.untrusted > 0 || polled == ExitStatus::Config || left_untrusted {
        // Said where it was found.
        return Ok(ExitStatus::Config);
    }
    if tally.unconfigured > 0 {
        return refuse(RefusalKind::Config, session.settings.why_unconfigured());
    }
    if tally.skipped > 0 && session.verbosity == Verbosity::Verbose && options.format == OutputFormat::Text {
        print::note(&format!(
            "{} recipients were kept, for their transports cannot be used now; `mspool report status` says why",
            tally.skipped
        ));
    }
    if polled != ExitStatus::Ok || (options.owed == OwedMeaning::IsFailure && still_queued(&spool)?) {
        return Ok(ExitStatus::TryAgain);
    }
    if options.ids.is_empty() {
        return Ok(ExitStatus::Ok);
    }
    for id in &tally.busy {
        print::error(&format!("{id}: in progress: somebody is at work on it"));
    }
    let end = |(id, end): End| {
        if id.is_some_and(|id| tally.busy.contains(&id)) { ExitStatus::TryAgain } else { end }
    };
    Ok(combine(&ends.into_iter().map(end).collect::<Vec<_>>()))
}

/// The inbound transports that are asked.
fn sources<'s>(session: &'s Session, options: &FlushOptions) -> Result<Vec<&'s MailSource>> {
    match (options.direction, &options.transport) {
        (FlushDirection::Out, _) => Ok(Vec::new()),
        (FlushDirection::In, None) => fetch::chosen_sources(session, &[]),
        (FlushDirection::In, Some(name)) => fetch::chosen_sources(session, std::slice::from_ref(name)),
        // Whatever goes one way only is passed over in the other.
        (FlushDirection::Both, name) => {
            let wanted = |inbound: &&MailSource| name.as_ref().is_none_or(|name| inbound.name == *name);
            Ok(session.settings.sources.iter().filter(wanted).collect())
        }
    }
}

/// What is to be sent; `None` when nothing is.
fn selection(session: &Session, options: &FlushOptions) -> Result<Option<Selection>> {
    let only_inbound = |name: &String| session.settings.sources.iter().any(|inbound| inbound.name == *name);
    match (options.direction, &options.transport) {
        (FlushDirection::In, _) => return Ok(None),
        (FlushDirection::Both, Some(name)) if session.settings.transport(name).is_none() && only_inbound(name) => {
            return Ok(None);
        }
        _ => {}
    }
    let mut selection = Selection {
        to: options.to.clone(),
        force: options.force,
        network: session.network,
        jobs: options.jobs,
        limit: options.limit,
        ..Selection::all()
    };
    if let Some(name) = &options.transport {
        selection.transport = Some(session.settings.known_transport(name)?);
    }
    if !options.ids.is_empty() && options.force == ForceLevel::No {
        selection.force = ForceLevel::Backoff;
    }
    Ok(Some(selection))
}

/// What came of an id that was named; none for a text that is no id.
type End = (Option<QueueId>, ExitStatus);

/// What the run is about: what is due, or the messages that were named. One end for each id that was.
fn select(session: &Session, spool: &Spool, options: &FlushOptions) -> Result<(DueMessages, Vec<End>)> {
    if !options.ids.is_empty() {
        let mut chosen = Vec::new();
        let mut ends = Vec::new();
        let mut seen = HashSet::new();
        for text in options.ids.iter().filter(|text| seen.insert(text.as_str())) {
            let id = match session.id(text) {
                Ok(id) => id,
                Err(error) if options.ids.len() == 1 => return Err(error),
                Err(error) => {
                    print::error(&format!("{error:#}"));
                    ends.push((None, ExitStatus::Data));
                    continue;
                }
            };
            let end = match spool.find(&id)? {
                Some((state @ (QueueState::New | QueueState::Cur), name)) => {
                    chosen.push((state, name));
                    ExitStatus::Ok
                }
                Some((QueueState::Hold, _)) => {
                    print::error(&format!("{id} is on hold; `mspool release {id}` lets it go on"));
                    ExitStatus::TryAgain
                }
                Some((state, _)) => {
                    print::error(&format!("{id} is not queued any more: {}", state.word()));
                    ExitStatus::NoInput
                }
                None => {
                    print::error(&format!("{id} is not in the spool"));
                    ExitStatus::NoInput
                }
            };
            ends.push((Some(id), end));
        }
        return Ok((DueMessages::of(chosen), ends));
    }
    let now =
        if options.force == ForceLevel::BackoffAndBreaker { Timestamp::from_seconds(u64::MAX) } else { session.now() };
    let due = spool.due_messages(now, session.settings.queue.retry.longest_delay(), |state, name| {
        if session.verbosity > Verbosity::Quiet {
            let path = spool.path_of_state(state).join(name);
            print::error(&format!("{} is not a message of this spool; it is left alone", path.display()));
        }
    })?;
    Ok((due, Vec::new()))
}

fn still_queued(spool: &Spool) -> Result<bool> {
    for state in [QueueState::New, QueueState::Cur] {
        for entry in spool.entries(state)? {
            if matches!(entry?, DirectoryEntry::Message(_)) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

#[derive(Serialize)]
struct FlushSummary {
    delivered: usize,
    relayed: usize,
    deferred: usize,
    failed: usize,
    skipped: usize,
    owed: usize,
    next_attempt: Option<Timestamp>,
}

impl FlushSummary {
    fn of(tally: &RunTally, rest: &RemainingMail) -> FlushSummary {
        FlushSummary {
            delivered: tally.delivered,
            relayed: tally.relayed,
            deferred: tally.deferred,
            failed: tally.failed,
            skipped: tally.skipped + tally.unconfigured,
            owed: rest.owed,
            next_attempt: rest.next,
        }
    }
}

/// Lets no more mail go to a transport, for a while or until [`resume`].
pub fn pause(session: &Session, name: &str, span: Option<Duration>, reason: &str) -> Result<ExitStatus> {
    session.settings.known_transport(name)?;
    let spool = session.spool()?;
    let SpoolTime { now, running, .. } = session.time(&spool)?;
    let pause = TransportPause {
        since: now,
        until: span.map(|span| now.after(span)),
        until_running: span.map(|span| running.after(span)),
        reason: reason.to_owned(),
    };
    spool.update_transport_state(name, |state| {
        state.pause = Some(pause);
        // After a pause everything gets at least one try: no trial of before may end it.
        state.failed_trial = None;
    })?;
    Ok(ExitStatus::Ok)
}

/// Lets mail go to a transport again: ends its pause and closes its breaker.
pub fn resume(session: &Session, name: &str) -> Result<ExitStatus> {
    session.settings.known_transport(name)?;
    session.spool()?.update_transport_state(name, |transport_state| {
        transport_state.pause = None;
        transport_state.breaker = None;
        transport_state.failed_trial = None;
    })?;
    Ok(ExitStatus::Ok)
}
