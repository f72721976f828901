//! The inbound side of `watch`, in threads of its own: no slow delivery and no slow source keeps received mail from the
//! store, and neither keeps mail from going out.

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
use crate::sys::ready;
use crate::sys::signals::Signals;
use crate::values::time::Timestamp;

use crate::commands::watch::events::EventPrinter;
use crate::commands::watch::wakeup::ArrivalWatcher;

/// How long it waits at most before it looks again, whatever it was told.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Files what is received, until we are told to stop. `session` is looked at anew each time, for the configuration may
/// have been read anew.
pub fn file(
    session: &Mutex<Session>,
    spool: &Spool,
    signals: &Signals,
    events: &EventPrinter,
    arrivals: &ArrivalWatcher,
) {
    until_stopped(session, signals, events, &mut |session| {
        pending::file_all(&DeliveryContext::new(session, spool, signals, events)?)?;
        // Should waiting fail, the next look comes at once, and then the one after it.
        let _ = ready::readable(&[signals.stop_fd(), arrivals.fd()], Some(LOOK_AGAIN));
        arrivals.silence();
        Ok(Duration::ZERO)
    });
}

/// Asks the sources on time, until we are told to stop: in another thread, for a source may take its time.
pub fn poll(session: &Mutex<Session>, spool: &Spool, signals: &Signals, events: &EventPrinter) {
    until_stopped(session, signals, events, &mut |session| ask(session, spool, signals, events));
}

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
            LOOK_AGAIN
        });
        if !wait.is_zero() {
            let _ = ready::readable(&[signals.stop_fd()], Some(wait));
        }
    }
}

/// Asks every source whose time has come; says how long to wait for the next.
fn ask(session: &Session, spool: &Spool, signals: &Signals, events: &EventPrinter) -> Result<Duration> {
    let context = DeliveryContext::new(session, spool, signals, events)?;
    let mut wait = LOOK_AGAIN;
    if session.network == Network::Offline {
        return Ok(wait);
    }
    for inbound in &session.settings.sources {
        let state = match spool.source_state(&inbound.name) {
            Ok(state) => state,
            // The others can be asked all the same.
            Err(error) => {
                events.error(&format!("inbound {}: {error}", inbound.name));
                continue;
            }
        };
        let now = session.now();
        // A time from the future comes from a clock that was wrong: it must not stop polling for years.
        let last = state.polled.filter(|polled| *polled <= now);
        let next = last.map_or(Timestamp::default(), |polled| polled.after(inbound.every));
        if next <= now && signals.stop_requested().is_none() {
            let polled = fetch::fetch_source(session, &context, inbound, None);
            let polled = polled.unwrap_or_else(|error| fetch::PollResult::Failed(format!("{error:#}")));
            if let fetch::PollResult::Failed(text) | fetch::PollResult::Untrusted(text) = polled
                && state.trouble.as_ref() != Some(&text)
            {
                // Told once, not every few minutes for as long as a source is away.
                events.error(&format!("inbound {}: {text}", inbound.name));
            }
            wait = wait.min(inbound.every);
        } else {
            wait = wait.min(next.since(now));
        }
    }
    Ok(wait.max(Duration::from_millis(10)))
}
