//! `watch`: delivers mail as it arrives and as attempts become due, until a signal stops the run.
//!
//! A watch is `flush` in a loop. File notifications only end a wait early: each pass lists the queue again. A lost
//! notification therefore costs at most a minute, and no state in memory can disagree with the spool.

pub mod events;
mod inbound;
mod wakeup;

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;

use crate::mail::envelope::id::QueueId;
use crate::spool::runner::RunnerKind;
use crate::spool::transport_state::{TransportPause, TransportState};
use crate::spool::{QueueState, Spool};
use crate::sys::boot_time;
use crate::sys::error::reason_text;
use crate::sys::signals::{HangupMeaning, Signals};
use crate::transports::transport::Transport;
use crate::values::time::Timestamp;

use crate::commands::watch::events::{EndedWatch, EventPrinter, WatchEvent};
use crate::commands::watch::wakeup::{ArrivalWatcher, WakeReason, WakeupWaiter};
use crate::delivery::context::DeliveryContext;
use crate::delivery::remaining::RemainingMail;
use crate::delivery::run;
use crate::delivery::selection::Selection;
use crate::exit::ExitStatus;
use crate::inbox::pending;
use crate::output::mode::OutputFormat;
use crate::output::observer::RunObserver;
use crate::session::Session;
use crate::settings::{Settings, SettingsSource};

/// Options of `watch`.
#[derive(Clone, Debug)]
pub struct WatchOptions {
    /// Maximum number of simultaneous hand-offs, over all transports.
    pub jobs: Option<usize>,
    /// Output format of the events.
    pub format: OutputFormat,
    /// Kinds of events that are printed; empty means all.
    pub events: Vec<WatchEvent>,
}

/// Maximum time between two passes, in case a notification was lost.
const RESCAN_INTERVAL: Duration = Duration::from_secs(60);

/// Delay before the next try after a thread could not be started or a wait failed.
const FAILURE_RETRY: Duration = Duration::from_millis(500);

/// First delay before the next pass, if a message was not synced yet or another run had claimed it. Doubles each time.
const FIRST_RETRY: Duration = Duration::from_millis(50);

/// Delivers until a signal stops the run. `reload` reads the configuration again.
///
/// # Errors
///
/// An error if the spool cannot be used at the start. Later failures are printed, and the next pass tries again.
pub fn run(session: &Session, options: &WatchOptions, reload: &dyn Fn() -> Result<Settings>) -> Result<ExitStatus> {
    let spool = session.spool()?;
    spool.verify()?;
    let signals = Signals::listen(HangupMeaning::Reloads)?;
    let events = EventPrinter::new(session.verbosity, options.format, session.clock.clone(), options.events.clone());
    for warning in session.settings.transports.iter().flat_map(Transport::warnings) {
        events.error(&format!("transport {warning}"));
    }
    let arrivals = ArrivalWatcher::new(&spool)?;
    let wakeup = WakeupWaiter::new(&spool, config_file(&session.settings.source).as_deref(), &events)?;
    // Every step that can fail at the start is done. From here on, only a stop signal ends the watch.
    let runner_lock = spool.announce_runner(RunnerKind::Watch)?;
    // The outbound thread reloads the configuration; the inbound threads read it here.
    let shared = Mutex::new(session.clone());
    std::thread::scope(|scope| {
        let (spool, signals, events, shared, arrivals) = (&spool, &signals, &events, &shared, &arrivals);
        let filing = spawn(scope, signals, events, || {
            move || {
                let _guard = StopGuard(signals);
                inbound::file(shared, spool, signals, events, arrivals);
            }
        });
        let polling = spawn(scope, signals, events, || {
            move || {
                let _guard = StopGuard(signals);
                inbound::poll(shared, spool, signals, events);
            }
        });
        {
            let _guard = StopGuard(signals);
            outbound(session, WatchLoop::new(wakeup, options.jobs), reload, shared, spool, signals, events);
        }
        let results: Vec<_> = [filing, polling].into_iter().flatten().map(|thread| thread.join()).collect();
        let all_joined = results.iter().all(Result::is_ok);
        // Runs that saw this watch left their received mail to it. File that mail after the runner lock is released: a message
        // received before that would otherwise stay unfiled until the next run.
        drop(runner_lock);
        let context = DeliveryContext::new(session, spool, signals, events);
        if let Err(error) = context.and_then(|context| pending::file_all(&context)) {
            events.error(&format!("{error:#}"));
        }
        // The counts are for the last event only: an error in them does not change the exit status.
        let rest = RemainingMail::count(spool, session.now()).unwrap_or_else(|error| {
            events.error(&format!("cannot count the queue: {error:#}"));
            RemainingMail::default()
        });
        let complete = all_joined && !signals.abort_requested();
        let inbound = spool.messages_in_order(QueueState::Received).map_or(0, |names| names.len());
        let signal = signals.stop_requested().unwrap_or(0);
        events.shutdown(&EndedWatch { signal, complete, rest, inbound });
        Ok(if complete { ExitStatus::Ok } else { ExitStatus::Signal(signal) })
    })
}

