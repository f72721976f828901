//! Console output of `receive`.

use std::io::Write;

use serde::Serialize;

use crate::mail::envelope::id::QueueId;
use crate::output::mode::{OutputFormat, Verbosity};
use crate::output::observer::{NewMail, RecipientEvent, RunObserver};
use crate::output::print;

/// Prints received messages: in JSON every one; in text dropped ones, and filed ones only with `-v`.
#[derive(Debug)]
pub struct ArrivalConsole {
    verbosity: Verbosity,
    format: OutputFormat,
}

#[derive(Serialize)]
struct DroppedLine<'a> {
    id: &'a QueueId,
    dropped: &'a str,
}

impl ArrivalConsole {
    /// Creates a console with this verbosity and format.
    pub fn new(verbosity: Verbosity, format: OutputFormat) -> ArrivalConsole {
        ArrivalConsole { verbosity, format }
    }
}

impl RunObserver for ArrivalConsole {
    fn handled(&self, _handled: &RecipientEvent) {}

    fn error(&self, text: &str) {
        print::error(text);
    }

    fn new_mail(&self, news: &NewMail) {
        let mut out = print::stdout();
        // A closed standard output must not stop filing.
        let _ = match self.format {
            OutputFormat::Json => print::json(&mut out, news),
            OutputFormat::Text if self.verbosity == Verbosity::Verbose => print::line(&mut out, &news.sentence()),
            OutputFormat::Text => Ok(()),
        };
        let _ = out.flush();
    }

    fn dropped(&self, id: &QueueId, hook: &str) {
        let mut out = print::stdout();
        let _ = match self.format {
            OutputFormat::Json => print::json(&mut out, &DroppedLine { id, dropped: hook }),
            OutputFormat::Text if self.verbosity == Verbosity::Quiet => Ok(()),
            OutputFormat::Text => print::line(&mut out, &format!("deleted {id} hook={hook}")),
        };
        let _ = out.flush();
    }
}
