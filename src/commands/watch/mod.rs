//! `watch`: deliver as mail arrives and as attempts fall due, until told to stop.
//!
//! It is `flush` in a loop. Notifications only end the waiting early; the full look at the names, after each of them
//! and on a timer, is the truth. So a lost notification costs a minute, and no state is kept that could be wrong.

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
use crate::sys::error::reason_text;
use crate::sys::ready;
use crate::sys::signals::{HangupMeaning, Signals};
use crate::values::time::Timestamp;

use crate::commands::watch::events::{EventPrinter, WatchEvent};
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

/// What `watch` is asked to do.
#[derive(Clone, Debug)]
pub struct WatchOptions {
    /// Hand-offs at once, all transports together.
    pub jobs: Option<usize>,
    /// In what form events are printed.
    pub format: OutputFormat,
    /// The events that are printed; empty for all.
    pub events: Vec<WatchEvent>,
}

/// How long it waits at most before it looks again, whatever it was told.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Time after which something that failed for lack of a resource is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// How soon it looks again at a message that was not safe on disk yet, or that somebody else had claimed.
const SOON: Duration = Duration::from_millis(50);

/// Delivers until told to stop. `reload` reads the configuration anew.
pub fn run(session: &Session, options: &WatchOptions, reload: &dyn Fn() -> Result<Settings>) -> Result<ExitStatus> {
    let spool = session.spool()?;
    spool.verify()?;
    let signals = Signals::listen(HangupMeaning::Reloads)?;
    let events = EventPrinter::new(session.verbosity, options.format, session.clock.clone(), options.events.clone());
    let arrivals = ArrivalWatcher::new(&spool)?;
    let wakeup = WakeupWaiter::new(&spool, config_file(&session.settings.source).as_deref(), &events)?;
    // Everything that may refuse has been done: from here on, only a request to stop ends the watch.
    let presence = spool.announce_runner(RunnerKind::Watch)?;
    // What both threads go by; the outbound one reads the configuration anew.
    let shared = Mutex::new(session.clone());
    std::thread::scope(|scope| {
        let (spool, signals, events, shared, arrivals) = (&spool, &signals, &events, &shared, &arrivals);
        let filing = spawn(scope, signals, events, || {
            move || {
                let _guard = Guard(signals);
                inbound::file(shared, spool, signals, events, arrivals);
            }
        });
        let polling = spawn(scope, signals, events, || {
            move || {
                let _guard = Guard(signals);
                inbound::poll(shared, spool, signals, events);
            }
        });
        {
            let _guard = Guard(signals);
            outbound(session, WatchLoop::new(wakeup, options.jobs), reload, shared, spool, signals, events);
        }
        let ends: Vec<_> = [filing, polling].into_iter().flatten().map(|thread| thread.join()).collect();
        let whole = ends.iter().all(Result::is_ok);
        // Whoever saw us at work has left what he received to us: it is filed once nobody can see us any more.
        drop(presence);
        if let Err(error) = pending::file_all(&DeliveryContext::new(session, spool, signals, events)?) {
            events.error(&format!("{error:#}"));
        }
        // The last line is a count; that it cannot be made is no reason to end otherwise.
        let rest = RemainingMail::count(spool, session.now()).unwrap_or_else(|error| {
            events.error(&format!("the queue cannot be counted: {error:#}"));
            RemainingMail::default()
        });
        let complete = whole && !signals.abort_requested();
        let received = spool.messages_in_order(QueueState::Received).map_or(0, |names| names.len());
        events.shutdown(signals.stop_requested().unwrap_or(0), complete, &rest, received);
        Ok(if complete { ExitStatus::Ok } else { ExitStatus::Signal(signals.stop_requested().unwrap_or(0)) })
    })
}

/// Starts a thread, and tries again until that works: a system that is short of threads must not end the watch.
/// Returns none if the watch is asked to stop before.
fn spawn<'scope, F: FnOnce() + Send + 'scope>(
    scope: &'scope std::thread::Scope<'scope, '_>,
    signals: &Signals,
    events: &EventPrinter,
    work: impl Fn() -> F,
) -> Option<std::thread::ScopedJoinHandle<'scope, ()>> {
    loop {
        match std::thread::Builder::new().spawn_scoped(scope, work()) {
            Ok(thread) => return Some(thread),
            Err(error) => events.error(&format!("no thread can be started: {}; trying again", reason_text(&error))),
        }
        let _ = ready::readable(&[signals.stop_fd()], Some(RETRY));
        if signals.stop_requested().is_some() {
            return None;
        }
    }
}