/// Starts a thread. A failure, such as a reached limit of threads, does not end the watch: it is printed, and the start is
/// tried again until it succeeds. Returns `None` if a stop signal comes first. `work` makes the function that the thread runs.
fn spawn<'scope, F: FnOnce() + Send + 'scope>(
    scope: &'scope std::thread::Scope<'scope, '_>,
    signals: &Signals,
    events: &EventPrinter,
    work: impl Fn() -> F,
) -> Option<std::thread::ScopedJoinHandle<'scope, ()>> {
    loop {
        match std::thread::Builder::new().spawn_scoped(scope, work()) {
            Ok(thread) => return Some(thread),
            Err(error) => events.error(&format!("cannot start a thread: {}; trying again", reason_text(&error))),
        }
        let _ = boot_time::readable(&[signals.stop_fd()], FAILURE_RETRY);
        if signals.stop_requested().is_some() {
            return None;
        }
    }
}

/// Stops the run when a thread ends, also by a panic: the other threads must not continue without it.
struct StopGuard<'s>(&'s Signals);

impl Drop for StopGuard<'_> {
    fn drop(&mut self) {
        self.0.request_stop();
    }
}

/// Runs the outbound side until a signal stops the run: reload, deliver what is due, wait.
fn outbound(
    session: &Session,
    mut watch: WatchLoop,
    reload: &dyn Fn() -> Result<Settings>,
    shared: &Mutex<Session>,
    spool: &Spool,
    signals: &Signals,
    events: &EventPrinter,
) {
    let mut session = session.clone();
    let mut reason = WakeReason::Timer;
    loop {
        let asked = signals.take_reload();
        if asked || reason == WakeReason::Reload {
            watch.reload(&mut session, spool, events, reload);
            *shared.lock().unwrap_or_else(PoisonError::into_inner) = session.clone();
            watch.wakeup.follow_config(config_file(&session.settings.source).as_deref());
        }
        // A full disk or a damaged state file makes a pass fail: print the error and try again after the interval.
        let wait = watch.pass(&session, spool, signals, events, reason).unwrap_or_else(|error| {
            events.error(&format!("{error:#}"));
            RESCAN_INTERVAL
        });
        if signals.stop_requested().is_some() {
            return;
        }
        reason = watch.wakeup.wait(signals, wait, spool, events).unwrap_or_else(|error| {
            events.error(&format!("cannot wait for new mail: {error:#}; trying again"));
            std::thread::sleep(FAILURE_RETRY);
            WakeReason::Timer
        });
        if signals.stop_requested().is_some() {
            return;
        }
    }
}

fn config_file(source: &SettingsSource) -> Option<std::path::PathBuf> {
    match source {
        SettingsSource::File(path) | SettingsSource::BuiltIn(path) => Some(path.clone()),
    }
}

struct WatchLoop {
    wakeup: WakeupWaiter,
    /// Maximum number of simultaneous hand-offs, over all transports.
    jobs: Option<usize>,
    /// Due messages that wait for something other than time. They are tried again on the timer, or when a transport's
    /// state changes.
    parked: HashSet<QueueId>,
    /// Pause of each transport, and whether its breaker was open, at the last pass.
    closed_transports: Vec<(Option<TransportPause>, bool)>,
    /// Time of the last pass.
    last: Timestamp,
    /// Delay before the next pass while another run is working on a message.
    retry_delay: Duration,
    /// True after the error about missing transports was printed.
    reported_unconfigured: bool,
}

