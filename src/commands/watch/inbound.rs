//! Inbound side of `watch`: one thread files received mail, another polls the sources.
//!
//! Separate threads, so that a slow delivery or a slow source delays neither filing nor delivery.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;

use crate::delivery::context::DeliveryContext;
use crate::inbox::fetch;
use crate::inbox::pending;
use crate::output::observer::RunObserver;
use crate::session::Network;
use crate::session::Session;
use crate::spool::Spool;
use crate::sys::boot_time;
use crate::sys::signals::Signals;
use crate::values::time::Timestamp;

use crate::commands::watch::events::EventPrinter;
use crate::commands::watch::wakeup::ArrivalWatcher;

/// Maximum time between two passes, in case a notification was lost.
const RESCAN_INTERVAL: Duration = Duration::from_secs(60);

/// Files received mail until a signal stops the run. Each pass reads `session` again, because the outbound thread
/// replaces it when it reloads the configuration.
pub fn file(
    session: &Mutex<Session>,
    spool: &Spool,
    signals: &Signals,
    events: &EventPrinter,
    arrivals: &ArrivalWatcher,
) {
    until_stopped(session, signals, events, &mut |session| {
        pending::file_all(&DeliveryContext::new(session, spool, signals, events)?)?;
        // If the wait fails, the next pass starts at once, as after a notification.
        let _ = boot_time::readable(&[signals.stop_fd(), arrivals.fd()], RESCAN_INTERVAL);
        arrivals.silence();
        Ok(Duration::ZERO)
    });
}

/// Polls each source at its interval until a signal stops the run.
pub fn poll(session: &Mutex<Session>, spool: &Spool, signals: &Signals, events: &EventPrinter) {
    until_stopped(session, signals, events, &mut |session| poll_due_sources(session, spool, signals, events));
}

/// Repeats `pass` until a signal stops the run, and waits the returned time after each. Errors are printed.
fn until_stopped(
    session: &Mutex<Session>,
    signals: &Signals,
    events: &EventPrinter,
    pass: &mut dyn FnMut(&Session) -> Result<Duration>,
) {
    while signals.stop_requested().is_none() {
        let session = session.lock().unwrap_or_else(PoisonError::into_inner).clone();
        session.settings.trust.forget();
        let wait = pass(&session).unwrap_or_else(|error| {
            events.error(&format!("{error:#}"));
            RESCAN_INTERVAL
        });
        if !wait.is_zero() {
            let _ = boot_time::readable(&[signals.stop_fd()], wait);
        }
    }
}

/// Polls every source whose interval has passed. Returns the time until the next one.
fn poll_due_sources(session: &Session, spool: &Spool, signals: &Signals, events: &EventPrinter) -> Result<Duration> {
    let context = DeliveryContext::new(session, spool, signals, events)?;
    let mut wait = RESCAN_INTERVAL;
    if session.network == Network::Offline {
        return Ok(wait);
    }
    for source in &session.settings.sources {
        let state = match spool.source_state(&source.name) {
            Ok(state) => state,
            // One unreadable state file must not stop the other sources.
            Err(error) => {
                events.error(&format!("source {}: {error}", source.name));
                continue;
            }
        };
        let now = session.now();
        // After a wrong clock the recorded time can be in the future: without this check polling would stop until then.
        let last = state.polled.filter(|polled| *polled <= now);
        let next = last.map_or(Timestamp::default(), |polled| polled.after(source.every));
        if next <= now && signals.stop_requested().is_none() {
            let polled = fetch::fetch_source(session, &context, source, None);
            let polled = polled.unwrap_or_else(|error| fetch::PollResult::Failed(format!("{error:#}")));
            if let fetch::PollResult::Failed(text) | fetch::PollResult::Untrusted(text) = polled
                && state.trouble.as_ref() != Some(&text)
            {
                // A failing source is reported once, until its state changes.
                events.error(&format!("source {}: {text}", source.name));
            }
            wait = wait.min(source.every);
        } else {
            wait = wait.min(next.since(now));
        }
    }
    Ok(wait.max(Duration::from_millis(10)))
}