/// However one of the threads ends, the others must not go on without it.
struct Guard<'s>(&'s Signals);

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        self.0.request_stop();
    }
}

/// The outbound side, until we are told to stop.
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
        // A pass that fails, on a full disk or for a state file that was damaged, is told, and tried again.
        let wait = watch.pass(&session, spool, signals, events, reason).unwrap_or_else(|error| {
            events.error(&format!("{error:#}"));
            LOOK_AGAIN
        });
        if signals.stop_requested().is_some() {
            return;
        }
        reason = watch.wakeup.wait(signals, wait, spool, events).unwrap_or_else(|error| {
            events.error(&format!("waiting for mail failed: {error:#}"));
            std::thread::sleep(RETRY);
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
    /// Hand-offs at once, all transports together.
    jobs: Option<usize>,
    /// Messages that are due and wait for something else than time: looked at again on the timer, or when a
    /// transport's state has changed.
    parked: HashSet<QueueId>,
    /// Which transports were paused or broken at the last pass, and when that was.
    transport_states: Vec<(Option<TransportPause>, bool)>,
    last: Timestamp,
    soon: Duration,
    told_unconfigured: bool,
}

impl WatchLoop {
    fn new(wakeup: WakeupWaiter, jobs: Option<usize>) -> WatchLoop {
        WatchLoop {
            wakeup,
            jobs,
            parked: HashSet::new(),
            transport_states: Vec::new(),
            last: Timestamp::default(),
            soon: SOON,
            told_unconfigured: false,
        }
    }

    /// One pass over what is due; says how long to wait for the next.
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
        // What probes note is no news: each pass may note something, and none may cause the next.
        let news: Vec<_> = transport_states
            .iter()
            .map(|transport_state| (transport_state.pause.clone(), transport_state.breaker.is_some()))
            .collect();
        let opens = |transport_state: &TransportState| {
            opens_at(transport_state).is_some_and(|end| end > self.last && end <= now)
        };
        if reason == WakeReason::Timer || news != self.transport_states || transport_states.iter().any(opens) {
            self.parked.clear();
        }
        (self.transport_states, self.last) = (news, now);
        if let Err(error) = spool.sweep_if_due(session.count_time(spool)?) {
            events.error(&format!("what is no longer needed could not be removed: {error}"));
        }
        let due = spool
            .due_messages(now, longest_wait, |state, name| events.stray(&spool.path_of_state(state).join(name)))?;
        events.forget_finished(spool, due.len() + due.later())?;
        let context = DeliveryContext::new(session, spool, signals, events)?;
        let selection = Selection { network: session.network, jobs: self.jobs, ..Selection::all() };
        let tally = run::run(&context, &due, &selection, &self.parked)?;
        if tally.unconfigured > 0 && !std::mem::replace(&mut self.told_unconfigured, true) {
            events.error(&session.settings.why_unconfigured());
        }
        self.parked.extend(tally.left);
        let mut gate_ends = Vec::new();
        for transport in &session.settings.transports {
            gate_ends.extend(opens_at(&spool.transport_state(&transport.name)?).filter(|end| *end > now));
        }
        let next = if due.is_empty() { due.next() } else { spool.due_messages(now, longest_wait, |_, _| {})?.next() };
        let next = next.into_iter().chain(gate_ends).min();
        let until_next = next.map(|next| next.since(session.now()).max(Duration::from_millis(10)));
        let wait = until_next.map_or(LOOK_AGAIN, |wait| wait.min(LOOK_AGAIN));
        if tally.busy.is_empty() {
            self.soon = SOON;
            return Ok(wait);
        }
        let soon = self.soon;
        self.soon = (self.soon * 2).min(LOOK_AGAIN);
        Ok(wait.min(soon))
    }

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
                    "the configuration names another spool, {}; watch stays with {} until it is started anew",
                    settings.spool.display(),
                    spool.path().display()
                ));
                session.settings = Settings { spool: session.settings.spool.clone(), ..settings };
            }
            Ok(settings) => {
                self.told_unconfigured = false;
                session.settings = settings;
                events.status("the configuration was read anew");
            }
            Err(error) => events.error(&format!("{error:#}; the configuration stays as it was")),
        }
        self.parked.clear();
    }
}

/// When a closed gate opens by itself.
fn opens_at(transport_state: &TransportState) -> Option<Timestamp> {
    let pause = transport_state.pause.as_ref().and_then(|pause| pause.until);
    let breaker = transport_state.breaker.as_ref().map(|breaker| breaker.until);
    [pause, breaker].into_iter().flatten().min()
}
