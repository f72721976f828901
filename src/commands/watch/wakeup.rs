//! Waiting for new mail, a signal, a changed configuration or a time. The only module that uses `notify`.

use std::os::fd::{AsFd, BorrowedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Result;
use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::output::observer::RunObserver;
use crate::spool::{QueueState, Spool};
use crate::sys::boot_time;
use crate::sys::ready::{self, WakeupEvent};
use crate::sys::signals::Signals;

use crate::commands::watch::events::EventPrinter;

/// Reason for the end of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WakeReason {
    /// The time limit passed.
    Timer,
    /// A file in the spool changed.
    Spool,
    /// The configuration file changed, or SIGHUP asked for a reload.
    Reload,
}

/// File watcher of `notify`. The methods of `notify` panic if its thread has ended or cannot be woken; here that is an error.
struct FileNotifier(Option<RecommendedWatcher>);

impl FileNotifier {
    /// Watches these directories, without their subdirectories. `handler` is called for each notification, on the thread of
    /// `notify`. The error is the reason as text.
    fn new(
        handler: impl FnMut(notify::Result<Event>) + Send + 'static,
        directories: &[PathBuf],
    ) -> Result<FileNotifier, String> {
        let mut notifier = FileNotifier(Some(catch_panic(|| notify::recommended_watcher(handler))?));
        if let Some(watcher) = &mut notifier.0 {
            for directory in directories {
                catch_panic(|| watcher.watch(directory, RecursiveMode::NonRecursive))?;
            }
        }
        Ok(notifier)
    }
}

impl Drop for FileNotifier {
    fn drop(&mut self) {
        let watcher = self.0.take();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(watcher)));
    }
}

/// Returns the result of a call of `notify`. The error text also reports a panic.
fn catch_panic<T>(call: impl FnOnce() -> notify::Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("their thread does not work".to_owned()),
    }
}

/// Flag that is set when it is dropped. A notification handler owns it, so the flag is set when the thread of `notify` ends.
struct EndMarker(Arc<AtomicBool>);

impl Drop for EndMarker {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Waits for changes of the spool and the configuration, for signals, and for a time limit.
pub struct WakeupWaiter {
    spool_changed: Arc<WakeupEvent>,
    /// True if a watched directory may be gone or the thread of `notify` has ended, so that the watch must be set up again.
    watch_lost: Arc<AtomicBool>,
    spool_watcher: Option<FileNotifier>,
    config_changed: Arc<WakeupEvent>,
    config_watcher: Option<FileNotifier>,
    config_path: Option<PathBuf>,
}

impl WakeupWaiter {
    /// Watches the spool and the configuration file.
    pub fn new(spool: &Spool, config: Option<&Path>, events: &EventPrinter) -> Result<WakeupWaiter> {
        let mut wakeup = WakeupWaiter {
            spool_changed: Arc::new(WakeupEvent::new()?),
            watch_lost: Arc::new(AtomicBool::new(false)),
            spool_watcher: None,
            config_changed: Arc::new(WakeupEvent::new()?),
            config_watcher: None,
            config_path: None,
        };
        wakeup.watch_spool(spool, events);
        wakeup.follow_config(config);
        Ok(wakeup)
    }

    /// Watches the queue and the transport states. Without notifications (no inotify watches left, for example) the timer
    /// still finds every change.
    fn watch_spool(&mut self, spool: &Spool, events: &EventPrinter) {
        let changed = Arc::clone(&self.spool_changed);
        // A new flag for each watcher: the end of the replaced one must not set it.
        self.watch_lost = Arc::new(AtomicBool::new(false));
        let watch_lost = EndMarker(Arc::clone(&self.watch_lost));
        let handler = move |event: notify::Result<Event>| {
            if is_lost(&event) {
                watch_lost.0.store(true, Ordering::SeqCst);
            }
            if may_be_work(&event) {
                changed.notify();
            }
        };
        let states = QueueState::WAITING.map(|state| spool.path_of_state(state));
        let directories = [states.as_slice(), &[spool.path_of_transport_states()]].concat();
        match FileNotifier::new(handler, &directories) {
            Ok(watcher) => self.spool_watcher = Some(watcher),
            Err(error) => {
                self.spool_watcher = None;
                events.error(&format!("file notifications are unavailable ({error}); polling the queue every minute"));
            }
        }
    }

