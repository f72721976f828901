//! `flush`: attempts the due messages once, and exits.

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
use crate::values::plural::counted;
use crate::values::time::Timestamp;

use crate::delivery::claiming::ClaimRefusal;
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

/// Options of `flush`.
#[derive(Clone, Debug)]
pub struct FlushOptions {
    /// Ids of the messages to attempt, even before their back-off ends; empty means all due messages.
    pub ids: Vec<String>,
    /// Name of the only transport or source to use.
    pub transport: Option<String>,
    /// Pattern of the recipients to attempt.
    pub to: Option<AddressPattern>,
    /// Waits that are ignored: back-off, or back-off and breakers.
    pub force: ForceLevel,
    /// Maximum number of simultaneous hand-offs, over all transports.
    pub jobs: Option<usize>,
    /// Maximum number of messages.
    pub limit: Option<usize>,
    /// Exit status if mail is still owed.
    pub owed: OwedMeaning,
    /// Use of a progress bar.
    pub progress: ProgressBarUse,
    /// Output format of the results.
    pub format: OutputFormat,
    /// Direction of the mail.
    pub direction: FlushDirection,
}

/// Direction of the mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlushDirection {
    /// Deliver queued mail.
    Out,
    /// Poll the sources.
    In,
    /// Deliver queued mail, then poll the sources.
    Both,
}

/// Exit status of a flush after which mail is still owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwedMeaning {
    /// 0: owed mail is a normal state of a queue.
    IsFine,
    /// 75 (`--strict`).
    IsFailure,
}

/// Runs one flush: attempts the due or named messages, polls the sources, and files received mail.
///
/// # Errors
///
/// A refusal for an unknown transport or source, for a single id that is wrong, or if mail has no configured transport; an
/// error if the spool cannot be used.
pub fn run(session: &Session, options: &FlushOptions) -> Result<ExitStatus> {
    let spool = session.spool()?;
    spool.verify()?;
    let sources = selected_sources(session, options)?;
    let selection = selection(session, options)?;
    let signals = Signals::listen(HangupMeaning::Stops)?;
    let runner_lock = spool.announce_runner(RunnerKind::Flush)?;
    // On a full disk, the sweep first makes room for the count.
    if let Err(error) = spool.sweep_if_due(session.time(&spool)?, session.settings.queue.keep_failed) {
        // Expired files are no reason to keep mail from delivery.
        print::error(&format!("cannot remove expired files: {error}; the next run tries again"));
    }
    session.count_time(&spool);
    let (due, id_results) = match options.direction {
        FlushDirection::In => (DueMessages::default(), Vec::new()),
        FlushDirection::Out | FlushDirection::Both => select_messages(session, &spool, options)?,
    };
    let console = Console::new(session.verbosity, options.format, options.progress, due.len());
    let context = DeliveryContext::new(session, &spool, &signals, &console)?;
    let tally = match selection {
        Some(selection) => run::run(&context, &due, &selection, &HashSet::new())?,
        None => RunTally::default(),
    };
    let polled = fetch::fetch_all(session, &context, &sources, options.limit)?;
    let files = signals.stop_requested().is_none() && !pending::is_watch_running(&spool)?;
    let filing_untrusted = files && pending::file_all(&context)?.untrusted;
    drop(console);
    drop(runner_lock);
    if options.format == OutputFormat::Json {
        let rest = RemainingMail::count(&spool, session.now())?;
        print::json(&mut print::stdout(), &serde_json::json!({ "summary": FlushSummary::of(&tally, &rest) }))?;
    }
    exit_status(session, &spool, options, &signals, RunResults { tally, polled, filing_untrusted, id_results })
}

/// Results of the parts of a flush, from which its exit status follows.
struct RunResults {
    tally: RunTally,
    polled: ExitStatus,
    /// True if received mail stays in the spool because of an untrusted hook.
    filing_untrusted: bool,
    id_results: Vec<IdResult>,
}

/// Returns the exit status of a finished flush, and prints its reason.
fn exit_status(
    session: &Session,
    spool: &Spool,
    options: &FlushOptions,
    signals: &Signals,
    results: RunResults,
) -> Result<ExitStatus> {
    let RunResults { tally, polled, filing_untrusted, id_results } = results;
    if let Some(signal) = signals.stop_requested() {
        print::error(&format!("interrupted by signal {signal}; the remaining mail stays queued"));
        return Ok(ExitStatus::Signal(signal));
    }
    if tally.errors > 0 {
        return Ok(ExitStatus::Io);
    }
    if tally.untrusted > 0 || polled == ExitStatus::Config || filing_untrusted {
        // The untrusted file is already reported.
        return Ok(ExitStatus::Config);
    }
    if tally.unconfigured > 0 {
        return refuse(RefusalKind::Config, session.settings.why_unconfigured());
    }
    if tally.skipped > 0 && session.verbosity == Verbosity::Verbose && options.format == OutputFormat::Text {
        print::note(&format!(
            "{} still owed: the transport cannot be used now; \"mspool report status\" shows the reason",
            counted(tally.skipped, "recipient")
        ));
    }
    if polled != ExitStatus::Ok || (options.owed == OwedMeaning::IsFailure && is_mail_queued(spool)?) {
        return Ok(ExitStatus::TryAgain);
    }
    if options.ids.is_empty() {
        return Ok(ExitStatus::Ok);
    }
    for id in &tally.busy {
        print::error(&format!("{id}: {}", ClaimRefusal::InProgress));
    }
    let status = |(id, status): IdResult| {
        if id.is_some_and(|id| tally.busy.contains(&id)) { ExitStatus::TryAgain } else { status }
    };
    Ok(combine(&id_results.into_iter().map(status).collect::<Vec<_>>()))
}

