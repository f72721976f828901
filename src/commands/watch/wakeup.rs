//! What ends a wait: new mail, a signal, a changed file, or time. The only home of `notify`.

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
use crate::sys::ready::{self, WakeupEvent};
use crate::sys::signals::Signals;

use crate::commands::watch::events::EventPrinter;

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WakeReason {
    /// Time passed.
    Timer,
    /// Something happened in the spool.
    Spool,
    /// The configuration should be read anew.
    Reload,
}

/// A watcher of `notify`. That panics when its thread has ended or cannot be woken; here it is an error.
struct FileNotifier(Option<RecommendedWatcher>);

impl FileNotifier {
    fn new(
        handler: impl FnMut(notify::Result<Event>) + Send + 'static,
        directories: &[PathBuf],
    ) -> Result<FileNotifier, String> {
        let mut notifier = FileNotifier(Some(answer(|| notify::recommended_watcher(handler))?));
        if let Some(watcher) = &mut notifier.0 {
            for directory in directories {
                answer(|| watcher.watch(directory, RecursiveMode::NonRecursive))?;
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

fn answer<T>(call: impl FnOnce() -> notify::Result<T>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("their thread does not work".to_owned()),
    }
}

/// Tells that notifications have ended: dropped with the handler, when the thread that calls it ends.
struct EndMarker(Arc<AtomicBool>);

impl Drop for EndMarker {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Waits for something to do.
pub struct WakeupWaiter {
    bell: Arc<WakeupEvent>,
    lost: Arc<AtomicBool>,
    spool: Option<FileNotifier>,
    config_bell: Arc<WakeupEvent>,
    config: Option<FileNotifier>,
    followed: Option<PathBuf>,
}

impl WakeupWaiter {
    /// Listens to the spool and to the file that the configuration is in.
    pub fn new(spool: &Spool, config: Option<&Path>, events: &EventPrinter) -> Result<WakeupWaiter> {
        let mut wakeup = WakeupWaiter {
            bell: Arc::new(WakeupEvent::new()?),
            lost: Arc::new(AtomicBool::new(false)),
            spool: None,
            config_bell: Arc::new(WakeupEvent::new()?),
            config: None,
            followed: None,
        };
        wakeup.listen(spool, events);
        wakeup.follow_config(config);
        Ok(wakeup)
    }

    /// Without notifications the timer does alone what it does anyway.
    fn listen(&mut self, spool: &Spool, events: &EventPrinter) {
        let bell = Arc::clone(&self.bell);
        // A flag of its own: the end of the notifier that it replaces must not count.
        self.lost = Arc::new(AtomicBool::new(false));
        let lost = EndMarker(Arc::clone(&self.lost));
        let handler = move |event: notify::Result<Event>| {
            if is_lost(&event) {
                lost.0.store(true, Ordering::SeqCst);
            }
            if is_news(&event) {
                bell.notify();
            }
        };
        let states = QueueState::WAITING.map(|state| spool.path_of_state(state));
        let directories = [states.as_slice(), &[spool.path_of_transport_states()]].concat();
        match FileNotifier::new(handler, &directories) {
            Ok(watcher) => self.spool = Some(watcher),
            Err(error) => {
                self.spool = None;
                events.error(&format!("file notifications are unavailable ({error}); polling the queue every minute"));
            }
        }
    }

    /// Listens to this file, by its directory: editors replace files rather than writing them.
    pub fn follow_config(&mut self, config: Option<&Path>) {
        if self.followed.as_deref() == config {
            return;
        }
        self.followed = config.map(Path::to_owned);
        self.config = None;
        let Some((file, parent)) = config.and_then(|file| Some((file.to_owned(), file.parent()?.to_owned()))) else {
            return;
        };
        let bell = Arc::clone(&self.config_bell);
        let handler = move |event: notify::Result<Event>| {
            if event.as_ref().is_ok_and(|event| is_written(event) && event.paths.contains(&file)) {
                bell.notify();
            }
        };
        // A directory that is not there yet cannot be listened to; SIGHUP does the same then.
        self.config = FileNotifier::new(handler, &[parent]).ok();
    }

    /// Waits for at most so long.
    pub fn wait(
        &mut self,
        signals: &Signals,
        time: Duration,
        spool: &Spool,
        events: &EventPrinter,
    ) -> Result<WakeReason> {
        if self.lost.swap(false, Ordering::SeqCst) || self.spool.is_none() {
            self.listen(spool, events);
        }
        let fds = [signals.stop_fd(), signals.reload_fd(), self.config_bell.fd().as_fd(), self.bell.fd().as_fd()];
        let ready = ready::readable(&fds, Some(time))?;
        if ready[1] || ready[2] {
            // An editor may write in several steps: the last of them counts.
            while ready::readable(&[self.config_bell.fd().as_fd()], Some(Duration::from_millis(50)))?[0] {
                self.config_bell.clear();
            }
            return Ok(WakeReason::Reload);
        }
        if ready[3] {
            self.bell.clear();
            return Ok(WakeReason::Spool);
        }
        Ok(WakeReason::Timer)
    }
}

/// Hears of received mail.
pub struct ArrivalWatcher {
    bell: Arc<WakeupEvent>,
    /// Listens for as long as it lives; without it the timer does alone what it does anyway.
    #[expect(dead_code, reason = "dropping it would end the listening")]
    watcher: Option<FileNotifier>,
}

impl ArrivalWatcher {
    /// Listens to where received mail lies.
    pub fn new(spool: &Spool) -> Result<ArrivalWatcher> {
        let bell = Arc::new(WakeupEvent::new()?);
        let ringer = Arc::clone(&bell);
        let handler = move |event: notify::Result<Event>| {
            if event.as_ref().map_or(true, |event| event.need_rescan() || is_written(event)) {
                ringer.notify();
            }
        };
        let watcher = FileNotifier::new(handler, &[spool.path_of_state(QueueState::Received)]).ok();
        Ok(ArrivalWatcher { bell, watcher })
    }

    /// Readable when something came.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.bell.fd().as_fd()
    }

    /// That was heard.
    pub fn silence(&self) {
        self.bell.clear();
    }
}

/// True for what may mean new work. Everything else, our own reading above all, must not end a wait.
fn is_news(event: &notify::Result<Event>) -> bool {
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

/// True when a watched directory itself may be gone.
fn is_lost(event: &notify::Result<Event>) -> bool {
    match event {
        Err(_) => true,
        Ok(event) => event.need_rescan() || matches!(event.kind, EventKind::Remove(notify::event::RemoveKind::Folder)),
    }
}
