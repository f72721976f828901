//! Telling the user that mail has come.

use std::path::Path;
use std::time::Duration;

use crate::sys::signals::Signals;
use crate::transports::answer::Ending;
use crate::transports::argv::Template;
use crate::transports::placeholder::Value;

use crate::transports::environment;
use crate::transports::program::{Results, Run};

/// A configured command that is run for new mail.
#[derive(Clone, Debug)]
pub struct Notice {
    /// Its command line.
    pub command: Template,
    /// The message classes that it is run for, as a prefix; empty for all.
    pub class: String,
    /// When it is killed.
    pub timeout: Duration,
    /// Put into its environment.
    pub env: Vec<(String, String)>,
}

/// A message that was filed, in words that are safe for any terminal.
#[derive(Clone, Debug)]
pub struct News<'a> {
    /// Its queue id.
    pub id: &'a str,
    /// Where it was filed.
    pub path: &'a str,
    /// The folder; empty for the inbox itself.
    pub folder: &'a str,
    /// Its message class.
    pub class: &'a str,
    /// Whom it is from.
    pub from: &'a str,
    /// Its subject.
    pub subject: &'a str,
}

impl Notice {
    /// Runs the command; `Err` is what went wrong.
    pub fn tell(&self, news: &News<'_>, spool: &Path, signals: &Signals) -> Result<(), String> {
        let mut env = environment::configured(&self.env);
        let own = [
            ("MSPOOL_ID", news.id),
            ("MSPOOL_PATH", news.path),
            ("MSPOOL_FOLDER", news.folder),
            ("MSPOOL_CLASS", news.class),
            ("MSPOOL_FROM", news.from),
            ("MSPOOL_SUBJECT", news.subject),
        ];
        env.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
        env.push(("MSPOOL_SPOOL".to_owned(), spool.to_string_lossy().into_owned()));
        let words = [
            (Value::Id, news.id),
            (Value::Path, news.path),
            (Value::Folder, news.folder),
            (Value::Class, news.class),
            (Value::From, news.from),
            (Value::Subject, news.subject),
        ];
        let argv = self.command.fill_words(&words);
        let run = Run { argv, env: &env, input: None, results: Results::Exit, timeout: self.timeout };
        let finished = run.finish(signals, &mut |_| {});
        if finished.ending == Ending::Exited(0) { Ok(()) } else { Err(finished.trouble()) }
    }
}