impl WatchLoop {
    fn new(wakeup: WakeupWaiter, jobs: Option<usize>) -> WatchLoop {
        WatchLoop {
            wakeup,
            jobs,
            parked: HashSet::new(),
            closed_transports: Vec::new(),
            last: Timestamp::default(),
            retry_delay: FIRST_RETRY,
            reported_unconfigured: false,
        }
    }

    /// Attempts what is due. Returns the maximum time to wait before the next pass.
    fn pass(
        &mut self,
        session: &Session,
        spool: &Spool,
        signals: &Signals,
        events: &EventPrinter,
        reason: WakeReason,
    ) -> Result<Duration> {
        session.settings.trust.forget();
        let now = session.now();
        let longest_wait = session.settings.queue.retry.longest_delay();
        let mut transport_states = Vec::new();
        for transport in &session.settings.transports {
            transport_states.push(spool.transport_state(&transport.name)?);
        }
        // Only pauses and breakers count as a change. A pass records probe results itself, and would cause the next pass.
        let closed_transports: Vec<_> = transport_states
            .iter()
            .map(|transport_state| (transport_state.pause.clone(), transport_state.breaker.is_some()))
            .collect();
        let opens = |transport_state: &TransportState| {
            opens_at(transport_state).is_some_and(|time| time > self.last && time <= now)
        };
        if reason == WakeReason::Timer
            || closed_transports != self.closed_transports
            || transport_states.iter().any(opens)
        {
            self.parked.clear();
        }
        (self.closed_transports, self.last) = (closed_transports, now);
        // On a full disk, the sweep first makes room for the count.
        if let Err(error) = spool.sweep_if_due(session.time(spool)?, session.settings.queue.keep_failed) {
            events.error(&format!("cannot remove expired files: {error}; the next run tries again"));
        }
        session.count_time(spool);
        let due = spool
            .due_messages(now, longest_wait, |state, name| events.stray(&spool.path_of_state(state).join(name)))?;
        events.forget_finished(spool, &due)?;
        let context = DeliveryContext::new(session, spool, signals, events)?;
        let selection = Selection { network: session.network, jobs: self.jobs, ..Selection::all() };
        let tally = run::run(&context, &due, &selection, &self.parked)?;
        if tally.unconfigured > 0 && !std::mem::replace(&mut self.reported_unconfigured, true) {
            events.error(&session.settings.why_unconfigured());
        }
        self.parked.extend(tally.left);
        let mut reopenings = Vec::new();
        for transport in &session.settings.transports {
            reopenings.extend(opens_at(&spool.transport_state(&transport.name)?).filter(|time| *time > now));
        }
        let next = if due.is_empty() { due.next() } else { spool.due_messages(now, longest_wait, |_, _| {})?.next() };
        let next = next.into_iter().chain(reopenings).min();
        let until_next = next.map(|next| next.since(session.now()).max(Duration::from_millis(10)));
        let wait = until_next.map_or(RESCAN_INTERVAL, |wait| wait.min(RESCAN_INTERVAL));
        if tally.busy.is_empty() {
            self.retry_delay = FIRST_RETRY;
            return Ok(wait);
        }
        let delay = self.retry_delay;
        self.retry_delay = (delay * 2).min(RESCAN_INTERVAL);
        Ok(wait.min(delay))
    }

    /// Replaces the settings of `session`, except the spool, which the runner lock belongs to.
    fn reload(
        &mut self,
        session: &mut Session,
        spool: &Spool,
        events: &EventPrinter,
        reload: &dyn Fn() -> Result<Settings>,
    ) {
        match reload() {
            Ok(settings) if settings.spool != session.settings.spool => {
                events.error(&format!(
                    "the configuration now names spool {}; this watch keeps {} until it is restarted",
                    settings.spool.display(),
                    spool.path().display()
                ));
                session.settings = Settings { spool: session.settings.spool.clone(), ..settings };
            }
            Ok(settings) => {
                self.reported_unconfigured = false;
                session.settings = settings;
                events.status("configuration reloaded");
            }
            Err(error) => events.error(&format!("{error:#}; the previous configuration stays in use")),
        }
        self.parked.clear();
    }
}

/// Returns the time at which a paused or broken transport becomes usable by itself.
fn opens_at(transport_state: &TransportState) -> Option<Timestamp> {
    let pause = transport_state.pause.as_ref().and_then(|pause| pause.until);
    let breaker = transport_state.breaker.as_ref().map(|breaker| breaker.until);
    [pause, breaker].into_iter().flatten().min()
}