/// Returns the sources that this flush polls.
fn selected_sources<'s>(session: &'s Session, options: &FlushOptions) -> Result<Vec<&'s MailSource>> {
    match (options.direction, &options.transport) {
        (FlushDirection::Out, _) => Ok(Vec::new()),
        (FlushDirection::In, None) => fetch::chosen_sources(session, &[]),
        (FlushDirection::In, Some(name)) => fetch::chosen_sources(session, std::slice::from_ref(name)),
        // A name that is only a transport, or only a source, selects nothing in the other direction.
        (FlushDirection::Both, name) => {
            let wanted = |source: &&MailSource| name.as_ref().is_none_or(|name| source.name == *name);
            Ok(session.settings.sources.iter().filter(wanted).collect())
        }
    }
}

/// Returns the selection of queued mail; `None` if the options select only sources.
fn selection(session: &Session, options: &FlushOptions) -> Result<Option<Selection>> {
    let is_source = |name: &String| session.settings.sources.iter().any(|source| source.name == *name);
    match (options.direction, &options.transport) {
        (FlushDirection::In, _) => return Ok(None),
        (FlushDirection::Both, Some(name)) if session.settings.transport(name).is_none() && is_source(name) => {
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

/// Result for one id of the command line; the id is `None` for a text that is not an id.
type IdResult = (Option<QueueId>, ExitStatus);

/// Returns the messages to attempt: the named ones with a result for each id, or all due ones.
fn select_messages(session: &Session, spool: &Spool, options: &FlushOptions) -> Result<(DueMessages, Vec<IdResult>)> {
    if !options.ids.is_empty() {
        return select_by_id(session, spool, &options.ids);
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

/// Returns the queued messages among these ids, and a result for each id. Refused ids are printed.
fn select_by_id(session: &Session, spool: &Spool, ids: &[String]) -> Result<(DueMessages, Vec<IdResult>)> {
    let mut chosen = Vec::new();
    let mut results = Vec::new();
    let mut seen = HashSet::new();
    for text in ids.iter().filter(|text| seen.insert(text.as_str())) {
        let id = match session.id(text) {
            Ok(id) => id,
            Err(error) if ids.len() == 1 => return Err(error),
            Err(error) => {
                print::error(&format!("{error:#}"));
                results.push((None, ExitStatus::Data));
                continue;
            }
        };
        let status = match spool.find(&id)? {
            Some((state @ (QueueState::New | QueueState::Cur), name)) => {
                chosen.push((state, name));
                ExitStatus::Ok
            }
            Some((QueueState::Hold, _)) => {
                print::error(&format!("{id} is on hold; \"mspool release {id}\" releases it"));
                ExitStatus::TryAgain
            }
            found => {
                print::error(&not_queued(&id, found.map(|(state, _)| state)));
                ExitStatus::NoInput
            }
        };
        results.push((Some(id), status));
    }
    Ok((DueMessages::of(chosen), results))
}

/// Returns the reason why a message in this state cannot be attempted; `None` means that it is not in the spool.
fn not_queued(id: &QueueId, state: Option<QueueState>) -> String {
    match state {
        Some(state) => format!("{id} is not queued: its state is {}", state.word()),
        None => format!("{id} is not in the spool"),
    }
}

/// True if any message waits for delivery, due or not.
fn is_mail_queued(spool: &Spool) -> Result<bool> {
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

/// Pauses a transport for `span`, or without one until [`resume`].
///
/// # Errors
///
/// A refusal with [`RefusalKind::Usage`] for an unknown transport; an error of the spool.
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
        // Every message gets at least one attempt after the pause: an earlier failed trial must not expire it.
        state.failed_trial = None;
    })?;
    Ok(ExitStatus::Ok)
}

/// Ends the pause of a transport and closes its circuit breaker.
///
/// # Errors
///
/// A refusal with [`RefusalKind::Usage`] for an unknown transport; an error of the spool.
pub fn resume(session: &Session, name: &str) -> Result<ExitStatus> {
    session.settings.known_transport(name)?;
    session.spool()?.update_transport_state(name, |transport_state| {
        transport_state.pause = None;
        transport_state.breaker = None;
        transport_state.failed_trial = None;
    })?;
    Ok(ExitStatus::Ok)
}
