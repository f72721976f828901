//! Signals as flags and descriptors. The only user of `signal-hook`.
//!
//! The first request to stop means: finish deliveries in progress, begin no others. The second means: end those too.
//! Handlers only set atomics and raise events.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};

use crate::sys::ready::WakeupEvent;

/// Meaning of SIGHUP, also when the terminal hangs up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HangupMeaning {
    /// Stop, as SIGTERM.
    Stops,
    /// Reload the configuration.
    Reloads,
}

/// Signals that this process got since it began to listen.
#[derive(Clone, Debug)]
pub struct Signals(Arc<SignalState>);

#[derive(Debug)]
struct SignalState {
    first_stop: AtomicI32,
    stops: AtomicUsize,
    reload: AtomicBool,
    stop: WakeupEvent,
    abort: WakeupEvent,
    reloading: WakeupEvent,
}

impl Signals {
    /// Listens for SIGTERM, SIGINT and SIGHUP. An ignored SIGHUP, as under nohup(1), stays ignored.
    pub fn listen(hangup: HangupMeaning) -> io::Result<Signals> {
        let inner = Arc::new(SignalState {
            first_stop: AtomicI32::new(0),
            stops: AtomicUsize::new(0),
            reload: AtomicBool::new(false),
            stop: WakeupEvent::new()?,
            abort: WakeupEvent::new()?,
            reloading: WakeupEvent::new()?,
        });
        for signal in [libc::SIGTERM, libc::SIGINT] {
            on(signal, &inner, move |inner| inner.stop(signal))?;
        }
        if !is_ignored(libc::SIGHUP) {
            match hangup {
                HangupMeaning::Stops => on(libc::SIGHUP, &inner, |inner| inner.stop(libc::SIGHUP))?,
                HangupMeaning::Reloads => on(libc::SIGHUP, &inner, SignalState::reload)?,
            }
        }
        // With SIGCHLD ignored by our parent, children could not be waited for.
        // SAFETY: sets a disposition, no handler of ours.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
        Ok(Signals(inner))
    }

    /// Returns the signal that requested a stop, if any.
    pub fn stop_requested(&self) -> Option<i32> {
        Some(self.0.first_stop.load(Ordering::SeqCst)).filter(|signal| *signal != 0)
    }

    /// True after a second request to stop.
    pub fn abort_requested(&self) -> bool {
        self.0.stops.load(Ordering::SeqCst) > 1
    }

    /// Requests a stop, unless there was a request before.
    pub fn request_stop(&self) {
        if self.0.stops.compare_exchange(0, 1, Ordering::SeqCst, Ordering::SeqCst).is_ok() {
            self.0.first_stop.store(libc::SIGTERM, Ordering::SeqCst);
            self.0.stop.notify();
        }
    }

    /// Returns a descriptor that is readable after the first request to stop.
    pub fn stop_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.stop.fd().as_fd()
    }

    /// Returns a descriptor that is readable after the second request to stop.
    pub fn abort_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.abort.fd().as_fd()
    }

    /// Returns a descriptor that is readable after a request to reload, until it is taken.
    pub fn reload_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.0.reloading.fd().as_fd()
    }

    /// Takes the request to reload; `false` if there is none.
    pub fn take_reload(&self) -> bool {
        self.0.reloading.clear();
        self.0.reload.swap(false, Ordering::SeqCst)
    }
}

impl SignalState {
    fn stop(&self, signal: i32) {
        if self.stops.fetch_add(1, Ordering::SeqCst) == 0 {
            self.first_stop.store(signal, Ordering::SeqCst);
            self.stop.notify();
        } else {
            self.abort.notify();
        }
    }

    fn reload(&self) {
        self.reload.store(true, Ordering::SeqCst);
        self.reloading.notify();
    }
}

fn on(signal: i32, inner: &Arc<SignalState>, act: impl Fn(&SignalState) + Send + Sync + 'static) -> io::Result<()> {
    let inner = Arc::clone(inner);
    // SAFETY: the action touches atomics and writes a byte to a pipe, both allowed in a signal handler.
    unsafe { signal_hook::low_level::register(signal, move || act(&inner)) }?;
    Ok(())
}

fn is_ignored(signal: i32) -> bool {
    let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
    // SAFETY: with no new action given, the call only fills in the old one.
    unsafe {
        libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr()) == 0
            && action.assume_init().sa_sigaction == libc::SIG_IGN
    }
}
