//! What `receive` says.

use std::io::Write;

use serde::Serialize;

use crate::mail::id::QueueId;
use crate::verbs::flush::observer::{Handled, NewMail, Observer};
use crate::verbs::say;
use crate::verbs::session::{self, Form};

/// Prints what became of received messages: nothing, unless it is asked for or a hook dropped one.
#[derive(Debug)]
pub(super) struct Voice {
    voice: session::Voice,
    form: Form,
}

#[derive(Serialize)]
struct Dropped<'a> {
    id: &'a QueueId,
    dropped: &'a str,
}

impl Voice {
    pub(super) fn new(voice: session::Voice, form: Form) -> Voice {
        Voice { voice, form }
    }
}

impl Observer for Voice {
    fn handled(&self, _handled: &Handled) {}

    fn problem(&self, text: &str) {
        say::problem(text);
    }

    fn new_mail(&self, news: &NewMail) {
        let mut out = say::output();
        // Nobody listening is no reason to stop.
        let _ = match self.form {
            Form::Json => say::json(&mut out, news),
            Form::Text if self.voice == session::Voice::Verbose => say::line(&mut out, &news.sentence()),
            Form::Text => Ok(()),
        };
        let _ = out.flush();
    }

    fn dropped(&self, id: &QueueId, hook: &str) {
        let mut out = say::output();
        let _ = match self.form {
            Form::Json => say::json(&mut out, &Dropped { id, dropped: hook }),
            Form::Text if self.voice == session::Voice::Quiet => Ok(()),
            Form::Text => say::line(&mut out, &format!("deleted {id} hook={hook}")),
        };
        let _ = out.flush();
    }
}
