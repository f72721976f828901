//! Console output of a delivery run: text, JSON Lines and a progress bar. The only module that uses `indicatif`.

use std::io::{self, IsTerminal};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::mail::envelope::id::QueueId;
use crate::mail::history::state::{RecipientEventKind, RecipientState};
use crate::mail::status::Status;
use crate::output::mode::{OutputFormat, Verbosity};
use crate::output::print;

use crate::output::observer::{NewMail, RecipientEvent, RunObserver};

/// Use of a progress bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgressBarUse {
    /// Only on a terminal, in text format, not with `-q`, and for at least 5 messages.
    IfUseful,
    /// Always; without a terminal, one line `N/TOTAL` per message.
    Always,
}

/// Minimum number of messages for a bar with [`ProgressBarUse::IfUseful`].
const WORTH_A_BAR: usize = 5;

/// Prints the events of a run.
#[derive(Debug)]
pub struct Console {
    verbosity: Verbosity,
    format: OutputFormat,
    bar: ProgressBar,
    /// True if the progress was requested and standard error is no terminal: counts are printed in place of a bar.
    counts: bool,
}

#[derive(Serialize)]
struct RecipientLine<'a> {
    id: &'a str,
    address: &'a str,
    r#type: &'a str,
    transport: Option<&'a str>,
    state: RecipientState,
    status: Status,
    text: &'a str,
}

impl Console {
    /// Creates a console for a run over `messages` messages.
    pub fn new(verbosity: Verbosity, format: OutputFormat, bar: ProgressBarUse, messages: usize) -> Console {
        let terminal = io::stderr().is_terminal() && verbosity > Verbosity::Quiet && format == OutputFormat::Text;
        let shown = bar == ProgressBarUse::Always || (terminal && messages >= WORTH_A_BAR);
        let counts = bar == ProgressBarUse::Always && !io::stderr().is_terminal();
        let target = if shown { ProgressDrawTarget::stderr_with_hz(10) } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(messages as u64), target);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {msg}") {
            bar.set_style(style);
        }
        Console { verbosity, format, bar, counts }
    }
}

impl Console {
    /// Prints a line that only `-v` shows, in text format.
    fn verbose_line(&self, text: &str) {
        if self.verbosity == Verbosity::Verbose && self.format == OutputFormat::Text {
            self.bar.suspend(|| drop(print::line(&mut print::stdout(), text)));
        }
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Returns one line about one recipient: `ID: ADDRESS: STATE via TRANSPORT: STATUS TEXT; next attempt TIME`.
pub fn sentence(handled: &RecipientEvent) -> String {
    let RecipientEvent { id, address, transport, state, status, text, next } = handled;
    let via = transport.as_ref().map_or(String::new(), |name| format!(" via {name}"));
    let text = if text.is_empty() { String::new() } else { format!(" {text}") };
    let next = next.map_or(String::new(), |next| format!("; next attempt {next}"));
    let word = state.properties().attempted_word;
    format!("{id}: {address}: {word}{via}: {status}{text}{next}")
}

impl RunObserver for Console {
    fn handled(&self, handled: &RecipientEvent) {
        let print = || {
            let mut out = print::stdout();
            if self.format == OutputFormat::Json {
                let line = RecipientLine {
                    id: handled.id.as_str(),
                    address: handled.address.text(),
                    r#type: handled.address.kind().as_str(),
                    transport: handled.transport.as_deref(),
                    state: handled.state,
                    status: handled.status,
                    text: &handled.text,
                };
                print::json(&mut out, &line)
            } else if self.verbosity == Verbosity::Verbose {
                print::line(&mut out, &sentence(handled))
            } else {
                Ok(())
            }
        };
        self.bar.suspend(|| {
            // A closed standard output must not stop delivery.
            let _ = print();
            if handled.state.properties().event == RecipientEventKind::Failed
                && self.format == OutputFormat::Text
                && self.verbosity == Verbosity::Normal
            {
                print::error(&sentence(handled));
            }
        });
    }

    fn error(&self, text: &str) {
        self.bar.suspend(|| print::error(text));
    }

    fn new_mail(&self, news: &NewMail) {
        self.verbose_line(&news.sentence());
    }

    fn dropped(&self, id: &QueueId, hook: &str) {
        self.verbose_line(&format!("{id}: dropped by the hook {hook}"));
    }

    fn reported(&self, handled: &RecipientEvent) {
        self.verbose_line(&sentence(handled));
    }

    fn message_done(&self) {
        self.bar.inc(1);
        if self.counts {
            print::note(&format!("{}/{}", self.bar.position(), self.bar.length().unwrap_or(0)));
        }
    }

    fn progress(&self, transport: &str, done: u64, all: u64, text: &str) {
        self.bar.set_message(format!("{transport} {done}/{all} {text}"));
    }
}
