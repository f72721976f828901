//! What `watch` tells: one line for each event, as text or as JSON.

use std::collections::HashSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use serde::Serialize;

use crate::delivery::remaining::RemainingMail;
use crate::mail::envelope::id::QueueId;
use crate::mail::history::record::{RecipientEventKind, RecipientState};
use crate::mail::status::Status;
use crate::output::console::sentence;
use crate::output::mode::{OutputFormat, Verbosity};
use crate::output::observer::{NewMail, RecipientEvent, RunObserver};
use crate::output::print;
use crate::spool::listing::DirectoryEntry;
use crate::spool::{QueueState, Spool};
use crate::sys::clock::Clock;
use crate::values::time::Timestamp;

/// The kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchEvent {
    /// A message is looked at for the first time.
    Queued,
    /// A recipient has a message.
    Sent,
    /// A recipient is tried again later.
    Deferred,
    /// A recipient will not get a message.
    Failed,
    /// A received message was filed.
    NewMail,
    /// Something has changed, here or, as somebody reports, elsewhere.
    Status,
    /// Something is wrong.
    Error,
    /// The end.
    Shutdown,
}

impl WatchEvent {
    /// All kinds.
    pub const ALL: [WatchEvent; 8] = [
        WatchEvent::Queued,
        WatchEvent::Sent,
        WatchEvent::Deferred,
        WatchEvent::Failed,
        WatchEvent::NewMail,
        WatchEvent::Status,
        WatchEvent::Error,
        WatchEvent::Shutdown,
    ];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            WatchEvent::Queued => "queued",
            WatchEvent::Sent => "sent",
            WatchEvent::Deferred => "deferred",
            WatchEvent::Failed => "failed",
            WatchEvent::NewMail => "newmail",
            WatchEvent::Status => "status",
            WatchEvent::Error => "error",
            WatchEvent::Shutdown => "shutdown",
        }
    }
}

/// Prints events, from any thread.
#[derive(Debug)]
pub struct EventPrinter {
    verbosity: Verbosity,
    format: OutputFormat,
    clock: Clock,
    /// The events that are printed; empty for all.
    wanted: Vec<WatchEvent>,
    seen: Mutex<SeenByWatch>,
}

#[derive(Debug, Default)]
struct SeenByWatch {
    queued: HashSet<QueueId>,
    strays: HashSet<PathBuf>,
}

#[derive(Default, Serialize)]
struct EventLine<'a> {
    event: &'static str,
    at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transport: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<RecipientState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt: Option<Timestamp>,
}

#[derive(Serialize)]
struct ShutdownLine {
    event: &'static str,
    at: Timestamp,
    reason: String,
    complete: bool,
    inbound: usize,
    outbound: usize,
    queued: usize,
    next_attempt: Option<Timestamp>,
}

impl EventPrinter {
    /// Nothing seen yet.
    pub fn new(verbosity: Verbosity, format: OutputFormat, clock: Clock, wanted: Vec<WatchEvent>) -> EventPrinter {
        EventPrinter { verbosity, format, clock, wanted, seen: Mutex::default() }
    }

    fn now(&self) -> Timestamp {
        self.clock.now().into()
    }

    fn seen(&self) -> MutexGuard<'_, SeenByWatch> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whoever reads this may be gone; delivering goes on.
    fn print(&self, event: WatchEvent, line: &impl Serialize, words: &str) {
        if !self.wanted.is_empty() && !self.wanted.contains(&event) {
            return;
        }
        let mut out = print::stdout();
        let printed = match self.format {
            OutputFormat::Json => print::json(&mut out, line),
            OutputFormat::Text if self.verbosity == Verbosity::Quiet => Ok(()),
            OutputFormat::Text => print::line(&mut out, &format!("{} {words}", self.now())),
        };
        let _ = printed.and_then(|()| Ok(out.flush()?));
    }