    /// Watches this configuration file through its directory, because editors replace files instead of writing them.
    pub fn follow_config(&mut self, config: Option<&Path>) {
        if self.config_path.as_deref() == config {
            return;
        }
        self.config_path = config.map(Path::to_owned);
        self.config_watcher = None;
        let Some((file, parent)) = config.and_then(|file| Some((file.to_owned(), file.parent()?.to_owned()))) else {
            return;
        };
        let changed = Arc::clone(&self.config_changed);
        let handler = move |event: notify::Result<Event>| {
            if event.as_ref().is_ok_and(|event| is_written(event) && event.paths.contains(&file)) {
                changed.notify();
            }
        };
        // A directory that does not exist yet cannot be watched. Then a reload needs SIGHUP.
        self.config_watcher = FileNotifier::new(handler, &[parent]).ok();
    }

    /// Waits for at most `time`, and returns the reason for the end of the wait. A stop signal also ends it.
    pub fn wait(
        &mut self,
        signals: &Signals,
        time: Duration,
        spool: &Spool,
        events: &EventPrinter,
    ) -> Result<WakeReason> {
        if self.watch_lost.swap(false, Ordering::SeqCst) || self.spool_watcher.is_none() {
            self.watch_spool(spool, events);
        }
        let fds =
            [signals.stop_fd(), signals.reload_fd(), self.config_changed.fd().as_fd(), self.spool_changed.fd().as_fd()];
        let ready = boot_time::readable(&fds, time)?;
        if ready[1] || ready[2] {
            // An editor may write in several steps. Wait for the last one: a half-written file would be refused.
            while ready::readable(&[self.config_changed.fd().as_fd()], Some(Duration::from_millis(50)))?[0] {
                self.config_changed.clear();
            }
            return Ok(WakeReason::Reload);
        }
        if ready[3] {
            self.spool_changed.clear();
            return Ok(WakeReason::Spool);
        }
        Ok(WakeReason::Timer)
    }
}

/// Watches the directory of received mail.
pub struct ArrivalWatcher {
    arrived: Arc<WakeupEvent>,
    /// File watcher, active until dropped; without it the timer still finds every message.
    #[expect(dead_code, reason = "dropping it would end the notifications")]
    watcher: Option<FileNotifier>,
}

impl ArrivalWatcher {
    /// Watches the directory of received mail; without file notifications, [`ArrivalWatcher::fd`] never becomes readable.
    pub fn new(spool: &Spool) -> Result<ArrivalWatcher> {
        let arrived = Arc::new(WakeupEvent::new()?);
        let notifier = Arc::clone(&arrived);
        let handler = move |event: notify::Result<Event>| {
            if event.as_ref().map_or(true, |event| event.need_rescan() || is_written(event)) {
                notifier.notify();
            }
        };
        let watcher = FileNotifier::new(handler, &[spool.path_of_state(QueueState::Received)]).ok();
        Ok(ArrivalWatcher { arrived, watcher })
    }

    /// Returns a descriptor that becomes readable when a message arrives.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.arrived.fd().as_fd()
    }

    /// Clears the notification, so that the next wait blocks again.
    pub fn silence(&self) {
        self.arrived.clear();
    }
}

/// True for an event that can mean new work. Other events, such as mspool's own reads, must not end a wait: each pass
/// would cause the next.
fn may_be_work(event: &notify::Result<Event>) -> bool {
    match event {
        Err(_) => true,
        Ok(event) => event.need_rescan() || is_written(event) || matches!(event.kind, EventKind::Remove(_)),
    }
}

fn is_written(event: &Event) -> bool {
    matches!(
        event.kind,
        EventKind::Create(_)
            | EventKind::Modify(ModifyKind::Name(_))
            | EventKind::Access(AccessKind::Close(AccessMode::Write))
    )
}

/// True for an event after which a watched directory may be gone.
fn is_lost(event: &notify::Result<Event>) -> bool {
    match event {
        Err(_) => true,
        Ok(event) => event.need_rescan() || matches!(event.kind, EventKind::Remove(notify::event::RemoveKind::Folder)),
    }
}
