//! Output of `watch`: one line per event, as text or as JSON.

use std::collections::HashSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use serde::Serialize;

use crate::delivery::remaining::RemainingMail;
use crate::mail::envelope::id::QueueId;
use crate::mail::history::state::{RecipientEventKind, RecipientState};
use crate::mail::status::Status;
use crate::output::console::sentence;
use crate::output::mode::{OutputFormat, Verbosity};
use crate::output::observer::{NewMail, RecipientEvent, RunObserver};
use crate::output::print;
use crate::spool::listing::{DirectoryEntry, DueMessages};
use crate::spool::{QueueState, Spool};
use crate::sys::clock::Clock;
use crate::values::plural::counted;
use crate::values::time::Timestamp;

/// Kind of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchEvent {
    /// A message was found in the queue for the first time.
    Queued,
    /// A recipient was delivered or relayed.
    Sent,
    /// A delivery attempt did not succeed; the recipient is still owed.
    Deferred,
    /// A recipient failed permanently.
    Failed,
    /// A received message was filed.
    NewMail,
    /// The run, a message or a recipient changed state, for example by an incoming report.
    Status,
    /// An error or a refusal, also printed on standard error.
    Error,
    /// The watch ends.
    Shutdown,
}

impl WatchEvent {
    /// All kinds, in the order of the manual.
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

    /// Returns the value of the JSON member `event`.
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

/// End of a watch.
#[derive(Debug)]
pub struct EndedWatch {
    /// Signal that ended it; 0 if a thread failed.
    pub signal: i32,
    /// True when no delivery attempt was interrupted.
    pub complete: bool,
    /// Mail that is still owed.
    pub rest: RemainingMail,
    /// Number of received messages that are not filed yet.
    pub inbound: usize,
}

/// Prints events. All threads of the watch share one printer.
#[derive(Debug)]
pub struct EventPrinter {
    verbosity: Verbosity,
    format: OutputFormat,
    clock: Clock,
    /// Kinds of events that are printed; empty means all.
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
    /// Creates a printer. An empty `wanted` means all kinds.
    pub fn new(verbosity: Verbosity, format: OutputFormat, clock: Clock, wanted: Vec<WatchEvent>) -> EventPrinter {
        EventPrinter { verbosity, format, clock, wanted, seen: Mutex::default() }
    }

    fn now(&self) -> Timestamp {
        self.clock.now().into()
    }

    fn seen(&self) -> MutexGuard<'_, SeenByWatch> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prints one event, if its kind is wanted. A closed standard output is ignored, so that it cannot stop delivery.
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

    /// Prints a status event about the run itself.
    pub fn status(&self, text: &str) {
        self.print(
            WatchEvent::Status,
            &EventLine { event: "status", at: self.now(), text: Some(text), ..EventLine::default() },
            text,
        );
    }

    /// Reports a file in the spool that is not a message; once per file.
    pub fn stray(&self, path: &Path) {
        if self.seen().strays.insert(path.to_owned()) {
            self.error(&format!("{} is not a message of this spool; it is left alone", path.display()));
        }
    }

    /// Removes finished messages from memory once they outnumber the queued ones, so that memory use stays bounded.
    pub fn forget_finished(&self, spool: &Spool, due: &DueMessages) -> Result<()> {
        let mut seen = self.seen();
        let queued = due.len() + due.later();
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

    /// Prints the last event.
    pub fn shutdown(&self, ended: &EndedWatch) {
        let EndedWatch { signal, complete, ref rest, inbound } = *ended;
        let reason = format!("signal {signal}");
        let next = rest.next.map_or(String::new(), |next| format!(", next attempt {next}"));
        let cut_short = if complete { "" } else { "; some delivery attempts were interrupted" };
        let messages = counted(rest.messages, "message");
        let recipients = counted(rest.owed, "recipient");
        let words = format!("shutdown: {reason}; {messages} queued, {recipients} owed{next}{cut_short}");
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