    fn recipient(&self, event: WatchEvent, handled: &RecipientEvent) {
        let line = EventLine {
            event: event.word(),
            at: self.now(),
            id: Some(handled.id.as_str()),
            r#type: Some(handled.address.kind().as_str()),
            address: Some(handled.address.text()),
            transport: handled.transport.as_deref(),
            state: Some(handled.state),
            status: Some(handled.status),
            text: Some(&handled.text),
            next_attempt: handled.next,
        };
        self.print(event, &line, &sentence(handled));
    }

    /// Something about the run itself.
    pub fn status(&self, text: &str) {
        self.print(
            WatchEvent::Status,
            &EventLine { event: "status", at: self.now(), text: Some(text), ..EventLine::default() },
            text,
        );
    }

    /// A file that is no message; told once.
    pub fn stray(&self, path: &Path) {
        if self.seen().strays.insert(path.to_owned()) {
            self.error(&format!("{} is not a message of this spool; it is left alone", path.display()));
        }
    }

    /// Forgets messages that are not queued any more, when there are many more of them than of queued ones.
    pub fn forget_finished(&self, spool: &Spool, queued: usize) -> Result<()> {
        let mut seen = self.seen();
        if seen.queued.len() < 2 * queued + 1000 {
            return Ok(());
        }
        let mut still = HashSet::new();
        for state in QueueState::WAITING {
            for entry in spool.entries(state)? {
                if let DirectoryEntry::Message(name) = entry?
                    && seen.queued.contains(&name.id)
                {
                    still.insert(name.id);
                }
            }
        }
        seen.queued = still;
        Ok(())
    }

    /// The last line: why it ends, and what is left.
    pub fn shutdown(&self, signal: i32, complete: bool, rest: &RemainingMail, inbound: usize) {
        let reason = format!("signal {signal}");
        let next = rest.next.map_or(String::new(), |next| format!(", next attempt {next}"));
        let how = if complete { "" } else { "; hand-offs were cut short" };
        let words =
            format!("shutdown: {reason}; {} messages queued, {} recipients owed{next}{how}", rest.messages, rest.owed);
        let line = ShutdownLine {
            event: "shutdown",
            at: self.now(),
            reason,
            complete,
            inbound,
            outbound: 0,
            queued: rest.messages,
            next_attempt: rest.next,
        };
        self.print(WatchEvent::Shutdown, &line, &words);
    }
}

impl RunObserver for EventPrinter {
    fn handled(&self, handled: &RecipientEvent) {
        let event = match handled.state.properties().event {
            RecipientEventKind::Delivered | RecipientEventKind::Relayed => WatchEvent::Sent,
            RecipientEventKind::Failed => WatchEvent::Failed,
            RecipientEventKind::Deferred => WatchEvent::Deferred,
            RecipientEventKind::Changed => WatchEvent::Status,
        };
        self.recipient(event, handled);
    }

    fn error(&self, text: &str) {
        if self.format == OutputFormat::Json {
            self.print(
                WatchEvent::Error,
                &EventLine { event: "error", at: self.now(), text: Some(text), ..EventLine::default() },
                text,
            );
        }
        print::error(text);
    }

    fn new_mail(&self, news: &NewMail) {
        #[derive(Serialize)]
        struct Line<'a> {
            event: &'static str,
            at: Timestamp,
            #[serde(flatten)]
            news: &'a NewMail,
        }
        self.print(WatchEvent::NewMail, &Line { event: "newmail", at: self.now(), news }, &news.sentence());
    }

    fn dropped(&self, id: &QueueId, hook: &str) {
        let text = format!("dropped by the hook {hook}");
        let line = EventLine {
            event: "status",
            at: self.now(),
            id: Some(id.as_str()),
            text: Some(&text),
            ..EventLine::default()
        };
        self.print(WatchEvent::Status, &line, &format!("{id}: {text}"));
    }

    fn reported(&self, handled: &RecipientEvent) {
        self.recipient(WatchEvent::Status, handled);
    }

    fn message_started(&self, id: &QueueId) {
        if self.seen().queued.insert(id.clone()) {
            let line = EventLine { event: "queued", at: self.now(), id: Some(id.as_str()), ..EventLine::default() };
            self.print(WatchEvent::Queued, &line, &format!("{id}: queued"));
        }
    }
}
